/** Debian's Chromium with a fresh profile, and a server for the pages and the client library. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { atEnd } from './at-end.ts';
import { listen } from './listen.ts';

const clientFolder = new URL('../../client/', import.meta.url);

export async function startChromium(test: TestContext): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
  atEnd(test, () => browser.close());
  return browser;
}

/**
 * Serves an empty page, dist/client/ and `files`, HTML and JavaScript by their names, on a free port of loopback; returns the URL
 * of the page.
 */
export async function servePage(test: TestContext, files: Record<string, string> = {}): Promise<string> {
  const server = createServer(async ({ url = '/' }, response) => {
    const name = url.slice(1);
    if (name === '') {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><meta charset="utf-8"><title>Rally</title>');
    } else if (files[name] !== undefined) {
      response.setHeader('content-type', name.endsWith('.js') ? 'text/javascript' : 'text/html');
      response.end(files[name]);
    } else if (/^[\w.-]+\.js$/.test(name)) {
      response.setHeader('content-type', 'text/javascript');
      response.end(await readFile(new URL(name, clientFolder)));
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  return await listen(test, server);
}

/** Runs `body`, the body of an async function with `argument`, in the page; returns its result. */
export function inPage<Result>(page: Page, body: string, argument: unknown = null): Promise<Result> {
  const source = `(async (argument) => { ${body} })(${JSON.stringify(argument)})`;
  return page.evaluate(source) as Promise<Result>;
}
