/** The canary's process: pings, and publishes to itself, every 10 ms, and records the response times. */
import { setTimeout as delay } from 'node:timers/promises';
import { PacketType } from '../../core/wire/packet-type.ts';
import { connectFrame, pingreqFrame, publishFrame, subscribeFrame } from '../support/frames.ts';
import { RawClient } from '../support/raw-client.ts';
import type { CanaryReport } from './canary.ts';

const stepMs = 10;
const tcpPort = Number(process.argv[2]);
let waitsMs: number[] = [];
let lost = 0;

process.on('message', () => void report());

/** An attack may be over before the first answer. */
async function report(): Promise<void> {
  while (waitsMs.length === 0) await delay(stepMs);
  const sorted = waitsMs.sort((a, b) => a - b);
  const p99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY;
  process.send?.({ p99Ms, answers: sorted.length, lost } satisfies CanaryReport);
  waitsMs = [];
  lost = 0;
}
process.on('disconnect', () => process.exit());

for (let life = 0; ; life++) {
  await live(life).catch(() => {});
  lost++;
  await delay(100);
}

async function live(life: number): Promise<void> {
  const client = await RawClient.overTcp(tcpPort);
  client.send(connectFrame({ clientId: `canary-${process.pid}` }), subscribeFrame('canary'));
  await client.nextPacket();
  await client.nextPacket();
  if (life === 0) process.send?.('sings');
  const sent = new Map<number, number[]>([
    [PacketType.pingresp, []],
    [PacketType.publish, []],
  ]);
  client.onPacket(({ type }) => {
    const sentMs = sent.get(type)?.shift();
    if (sentMs !== undefined) waitsMs.push(performance.now() - sentMs);
  });
  while (!client.isClosed) {
    for (const times of sent.values()) times.push(performance.now());
    client.send(pingreqFrame, publishFrame('canary', 'x'));
    await delay(stepMs);
  }
}
