/** The counts of `perf stat` for a process under load: how often its processors waited for memory. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { endWithUs } from '../children.ts';

/** Memory reads that missed the last cache. */
const event = 'cache-misses';

/** Why they cannot be counted here, as the end of a sentence; undefined if they can. */
export async function whyNoMemoryTraffic(): Promise<string | undefined> {
  try {
    const { stderr } = await promisify(execFile)('perf', [...words, 'true']);
    return countOf(stderr) === undefined
      ? `its processor does not count ${event} (perf stat says: ${saidOf(stderr)})`
      : undefined;
  } catch (error) {
    const { code, stderr = '' } = error as { code?: string | number; stderr?: string };
    if (code === 'ENOENT') return 'perf is not installed (apt-get install linux-perf)';
    return `perf stat failed: ${stderr.trim().split('\n')[0] ?? code}`;
  }
}

/** Starts to count; the returned function stops, and returns the counts. */
export async function countMemoryTraffic(pid: number): Promise<() => Promise<number | undefined>> {
  const perf = spawn('perf', [...words, '-p', `${pid}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(perf, 'spawn');
  endWithUs(perf);
  let said = '';
  perf.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(perf, 'close');
  return async () => {
    perf.kill('SIGINT');
    await ended;
    return countOf(said);
  };
}

const words = ['stat', '-x', ',', '-e', event];

/** For `1234,,cache-misses,...`. */
export function countOf(said: string): number | undefined {
  const line = said.split('\n').find((each) => each.includes(event));
  const count = /^(\d+),/.exec(line ?? '')?.[1];
  return count === undefined ? undefined : Number(count);
}

function saidOf(said: string): string {
  const line = said.split('\n').find((each) => each.includes(event)) ?? '';
  return line.split(',')[0] || 'nothing';
}
