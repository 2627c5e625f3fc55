/** The subcommand `http`: the HTTP endpoints of this broker under autocannon. */
import autocannon from 'autocannon';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { rallymq } from '../peers/rallymq.ts';
import { profileOf } from '../peers/run.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { type HttpCase, headerOf, resultsFolder, writeResult } from '../results.ts';

const paths = ['/', '/healthz'] as const;
/** Connections, and requests on the way on each. */
const loads = [
  [1, 1],
  [100, 1],
  [100, 10],
] as const;

/** Gives whether every request was answered with 200. */
export async function runHttp(command: CommandLine): Promise<boolean> {
  const seconds = command.seconds ?? (command.full ? 10 : 1);
  const header = await headerOf(command.typed, profileOf(command));
  say(`HTTP, ${seconds} s each`);
  const broker = await rallymq(command.workers[0] ?? 1).start();
  const cases: HttpCase[] = [];
  try {
    if (!broker.http) throw new BenchError('The broker has no HTTP.');
    const { host, port } = broker.http;
    for (const path of paths) {
      for (const [connections, pipelining] of loads) {
        showStep(`${path}: ${connections} connections`);
        cases.push(await shoot(`http://${host}:${port}`, path, { connections, pipelining, seconds }));
      }
    }
  } finally {
    await broker.stop();
  }
  clear();
  say(httpTable(cases));
  say(`\nWritten to ${await writeResult(resultsFolder, 'http', { ...header, cases })}`);
  return cases.every(({ errors, not2xx }) => errors === 0 && not2xx === 0);
}

/** `seconds` is rounded up to a whole one, as autocannon counts. */
export async function shoot(
  origin: string,
  path: string,
  { connections, pipelining, seconds }: { connections: number; pipelining: number; seconds: number },
): Promise<HttpCase> {
  const duration = Math.ceil(seconds);
  const result = await autocannon({ url: `${origin}${path}`, connections, pipelining, duration });
  return {
    path,
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
