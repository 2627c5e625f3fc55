/**
 * The pages: the files of dist/web/public, read into memory at startup, with the Brotli and gzip variants that the
 * build has added; the brokers of a process share them. Each has an ETag. A page is the `index.html` of the folder that
 * its path names.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { type Header, type HttpAnswer, type HttpQuestion, textAnswer } from './answer.ts';

interface Variant {
  /** Of Content-Encoding; empty: uncompressed. */
  readonly coding: Coding | '';
  readonly etag: string;
  readonly body: Uint8Array;
}

interface Page {
  readonly contentType: string;
  /** Smallest first; the last one is uncompressed. */
  readonly variants: readonly Variant[];
}

type Coding = 'br' | 'gzip';
const codings: readonly { readonly coding: Coding; readonly suffix: string }[] = [
  { coding: 'br', suffix: '.br' },
  { coding: 'gzip', suffix: '.gz' },
];

export type Pages = ReadonlyMap<string, Page>;

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
  '.map': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
};

const builtPath = '/mqtt';

// From dist/core/http/pages.js.
const publicFolder = fileURLToPath(new URL('../../web/public/', import.meta.url));

/** By MQTT path. */
const loaded = new Map<string, Pages>();

/** `mqttPath`: where the pages connect to the broker. There are no pages if they are not built. */
export function loadPages(mqttPath: string): Pages {
  const known = loaded.get(mqttPath);
  if (known !== undefined) return known;
  const pages = readPages(mqttPath);
  loaded.set(mqttPath, pages);
  return pages;
}

function readPages(mqttPath: string): Pages {
  const pages = new Map<string, Page>();
  if (!existsSync(publicFolder)) return pages;
  for (const name of readdirSync(publicFolder, { recursive: true, encoding: 'utf8' })) {
    const contentType = contentTypes[extname(name)];
    if (contentType === undefined) continue;
    const file = join(publicFolder, name);
    const path = `/${name.replace(/(^|\/)index\.html$/, '$1')}`;
    const isElsewhere = name.endsWith('.html') && mqttPath !== builtPath;
    pages.set(path, { contentType, variants: isElsewhere ? variantsFor(file, mqttPath) : variantsOf(file) });
  }
  return pages;
}

function variantsOf(file: string): Variant[] {
  return [
    ...codings
      .filter(({ suffix }) => existsSync(file + suffix))
      .map(({ coding, suffix }) => variant(coding, readFileSync(file + suffix))),
    variant('', readFileSync(file)),
  ];
}

/** A page for an MQTT path other than the one in the build. */
function variantsFor(file: string, mqttPath: string): Variant[] {
  const html = readFileSync(file, 'utf8').replace(`data-mqtt="${builtPath}"`, `data-mqtt="${mqttPath}"`);
  const body = Buffer.from(html);
  return [variant('br', brotliCompressSync(body)), variant('gzip', gzipSync(body)), variant('', body)];
}

function variant(coding: Variant['coding'], body: Uint8Array): Variant {
  const digest = createHash('sha256').update(body).digest('base64url');
  return { coding, etag: `"${digest.slice(0, 22)}"`, body };
}

/** Undefined: there is no such page. */
export function pageAnswer(pages: Pages, question: HttpQuestion): HttpAnswer | undefined {
  const { path } = question;
  const page = pages.get(path);
  if (page === undefined) return pages.has(`${path}/`) ? moved(path) : undefined;
  const { coding, etag, body } = page.variants.find(
    ({ coding }) => coding === '' || accepts(question.acceptEncoding, coding),
  ) as Variant;
  const headers: Header[] = [
    ['etag', etag],
    ['cache-control', 'no-cache'],
    ['vary', 'accept-encoding, host'],
    ...security(path, question.host),
  ];
  if (etagsOf(question.ifNoneMatch).includes(etag)) {
    return { status: '304 Not Modified', headers, body: new Uint8Array() };
  }
  headers.unshift(['content-type', page.contentType]);
  if (isLibrary(path)) headers.push(['access-control-allow-origin', '*']);
  if (coding !== '') headers.push(['content-encoding', coding]);
  return { status: '200 OK', headers, body };
}

/** The page for unknown paths. */
const notFoundPath = '/not-found/';
/** Visitors do not ask for deeper paths. */
const notFoundDepthMax = 16;

/** For a visitor who has followed a wrong link; undefined: there are no pages, or the client is a program. */
export function notFoundAnswer(pages: Pages, { path, host, accept }: HttpQuestion): HttpAnswer | undefined {
  const body = pages.get(notFoundPath)?.variants.at(-1)?.body;
  const depth = path.split('/').length - 2;
  if (body === undefined || !accept.includes('text/html') || depth > notFoundDepthMax) return undefined;
  // The page was built for one folder of the site, and is shown in another.
  const html = Buffer.from(body)
    .toString()
    .replaceAll('../', '../'.repeat(depth) || './');
  const headers: Header[] = [
    ['content-type', 'text/html; charset=utf-8'],
    ['cache-control', 'no-store'],
    ...security(path, host),
  ];
  return { status: '404 Not Found', headers, body: Buffer.from(html) };
}

function moved(path: string): HttpAnswer {
  // A relative path, so that it is also right behind a proxy that adds a prefix.
  const last = path.slice(path.lastIndexOf('/') + 1);
  return textAnswer('308 Permanent Redirect', 'This page is a folder.\n', ['location', `${last}/`]);
}

/**
 * Only content of this host, and nothing inline. `ws:` and `wss:` of the own host are listed because 'self' does not cover them
 * in every browser. The host is the one that the visitor has requested, also behind a proxy. The landing page contains
 * the console, which connects by WebSocket to any broker that its user names.
 */
function security(path: string, host: string): Header[] {
  const isHost = /^[\w.-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/i.test(host);
  const ownSockets = isHost ? ` ws://${host} wss://${host}` : '';
  const sockets = path === '/' ? ' ws: wss:' : ownSockets;
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self'${sockets}`,
    "manifest-src 'self'",
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
  return /^\/[\w.-]+\.js(\.map)?$/.test(path);
}

/** RFC 9110, 12.5.3, for a single coding. `*` applies to codings that are not listed. */
function accepts(header: string, coding: Coding): boolean {
  const named = header.split(',').map((one) => /^\s*([\w*-]+)\s*(?:;\s*q=([\d.]+))?\s*$/i.exec(one));
  const found =
    named.find((match) => match?.[1]?.toLowerCase() === coding) ?? named.find((match) => match?.[1] === '*');
  return found !== null && found !== undefined && Number(found[2] ?? 1) > 0;
}

function etagsOf(header: string): string[] {
  return header.split(',').map((etag) => etag.trim().replace(/^W\//, ''));
}
