/** Runs the load generator (bench/load/generator, in C++) and reads what it prints: lines of JSON. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BenchError } from '../bench-error.ts';
import { endWithUs } from '../children.ts';
import { compile } from './compile.ts';

/** Quantiles of times in nanoseconds. */
export interface Times {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The resources of the broker's process; missing if the process is not known. */
export interface BrokerUsage {
  /** While the stage was measured, and while its clients connected. */
  readonly cpuSeconds: number;
  readonly openCpuSeconds: number;
  /** Of that, its first thread: with RallyMQ the control plane. */
  readonly openMainCpuSeconds: number;
  /** The share of a core that its busiest thread took. */
  readonly busiestThread: number;
  /** Resident memory: before the clients of the stage, when they were ready, at the end, at most. */
  readonly bytesBefore: number;
  readonly bytesReady: number;
  readonly bytesAfter: number;
  readonly bytesPeak: number;
}

export interface StageResult {
  readonly name: string;
  readonly clients: number;
  /** What the kernel's own memory grew by while they connected; both ends are on this machine. */
  readonly kernelBytes: number;
  /** Until all clients of the stage were ready. */
  readonly openSeconds: number;
  /** The measured ones. */
  readonly seconds: number;
  readonly published: number;
  readonly delivered: number;
  /** Connections that got no CONNACK. */
  readonly refused: number;
  /** For clients that come and go: reconnections, takeovers that the broker reported, and UNSUBSCRIBEs. */
  readonly reconnects: number;
  readonly takeovers: number;
  readonly unsubscribes: number;
  readonly latencyNs?: Times;
  /** From publishing to PUBACK or PUBCOMP, of one message of a publisher at a time. */
  readonly acknowledgeNs?: Times;
  readonly connectNs?: Times;
  /** From SUBSCRIBE to the last of a few retained messages, and to the last of all. */
  readonly answerNs?: Times;
  readonly answerAllNs?: Times;
  /** Open loop: how late the generator itself was. */
  readonly scheduleLagNs?: Times;
  readonly generator: {
    readonly cpuSeconds: number;
    readonly busiestThread: number;
    /** A thread of the generator was saturated, and none of the broker's was as busy. */
    readonly wasTheLimit: boolean;
  };
  readonly broker?: BrokerUsage;
}

export interface Faults {
  /** Never arrived, though later ones of the same topic did. */
  readonly lost: number;
  /** Never arrived, and nothing later of the same topic did either. */
  readonly undelivered: number;
  readonly duplicates: number;
  /** Arrived after later ones of the same topic. */
  readonly outOfOrder: number;
  /** Arrived late or twice, after more gaps in its topic than the generator remembers. */
  readonly unclear: number;
  readonly corrupt: number;
  readonly refused: number;
  readonly disconnected: number;
}

export interface Ballast {
  readonly count: number;
  /** Of each tenth, in order. */
  readonly subscribeNs: readonly number[];
  readonly unsubscribeNs: readonly number[];
}

export interface LoadResult {
  readonly scenario: string;
  readonly stages: readonly StageResult[];
  readonly faults: Faults;
  /**
   * What the broker counted as dropped during the load, by counter, including slow subscribers; missing if it
   * does not tell.
   */
  readonly dropped?: Readonly<Record<string, number>>;
  readonly firstFault?: string;
  /** How many messages were retained. */
  readonly retained?: number;
  readonly slow?: { readonly count: number; readonly received: number; readonly cutOff: number };
  readonly ballast?: readonly Ballast[];
}

/** A sample of the running load; counters are since its beginning. */
export interface Sample {
  readonly seconds: number;
  readonly delivered: number;
  readonly brokerBytes: number;
  readonly brokerCpuSeconds: number;
}

export type Flags = Readonly<Record<string, string | number>>;

export async function compileGenerator(): Promise<string> {
  const folder = 'bench/load/generator';
  const main = `${folder}/main.cpp`;
  return await compile({ name: 'generator', main, includes: [folder], mayHaveTls: true });
}

/**
 * Plays one load; `flags` are those of bench/load/generator/options.h without their dashes. `stop` ends it.
 * Errors: BenchError with the generator's explanation if the broker could not play it to the end.
 */
export async function generate(
  program: string,
  flags: Flags,
  onSample: (sample: Sample) => void = () => {},
  stop?: AbortSignal,
): Promise<LoadResult> {
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  endWithUs(process);
  stop?.addEventListener('abort', () => process.kill('SIGKILL'));
  const exit = new Promise<number | string>((resolve, reject) => {
    process.once('error', reject);
    process.once('close', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });
  let complaint = '';
  process.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  let result: LoadResult | undefined;
  for await (const line of createInterface({ input: process.stdout })) {
    const said = JSON.parse(line) as { sample?: Sample; result?: LoadResult; error?: string };
    if (said.sample) onSample(said.sample);
    if (said.error !== undefined) complaint = said.error;
    result = said.result ?? result;
  }
  const status = await exit;
  if (result === undefined) throw new BenchError(complaint.trim() || `the generator ended with ${status}`);
  return result;
}
