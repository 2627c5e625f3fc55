/** The subcommand `http`: the HTTP endpoints of this broker under autocannon. */
import autocannon from 'autocannon';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { rallymqWith } from '../peers/rallymq.ts';
import { profileOf } from '../peers/run.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { type HttpCase, headerOf, resultsFolder, writeResult } from '../results.ts';
import { benchApiKey } from './api-key.ts';
import { besideClients, clientsOf } from './crowd.ts';

const message = { topic: 'bench/http', payload: 'x'.repeat(64) };

/** The request and its body. */
const requests: readonly (readonly [path: string, body?: unknown])[] = [
  ['/'],
  ['/healthz'],
  ['/api/v1/publish', message],
];
/** Requests with very many clients connected, over a few connections. */
const besideMany = ['/api/v1/clients', '/metrics'] as const;
const manyClients = 100_000;
/** Connections, and pipelined requests on each. */
const loads = [
  [1, 1],
  [100, 1],
  [100, 10],
] as const;

/** Returns whether every request was answered with 200. */
export async function runHttp(command: CommandLine): Promise<boolean> {
  const seconds = command.seconds ?? (command.full ? 10 : 1);
  const header = await headerOf(command.typed, profileOf(command));
  say(`HTTP, ${seconds} s each`);
  const { key, file } = benchApiKey();
  const workers = ['--workers', `${command.workers[0] ?? 1}`];
  const broker = await rallymqWith('rallymq', ['--api-keys', file, ...workers], 'with API keys').start();
  const cases: HttpCase[] = [];
  try {
    if (!broker.http) throw new BenchError('The broker has no HTTP.');
    const { host, port } = broker.http;
    const origin = `http://${host}:${port}`;
    for (const [path, body] of requests) {
      for (const [connections, pipelining] of loads) {
        showStep(`${path}: ${connections} connections`);
        cases.push(await shoot(origin, path, { connections, pipelining, seconds, key, body }));
      }
    }
    cases.push(
      ...(await shootBesideClients(broker, origin, key, command.full ? manyClients : 2_000, seconds)),
    );
  } finally {
    await broker.stop();
  }
  clear();
  say(httpTable(cases));
  say(`\nWritten to ${await writeResult(resultsFolder, 'http', { ...header, cases })}`);
  return cases.every(({ errors, not2xx }) => errors === 0 && not2xx === 0);
}

/** One after the other: the duration of a single answer counts. */
async function shootBesideClients(
  broker: RunningPeer,
  origin: string,
  key: string,
  wanted: number,
  seconds: number,
): Promise<HttpCase[]> {
  const clients = clientsOf(wanted);
  if (clients < wanted) say(`  ${clients} clients in place of ${wanted}: the limit on open files is too low`);
  showStep(`${clients} clients connect`);
  const cases: HttpCase[] = [];
  const shootAll = async (): Promise<HttpCase[]> => {
    for (const path of besideMany) {
      const load = { connections: 1, pipelining: 1, seconds, key };
      const { path: asked, ...shot } = await shoot(origin, path, load);
      cases.push({ path: `${asked}, ${clients.toLocaleString('en')} clients`, ...shot });
    }
    return cases;
  };
  return await besideClients(broker, clients, () => connectedTo(origin, key), shootAll);
}

async function connectedTo(origin: string, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  const answer = await fetch(`${origin}/api/v1/stats`, { headers });
  return ((await answer.json()) as { readonly connections: number }).connections;
}

export interface Shot {
  readonly connections: number;
  readonly pipelining: number;
  /** Rounded up to a whole number, as autocannon counts. */
  readonly seconds: number;
  /** Of the API. */
  readonly key?: string;
  /** Undefined: it is a GET. */
  readonly body?: unknown;
}

export async function shoot(
  origin: string,
  path: string,
  { connections, pipelining, seconds, key, body }: Shot,
): Promise<HttpCase> {
  const result = await autocannon({
    url: `${origin}${path}`,
    connections,
    pipelining,
    duration: Math.ceil(seconds),
    ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }),
    ...(body === undefined ? {} : { method: 'POST' as const, body: JSON.stringify(body) }),
  });
  return {
    path: body === undefined ? path : `POST ${path}`,
    connections,
    pipelining,
    perSecond: result.requests.total / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.errors,
    not2xx: result.non2xx,
  };
}

function httpTable(cases: readonly HttpCase[]): string {
  return table([
    ['  path', 'connections', 'pipelined', 'requests/s', 'p50 (ms)', 'p99 (ms)', 'errors'],
    ...cases.map((each) => [
      `  ${each.path}`,
      `${each.connections}`,
      `${each.pipelining}`,
      shortNumber(each.perSecond),
      shortNumber(each.p50Ms),
      shortNumber(each.p99Ms),
      `${each.errors + each.not2xx}`,
    ]),
  ]);
}
