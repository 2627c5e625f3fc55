/**
 * The pages: the files of dist/web/public, read into memory at start. Each has an ETag and, made by the build,
 * a gzip variant beside it. A page is `index.html` of the folder that its path names.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Header, type HttpAnswer, type HttpQuestion, textAnswer } from './answer.ts';

interface Variant {
  readonly etag: string;
  readonly body: Uint8Array;
}

interface Page {
  readonly contentType: string;
  readonly plain: Variant;
  readonly gzip: Variant | undefined;
}

export type Pages = ReadonlyMap<string, Page>;

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
};

const builtPath = '/mqtt';

// From dist/core/http/pages.js.
const publicFolder = fileURLToPath(new URL('../../web/public/', import.meta.url));

/** `mqttPath`: where the pages find the broker. Without a build of the pages there are none. */
export function loadPages(mqttPath: string): Pages {
  const pages = new Map<string, Page>();
  if (!existsSync(publicFolder)) return pages;
  for (const name of readdirSync(publicFolder, { recursive: true, encoding: 'utf8' })) {
    const contentType = contentTypes[extname(name)];
    if (contentType === undefined) continue;
    const file = join(publicFolder, name);
    const path = `/${name.replace(/(^|\/)index\.html$/, '$1')}`;
    pages.set(path, name.endsWith('.html') ? htmlPage(file, mqttPath) : fileOf(file, contentType));
  }
  return pages;
}

function htmlPage(file: string, mqttPath: string): Page {
  const html = readFileSync(file, 'utf8').replace(`data-mqtt="${builtPath}"`, `data-mqtt="${mqttPath}"`);
  const body = Buffer.from(html);
  return {
    contentType: contentTypes['.html'] as string,
    plain: variant(body),
    gzip: variant(gzipSync(body)),
  };
}

function fileOf(file: string, contentType: string): Page {
  const zipped = `${file}.gz`;
  const gzip = existsSync(zipped) ? variant(readFileSync(zipped)) : undefined;
  return { contentType, plain: variant(readFileSync(file)), gzip };
}

function variant(body: Uint8Array): Variant {
  return { etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`, body };
}

/** Undefined: there is no such page. */
export function pageAnswer(pages: Pages, question: HttpQuestion): HttpAnswer | undefined {
  const { path } = question;
  const page = pages.get(path);
  if (page === undefined) return pages.has(`${path}/`) ? moved(path) : undefined;
  const { etag, body } = (acceptsGzip(question.acceptEncoding) && page.gzip) || page.plain;
  const headers: Header[] = [
    ['etag', etag],
    ['cache-control', 'no-cache'],
    ['vary', 'accept-encoding, host'],
    ...security(question.host),
  ];
  if (etagsOf(question.ifNoneMatch).includes(etag)) {
    return { status: '304 Not Modified', headers, body: new Uint8Array() };
  }
  headers.unshift(['content-type', page.contentType]);
  if (isLibrary(path)) headers.push(['access-control-allow-origin', '*']);
  if (body === page.gzip?.body) headers.push(['content-encoding', 'gzip']);
  return { status: '200 OK', headers, body };
}

function moved(path: string): HttpAnswer {
  // Relative, so that it is right behind a proxy that has put something in front of the path.
  const last = path.slice(path.lastIndexOf('/') + 1);
  return textAnswer('308 Permanent Redirect', 'This page is a folder.\n', ['location', `${last}/`]);
}

/**
 * Nothing from elsewhere, nothing inline. `ws:` and `wss:` to the own host are named, since not every browser
 * takes 'self' for them; the host is the one that the visitor has asked for, also behind a proxy.
 */
function security(host: string): Header[] {
  const isHost = /^[\w.-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/i.test(host);
  const sockets = isHost ? ` ws://${host} wss://${host}` : '';
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self'${sockets}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return [
    ['content-security-policy', policy.join('; ')],
    ['x-content-type-options', 'nosniff'],
    ['referrer-policy', 'no-referrer'],
  ];
}

/** The client library is for pages of any origin. */
function isLibrary(path: string): boolean {
  return path.startsWith('/rally.');
}

/** RFC 9110, 12.5.3, as far as it concerns gzip. */
function acceptsGzip(header: string): boolean {
  return header
    .split(',')
    .some((coding) => /^\s*(gzip|\*)\s*(;|$)/i.test(coding) && !/;\s*q=0(\.0*)?\s*$/i.test(coding));
}

function etagsOf(header: string): string[] {
  return header.split(',').map((etag) => etag.trim().replace(/^W\//, ''));
}
