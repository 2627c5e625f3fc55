/**
 * The subcommand `lists`: how long the lists of the HTTP API and a scrape of the metrics take with 10,000 clients, or
 * 100,000 with --full. A tenth of them is connected, the others are away; each subscribes to a topic of its own and a shared one.
 */
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { LoginClient } from '../logins/login-client.ts';
import type { Endpoint } from '../peers/peer.ts';
import { rallymqWith } from '../peers/rallymq.ts';
import { memoryMbOf } from '../process-figures.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { quantileOf } from '../statistics.ts';
import { benchApiKey } from './api-key.ts';

const listMsMax = 50;
const scrapeMsMax = 5;
const scrapeBytesMax = 64 * 1_024;
const clientEventsMax = 100_000;
const eventsPerClientMax = 32;

const retained = 10_000;
const retainedAtOnce = 1_000;
/** Of each list. */
const asked = 60;
const askedBefore = 10;
const joinedAtOnce = 100;
const sessionExpirySeconds = 3_600;

interface Timed {
  readonly title: string;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly mostMs: number;
  readonly bytes: number;
  readonly isGood: boolean;
}

/** Returns whether every list stays within its limit. */
export async function runLists({ full, workers }: CommandLine): Promise<boolean> {
  const clients = full ? 100_000 : 10_000;
  const { key, file } = benchApiKey();
  const flags = ['--api-keys', file, '--workers', `${workers[0] ?? 1}`];
  const broker = await rallymqWith('rallymq', flags, 'with API keys').start();
  const { http, tcp, pid } = broker;
  if (http === undefined || tcp === undefined || pid === undefined)
    throw new BenchError('The broker has no HTTP, or no TCP.');
  const connected: LoginClient[] = [];
  try {
    const api = new Api(http, key);
    const before = await memoryMbOf(pid);
    connected.push(...(await join(tcp, clients)));
    await retain(api);
    showStep('lists');
    const rows = await timeAll(api, clients);
    const events = await eventsOf(api, clients);
    clear();
    say(shown(rows, clients));
    say(
      `\nThe broker has ${before} MB without clients and ${await memoryMbOf(pid)} MB with them, lists and all.`,
    );
    say(
      `Events are kept of the last ${shortNumber(events)} of ${shortNumber(clients)} clients (clientEventsMax).`,
    );
    return rows.every(({ isGood }) => isGood) && events <= clientEventsMax;
  } finally {
    for (const client of connected) client.end();
    await broker.stop();
  }
}

