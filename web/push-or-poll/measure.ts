/**
 * Measures what a delivery and a poll cost the broker: first a hundred real connections get a pushed score, then as
 * many viewers poll it. The CPU time is that of the broker's process, minus its CPU time while
 * nothing is measured.
 */
import { Rally } from '../../client/rally.ts';
import { mqttPath, randomId } from '../shared/page.ts';
import { readStatistics } from '../shared/statistics.ts';
import { poll } from './poll.ts';

export const measuredViewers = 100;
const pushes = 20;
const pushPeriodMs = 100;
const pollsEach = 5;
const idleMs = 1_000;
const deadlineMs = 20_000;

export interface Measured {
  readonly cpuUsPerDelivery: number;
  readonly cpuUsPerPoll: number;
  /** From publishing to the last viewer, on average. */
  readonly pushMs: number;
  /** From request to answer, on average. */
  readonly pollMs: number;
}

/** Reports progress to `say`. Throws if the broker disconnects during the measurement. */
export async function measure(payload: string, say: (text: string) => void): Promise<Measured> {
  const topic = `demos/push-or-poll/${randomId()}/score`;
  const publisher = new Rally(mqttPath(), { reconnect: false });
  const viewers: Rally[] = [];
  try {
    await publisher.publish(topic, payload, { qos: 1, retain: true });
    say(`${measuredViewers} viewers connect`);
    let delivered = 0;
    const arrived = (): void => {
      delivered += 1;
    };
    await Promise.all(Array.from({ length: measuredViewers }, () => follow(topic, viewers, arrived)));
    say('the broker does nothing');
    const idle = await cpuOf(() => pause(idleMs));
    say(`the score is pushed ${pushes} times`);
    delivered = 0;
    const pushTimes: number[] = [];
    const push = await cpuOf(async () => {
      for (let count = 1; count <= pushes; count += 1) {
        const startMs = performance.now();
        await publisher.publish(topic, payload, { qos: 1 });
        await reached(() => delivered >= count * measuredViewers);
        pushTimes.push(performance.now() - startMs);
        await pause(pushPeriodMs);
      }
    });
    say(`each of ${measuredViewers} viewers polls ${pollsEach} times`);
    const pollTimes: number[] = [];
    const polls = await cpuOf(() => pollAll(topic, pollTimes));
    const idlePerMs = idle.cpuUs / idle.ms;
    return {
      cpuUsPerDelivery: costOf(push, idlePerMs, pushes * measuredViewers),
      cpuUsPerPoll: costOf(polls, idlePerMs, pollsEach * measuredViewers),
      pushMs: mean(pushTimes),
      pollMs: mean(pollTimes),
    };
  } finally {
    for (const viewer of viewers) viewer.close();
    await publisher.publish(topic, undefined, { qos: 1, retain: true }).catch(() => undefined);
    publisher.close();
  }
}

async function follow(topic: string, viewers: Rally[], arrived: () => void): Promise<void> {
  const viewer = new Rally(mqttPath(), { reconnect: false });
  viewers.push(viewer);
  await viewer.ready;
  await viewer.subscribe(topic, arrived, { qos: 0, retainHandling: 2 }).ready;
}

async function pollAll(topic: string, times: number[]): Promise<void> {
  const viewer = async (): Promise<void> => {
    for (let count = 0; count < pollsEach; count += 1) times.push((await poll(topic)).durationMs);
  };
  await Promise.all(Array.from({ length: measuredViewers }, viewer));
}

interface Spent {
  readonly ms: number;
  readonly cpuUs: number;
}

async function cpuOf(work: () => Promise<void>): Promise<Spent> {
  const before = await readStatistics();
  await work();
  const after = await readStatistics();
  return { ms: after.uptimeMs - before.uptimeMs, cpuUs: after.cpuUs - before.cpuUs };
}

/** At least 0: the load that is not measured varies as well. */
function costOf({ ms, cpuUs }: Spent, idlePerMs: number, steps: number): number {
  return Math.max(0, cpuUs - idlePerMs * ms) / steps;
}

async function reached(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error('not every viewer was reached');
    await pause(1);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / (values.length || 1);
}
