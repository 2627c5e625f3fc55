/**
 * A client that publishes to itself continuously, and reports how long that took: bench/upkeep/round-trips.cpp, a process
 * of its own, since this one stands still for milliseconds when it starts others or collects garbage.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { BenchError } from '../bench-error.ts';
import { endWithUs } from '../children.ts';
import { compile } from '../load/compile.ts';

interface Figures {
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly longestUs: number;
}

export class RoundTrips {
  readonly #client: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(client: ChildProcessByStdio<Writable, Readable, null>) {
    this.#client = client;
    this.#lines = createInterface(client.stdout)[Symbol.asyncIterator]();
  }

  static async start(port: number): Promise<RoundTrips> {
    const program = await compile({
      name: 'round-trips',
      main: 'bench/upkeep/round-trips.cpp',
      includes: ['bench/catch-up', 'bench/upkeep', 'native/log'],
    });
    const client = spawn(program, [`${port}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    endWithUs(client);
    const trips = new RoundTrips(client);
    await trips.take(); // it is connected
    return trips;
  }

  /** Since the last call: how many, and the median, the 99th percentile and the longest in milliseconds. */
  async take(): Promise<string[]> {
    this.#client.stdin.write('\n');
    const line = await this.#lines.next();
    if (line.done === true) throw new BenchError('The client that measures round trips has ended.');
    const { count, p50Us, p99Us, longestUs } = JSON.parse(line.value) as Figures;
    const shown = (us: number) => (us / 1_000).toFixed(2);
    return [`${count}`, shown(p50Us), shown(p99Us), shown(longestUs)];
  }

  stop(): void {
    this.#client.stdin.end();
  }
}
