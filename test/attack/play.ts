/** Runs an attack against its own broker, and judges the result. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Statistics } from '../../core/broker.ts';
import { until } from '../support/wait.ts';
import type { Attack, AttackResult } from './attack.ts';
import { Canary } from './canary.ts';
import { Target } from './target.ts';

/** What a process takes more when it is busy: the heaps of its threads, code, what malloc() keeps for a moment. */
const busyBytes = 40 * 1_048_576;
const canaryP99MsMax = 50;
/** Until memory that is free has gone back to the system: native/trim-watch.h. */
const givenBackMs = 30_000;

const gauges = [
  'connections',
  'sessions',
  'subscriptions',
  'sharedSubscriptions',
  'retained',
  'queued',
] as const;

export interface PlayOptions {
  /** Whether somebody waits for answers meanwhile, which a machine that does something else may delay. */
  readonly hasCanary: boolean;
}

export async function play(attack: Attack, { hasCanary }: PlayOptions): Promise<AttackResult> {
  const faults: string[] = [];
  const target = await Target.start(attack);
  const canary = hasCanary ? await Canary.start(target.tcpPort) : undefined;
  try {
    const before = await target.statistics();
    const residentBytes = target.residentBytes;
    await canary?.report();
    target.notePeak();
    const seen = await attack.run(target).catch((error: unknown) => {
      faults.push(`not reached: ${error instanceof Error ? error.message : error}`);
      return '';
    });
    const isOver = attack.bounds.includes('duration of a stop');
    const sung = isOver ? undefined : await canary?.report();
    const grownBytes = isOver ? 0 : Math.max(0, target.peakBytes - residentBytes);
    const grownBytesMax = (attack.accountBytes ?? 0) * 1.1 + busyBytes;
    if (grownBytes > grownBytesMax)
      faults.push(`has grown by ${inMB(grownBytes)}, not ${inMB(grownBytesMax)}`);
    if (sung !== undefined && sung.p99Ms >= canaryP99MsMax)
      faults.push(`the canary waited for ${Math.round(sung.p99Ms)} ms`);
    if (sung !== undefined && sung.lost > 0) faults.push(`the canary was cut ${sung.lost} times`);
    if (!isOver) faults.push(...(await recovery(target, before, residentBytes)));
    return { ...attack, seen, grownBytes, grownBytesMax, canaryP99Ms: sung?.p99Ms, faults };
  } finally {
    canary?.stop();
    target.kill();
  }
}

/** What has not come back once the attackers are gone. */
async function recovery(target: Target, before: Statistics, residentBytes: number): Promise<string[]> {
  target.withdraw();
  const remains = async (): Promise<string[]> => {
    const now = await target.statistics();
    const left = gauges.filter((name) => now[name] > before[name]).map((name) => `${now[name]} ${name}`);
    const grownBytes = target.residentBytes - residentBytes;
    return grownBytes > busyBytes ? [...left, inMB(grownBytes)] : left;
  };
  let left = await remains();
  for (const endMs = performance.now() + givenBackMs; left.length > 0 && performance.now() < endMs; ) {
    await delay(100);
    left = await remains();
  }
  const faults = left.map((what) => `${what} did not come back`);
  const getsIn = async (): Promise<boolean> => (await target.connect()).connack.reasonCode === 0;
  await until('a client that gets in', getsIn).catch(() => faults.push('nobody gets in afterwards'));
  return faults;
}

function inMB(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
