/**
 * The limits on names chosen by clients: identifiers, filters, shares, aliases, properties; with their reason codes.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { encodePublish } from '../../../core/wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import type { ConnectPacket, ProtocolVersion } from '../../../core/wire/packets.ts';
import type { Properties } from '../../../core/wire/properties.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { connectFrame, hexOf, subscription } from '../../support/frames.ts';
import { openClient, RawClient } from '../../support/raw-client.ts';

const noReasons = { requestProblemInformation: 0 } as const;
const long = (bytes: number) => 'x'.repeat(bytes);
const pairs = (count: number) => Array.from({ length: count }, (): [string, string] => ['k', 'v']);

/** What a client reads before its connection is closed. */
async function answerTo(
  t: TestContext,
  running: RunningBroker,
  connect: Partial<ConnectPacket>,
): Promise<string> {
  const client = await RawClient.open('tcp', running);
  t.after(() => client.destroy());
  client.send(connectFrame({ ...connect, properties: { ...noReasons, ...connect.properties } }));
  const answer = await client.nextHex();
  await client.closed();
  return answer;
}

test('CONNECT: identifiers, user names and passwords that are too long, in all versions', async (t) => {
  const limits = { clientIdBytesMax: 40, usernameBytesMax: 30, passwordBytesMax: 20 };
  const running = await startBroker(t, { limits });
  const cases: [Partial<ConnectPacket>, code5: string, code3: string][] = [
    [{ clientId: long(41) }, '85', '02'],
    [{ clientId: 'a', username: long(31) }, '86', '04'],
    [{ clientId: 'a', username: 'u', password: Buffer.from(long(21)) }, '86', '04'],
  ];
  for (const [connect, code5, code3] of cases) {
    assert.equal(await answerTo(t, running, connect), hexOf(`20 03 00 ${code5} 00`));
    for (const protocolVersion of [3, 4] as const)
      assert.equal(await answerTo(t, running, { ...connect, protocolVersion }), hexOf(`20 02 00 ${code3}`));
  }
  await openClient(t, 'tcp', running, {
    clientId: long(40),
    username: long(30),
    password: Buffer.from(long(20)),
  });
});

test('CONNECT: more user properties than are taken: 0x97, with those of the will', async (t) => {
  const running = await startBroker(t);
  const will = { topic: 't', payload: new Uint8Array(), qos: 0, retain: false } as const;
  const connect = {
    properties: { userProperties: pairs(32) },
    will: { ...will, properties: { userProperties: pairs(33) } },
  };
  assert.equal(await answerTo(t, running, connect), hexOf('20 03 00 97 00'));
});

for (const version of [4, 5] as const) {
  test(`SUBSCRIBE and UNSUBSCRIBE of version ${version}: too many filters end the connection`, async (t) => {
    const running = await startBroker(t, { limits: { filtersPerPacketMax: 3 } });
    const topicFilters = ['a', 'b', 'c', 'd'];
    for (const frame of [
      encodeSubscribe(
        { packetId: 1, subscriptions: topicFilters.map((filter) => subscription(filter, 0)), properties: {} },
        version,
      ),
      encodeUnsubscribe({ packetId: 1, topicFilters, properties: {} }, version),
    ]) {
      const client = await openClient(t, 'tcp', running, {
        protocolVersion: version,
        properties: version === 5 ? noReasons : {},
      });
      client.send(frame);
      if (version === 5) assert.equal(await client.nextHex(), hexOf('e0 01 97'));
      await client.closed();
    }
  });

  test(`SUBSCRIBE of version ${version}: the bounds of a session, each filter by itself`, async (t) => {
    const limits = {
      subscriptionsPerSessionMax: 4,
      sharedSubscriptionsPerSessionMax: 1,
      subscriptionBytesPerSessionMax: 4_000,
    };
    const running = await startBroker(t, { limits });
    const client = await openClient(t, 'tcp', running, {
      protocolVersion: version,
      properties: version === 5 ? noReasons : {},
    });
    const asked = ['a', '$share/x/t', '$share/y/t', long(5_000), 'b', 'a', 'c', 'd', 'b'];
    const codes = await subscribeTo(client, asked, version);
    const refused = version === 5 ? 0x97 : 0x80;
    assert.deepEqual(codes, [0, 0, refused, refused, 0, 0, 0, refused, 0]);
  });
}

test('what is left of the bytes of all subscriptions: each session has its part for sure', async (t) => {
  const limits = {
    sessionsMax: 16,
    subscriptionsTotalBytesMax: 65_536,
    subscriptionBytesPerSessionMax: 65_536,
    filtersPerPacketMax: 1_000,
  };
  const running = await startBroker(t, { workers: 2, limits });
  for (let index = 0; index < 4; index++) {
    const client = await openClient(t, 'tcp', running, { properties: noReasons });
    const filters = Array.from({ length: 500 }, (_, each) => `site/${index}/device/${each}/state`);
    const codes = await subscribeTo(client, filters, 5);
    const taken = codes.filter((code) => code === 0).length;
    assert.ok(taken >= 10 && taken < 200, `${taken} taken`);
    assert.equal(codes.filter((code) => code === 0x97).length, 500 - taken);
    assert.deepEqual([codes[0], codes.at(-1)], [0, 0x97]);
  }
});

test('PUBLISH: topic aliases that take too much end the connection with 0x97', async (t) => {
  const running = await startBroker(t, { limits: { topicAliasBytesMax: 1_024 } });
  const client = await openClient(t, 'tcp', running, { properties: noReasons });
  const publish = (topic: string, topicAlias: number) => client.send(publishWith(topic, 0, { topicAlias }));
  publish(long(500), 1);
  publish(long(400), 1);
  publish(long(400), 2);
  client.send(Uint8Array.of(0xc0, 0));
  assert.equal(await client.nextHex(), 'd000');
  publish(long(400), 3);
  assert.equal(await client.nextHex(), hexOf('e0 01 97'));
  await client.closed();
});

test('PUBLISH: a message with too many user properties is refused with 0x97', async (t) => {
  const running = await startBroker(t);
  const client = await openClient(t, 'tcp', running, { properties: noReasons });
  client.send(publishWith('t', 1, { userProperties: pairs(64) }));
  assert.equal(await client.nextHex(), hexOf('40 03 0001 10'));
  client.send(publishWith('t', 1, { userProperties: pairs(65) }));
  assert.equal(await client.nextHex(), hexOf('40 03 0001 97'));
  assert.equal(running.broker.statistics().publishRefused, 1);
});

function publishWith(topic: string, qos: 0 | 1, properties: Properties): Uint8Array {
  const packet = { topic, payload: new Uint8Array(), qos, retain: false, dup: false, properties };
  return encodePublish(qos > 0 ? { ...packet, packetId: 1 } : packet, 5);
}

/** The reason codes of the SUBACK. */
async function subscribeTo(
  client: RawClient,
  topicFilters: readonly string[],
  version: ProtocolVersion,
): Promise<number[]> {
  const subscriptions = topicFilters.map((filter) => subscription(filter, 0));
  client.send(encodeSubscribe({ packetId: 1, subscriptions, properties: {} }, version));
  const { body } = await client.nextPacket();
  return [...body.subarray(version === 5 ? 3 : 2)];
}
