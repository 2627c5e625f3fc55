/** 5,000 clients at once, half of them over WebSocket and half over TCP. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { BrokerProcess } from '../../support/clients/broker-process.ts';
import {
  connectFrame,
  disconnectFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  subscription,
  textOf,
} from '../../support/frames.ts';
import { openClient, RawClient } from '../../support/raw-client.ts';
import { until, within } from '../../support/wait.ts';

const clientCount = 5_000;
const deadlineMs = 60_000;
/** That are being connected at the same time. */
const wave = 200;

interface Member {
  readonly client: RawClient;
  readonly received: string[];
}

for (const workers of [1, 4]) {
  test(`${clientCount} clients at once, ${workers} workers`, async (context) => {
    assertDescriptors(clientCount + 500);
    const broker = await BrokerProcess.start(context, { workers });
    const publisher = await openClient(context, 'tcp', broker);
    const before = await broker.statistics();

    const members = await joinAll(context, broker);
    const during = await broker.statistics();
    assert.equal(during.connections - before.connections, clientCount);
    assert.equal(during.sessions - before.sessions, clientCount);
    assert.equal(during.subscriptions, 2 * clientCount);

    publisher.send(publishFrame('all', 'to all'));
    await everyoneHas(members, 1, 'the message to all');
    for (const index of members.keys()) publisher.send(publishFrame(`own/${index}`, `to ${index}`));
    await everyoneHas(members, 2, 'the own message');
    for (const [index, { received }] of members.entries()) {
      assert.deepEqual(received, ['to all', `to ${index}`]);
    }

    for (const [index, { client }] of members.entries()) {
      // Half of them say goodbye, the other half is just gone.
      if (index % 4 < 2) client.send(disconnectFrame);
      else client.destroy();
    }
    await within(
      'the end of all connections',
      Promise.all(members.map(({ client }) => client.closed(deadlineMs))),
      deadlineMs,
    );
    let after = await broker.statistics();
    const endMs = performance.now() + deadlineMs;
    while (after.subscriptions > 0 && performance.now() < endMs) after = await broker.statistics();
    for (const gauge of ['connections', 'sessions', 'subscriptions', 'retained', 'queued'] as const) {
      assert.equal(after[gauge], before[gauge], gauge);
    }
    for (const [name, count] of Object.entries(after)) {
      if (name.startsWith('dropped')) assert.equal(count, 0, name);
    }
  });
}

function assertDescriptors(needed: number): void {
  const limit = spawnSync('sh', ['-c', 'ulimit -n']).stdout.toString().trim();
  assert.ok(
    limit === 'unlimited' || Number(limit) >= needed,
    `This needs ${needed} open files and ulimit -n is ${limit}: raise it with ulimit -n ${needed}.`,
  );
}

async function joinAll(context: TestContext, broker: BrokerProcess): Promise<Member[]> {
  const members: Member[] = [];
  context.after(() => {
    for (const { client } of members) client.destroy();
  });
  for (let first = 0; first < clientCount; first += wave) {
    const indexes = Array.from(
      { length: Math.min(wave, clientCount - first) },
      (_, offset) => first + offset,
    );
    members.push(...(await Promise.all(indexes.map((index) => join(broker, index)))));
  }
  return members;
}

async function join(broker: BrokerProcess, index: number): Promise<Member> {
  const client = await RawClient.open(index % 2 === 0 ? 'ws' : 'tcp', broker);
  const subscriptions = [subscription('all'), subscription(`own/${index}`)];
  client.send(connectFrame({ clientId: `many-${index}` }), subscribeFrame('all', 0, { subscriptions }));
  const types = [(await client.nextPacket()).type, (await client.nextPacket()).type];
  assert.deepEqual(types, [PacketType.connack, PacketType.suback]);
  const received: string[] = [];
  client.onPacket((packet) => received.push(textOf(publishOf(packet))));
  return { client, received };
}

function everyoneHas(members: readonly Member[], count: number, what: string): Promise<void> {
  return until(what, () => members.every(({ received }) => received.length >= count), deadlineMs);
}