class Api {
  readonly #origin: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ host, port }: Endpoint, key: string) {
    this.#origin = `http://${host}:${port}`;
    this.#headers = { authorization: `Bearer ${key}` };
  }

  /** Errors: BenchError for any status other than 200 and those of `also`. */
  async ask(path: string, body?: unknown, also: readonly number[] = []): Promise<string> {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const answer = await fetch(`${this.#origin}${path}`, { headers: this.#headers, ...init });
    const text = await answer.text();
    if (answer.status === 200 || also.includes(answer.status)) return text;
    throw new BenchError(`${path} was answered with ${answer.status}: ${text.slice(0, 200)}`);
  }
}

function nameOf(index: number): string {
  return `court/${String(index).padStart(6, '0')}`;
}

/** Returns those that stay connected. */
async function join(tcp: Endpoint, clients: number): Promise<LoginClient[]> {
  const staying: LoginClient[] = [];
  for (let first = 0; first < clients; first += joinedAtOnce) {
    showStep(`${first} of ${clients} clients`);
    const batch = Array.from({ length: joinedAtOnce }, async (_, index) => {
      const client = await LoginClient.open(tcp);
      const properties = { sessionExpiryInterval: sessionExpirySeconds };
      const reasonCode = await client.logIn({ clientId: nameOf(first + index), properties });
      if (reasonCode !== 0) throw new BenchError(`A client was refused with ${reasonCode}.`);
      await client.subscribe('scores/all', 1);
      await client.subscribe(`scores/${first + index}/+`, 1);
      if (index % 10 === 0) staying.push(client);
      else client.end();
    });
    await Promise.all(batch);
  }
  return staying;
}

async function retain(api: Api): Promise<void> {
  for (let first = 0; first < retained; first += retainedAtOnce) {
    const messages = Array.from({ length: retainedAtOnce }, (_, index) => ({
      topic: `kept/${first + index}/state`,
      payload: 'x'.repeat(64),
      qos: 1,
      retain: true,
    }));
    await api.ask('/api/v1/publish/bulk', messages, [202]);
  }
}

async function timeAll(api: Api, clients: number): Promise<Timed[]> {
  const last = encodeURIComponent(nameOf(clients - 1));
  const behind = async (path: string): Promise<string> => {
    const { meta } = JSON.parse(await api.ask(`/api/v1/${path}`)) as { meta: { cursor: string } };
    return `${path}&cursor=${encodeURIComponent(meta.cursor)}`;
  };
  const lists: readonly (readonly [title: string, path: string])[] = [
    ['clients, first page', 'clients'],
    ['clients, 1,000 of them', 'clients?limit=1000'],
    ['clients, the next page', await behind('clients?limit=1000')],
    ['clients, one by a part of its name', `clients?like_clientid=${last.slice(-6)}`],
    ['clients, of a user that nobody is', 'clients?username=nobody'],
    ['clients, those away', 'clients?conn_state=disconnected'],
    ['a client', `clients/${last}`],
    ['its subscriptions', `clients/${last}/subscriptions`],
    ['its events', `clients/${last}/events`],
    ['who gets a topic: all', 'subscriptions?match_topic=scores/all'],
    ['who gets a topic: the next page', await behind('subscriptions?match_topic=scores/all&limit=1000')],
    ['who gets a topic: one', 'subscriptions?match_topic=scores/7/x'],
    ['topics, 1,000 of 10,000', 'topics?prefix=kept&limit=1000'],
    ['retained messages, first page', 'retained?topic=%23'],
    ['retained messages, the next page', await behind('retained?topic=%23&limit=1000')],
    ['retained messages, one of 10,000', 'retained?topic=%2B/9999/%2B'],
    ['slow clients', 'slow-subscriptions'],
    ['bans', 'banned'],
    ['counters', 'stats'],
  ];
  const rows: Timed[] = [];
  for (const [title, path] of lists)
    rows.push(await time(api, title, `/api/v1/${path}`, ({ p95Ms }) => p95Ms < listMsMax));
  const isGoodScrape = ({ p50Ms, bytes }: Omit<Timed, 'isGood'>): boolean =>
    p50Ms < scrapeMsMax && bytes < scrapeBytesMax;
  rows.push(await time(api, 'a scrape of /metrics', '/metrics', isGoodScrape));
  return rows;
}

async function time(
  api: Api,
  title: string,
  path: string,
  isGood: (timed: Omit<Timed, 'isGood'>) => boolean,
): Promise<Timed> {
  for (let n = 0; n < askedBefore; n++) await api.ask(path);
  const times: number[] = [];
  let bytes = 0;
  for (let n = 0; n < asked; n++) {
    const startMs = performance.now();
    bytes = Buffer.byteLength(await api.ask(path));
    times.push(performance.now() - startMs);
  }
  const at = (part: number): number => quantileOf(times, part) ?? 0;
  const timed = { title, p50Ms: at(0.5), p95Ms: at(0.95), mostMs: at(1), bytes };
  return { ...timed, isGood: isGood(timed) };
}

/** The number of clients with events: those of the first clients are gone, so the boundary is searched. */
async function eventsOf(api: Api, clients: number): Promise<number> {
  const areKept = async (index: number): Promise<boolean> => {
    const answer = await api.ask(
      `/api/v1/clients/${encodeURIComponent(nameOf(index))}/events`,
      undefined,
      [404],
    );
    const { data = [] } = JSON.parse(answer) as { data?: readonly unknown[] };
    if (data.length > eventsPerClientMax) throw new BenchError(`${nameOf(index)} has ${data.length} events.`);
    return data.length > 0;
  };
  let [gone, kept] = [-1, clients - 1];
  while (kept - gone > 1) {
    const middle = (gone + kept) >> 1;
    if (await areKept(middle)) kept = middle;
    else gone = middle;
  }
  return clients - kept;
}

function shown(rows: readonly Timed[], clients: number): string {
  return table([
    [`  beside ${clients.toLocaleString('en')} clients`, 'p50 (ms)', 'p95 (ms)', 'most (ms)', 'KB', ''],
    ...rows.map(({ title, p50Ms, p95Ms, mostMs, bytes, isGood }) => [
      `  ${title}`,
      p50Ms.toFixed(1),
      p95Ms.toFixed(1),
      mostMs.toFixed(1),
      (bytes / 1_024).toFixed(1),
      isGood ? '' : 'too slow, or too much',
    ]),
  ]);
}
