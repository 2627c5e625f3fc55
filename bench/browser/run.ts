/**
 * The subcommand `browser`: a page in Chromium publishes and receives its own messages, with this project's client
 * and with MQTT.js, from each broker.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { rotated } from '../peers/interleave.ts';
import { isOurs, type Peer } from '../peers/peer.ts';
import { chosenPeers, profileOf, roundsOf } from '../peers/run.ts';
import { clear, say, showStep, table } from '../progress.ts';
import { type BrowserCase, type BrowserFile, headerOf, resultsFolder, writeResult } from '../results.ts';
import { root } from '../root.ts';
import type { EchoOptions, EchoResult } from './echo.ts';
import { browserHead, browserRows, clients, qualities, windows } from './figures.ts';

const executablePath = '/usr/bin/chromium';

/** What the page loads, by path. */
const scripts: Readonly<Record<string, string>> = {
  '/echo.js': 'dist/bench/browser/echo.js',
  '/rally.js': 'dist/client/rally.js',
  '/mqtt-3.js': 'dist/client/mqtt-3.js',
  '/mqtt.esm.js': 'node_modules/mqtt/dist/mqtt.esm.js',
};

/** Returns whether every message came back. Errors: BenchError if there is no Chromium. */
export async function runBrowser(command: CommandLine): Promise<boolean> {
  const seconds = command.seconds ?? (command.full ? 5 : 1);
  const rounds = roundsOf(command);
  const peers = await chosenPeers(command);
  const header = await headerOf(command.typed, profileOf(command));
  const page = await openPage();
  const cases: BrowserCase[] = [];
  say(`In a browser: ${peers.map(({ name }) => name).join(', ')}; ${rounds} rounds`);
  try {
    for (let round = 0; round < rounds; round++) {
      for (const peer of rotated(peers, round)) cases.push(...(await playPeer(page, peer, round, seconds)));
    }
  } finally {
    await page.close();
  }
  clear();
  const versions = { chromium: page.version, mqttJs: await mqttJsVersion() };
  const file: BrowserFile = { ...header, rounds, versions, peers: peers.map(({ name }) => name), cases };
  say(table([[...browserHead], ...browserRows(file)]));
  say(`\nWritten to ${await writeResult(resultsFolder, 'browser', file)}`);
  return cases.every(({ peer, client, result }) => !isOurs(peer) || client !== 'rally' || result.lost === 0);
}

async function playPeer(page: Page, peer: Peer, round: number, seconds: number): Promise<BrowserCase[]> {
  const broker = await peer.start();
  const cases: BrowserCase[] = [];
  try {
    if (!broker.ws) return cases; // a browser has no TCP
    const { host, port, path = '' } = broker.ws;
    const url = `ws://${host}:${port}${path}`;
    for (const qos of qualities) {
      for (const window of Object.values(windows)) {
        for (const client of rotated(clients, round)) {
          showStep(`${peer.name}: ${client}, QoS ${qos}, window ${window}, round ${round + 1}`);
          const isVersion4 = peer.isVersion4 ?? false;
          const result = await page.echo({ client, url, isVersion4, qos, window, seconds });
          if (result.lost > 0) say(`${peer.name}: ${client}, QoS ${qos}: ${result.lost} did not come back`);
          cases.push({ peer: peer.name, client, qos, window, round, result });
        }
      }
    }
  } finally {
    await broker.stop();
  }
  return cases;
}

export interface Page {
  /** Of Chromium. */
  readonly version: string;
  echo(options: EchoOptions): Promise<EchoResult>;
  close(): Promise<void>;
}

/** Errors: BenchError if Chromium does not start. */
export async function openPage(): Promise<Page> {
  const browser = await launch();
  const server = createServer(async ({ url = '/' }, response) => {
    // Isolated from other origins, a page has a clock resolution of 5 us instead of 100.
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    const script = scripts[url];
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ? await readFile(join(root, script)) : '<!doctype html><title>bench</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    version: browser.version(),
    async echo(options) {
      // Each in a page of its own, so that none benefits from the warm-up or the remains of another.
      const page = await browser.newPage();
      try {
        await page.goto(`http://127.0.0.1:${port}/`);
        const call = `import('/echo.js').then(({ echo }) => echo(${JSON.stringify(options)}))`;
        return (await page.evaluate(call)) as EchoResult;
      } finally {
        await page.close();
      }
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

async function launch(): Promise<Browser> {
  try {
    return await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    throw new BenchError(`Chromium does not start (${why}): apt-get install chromium.`, { cause: error });
  }
}

async function mqttJsVersion(): Promise<string> {
  const text = await readFile(join(root, 'node_modules/mqtt/package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
