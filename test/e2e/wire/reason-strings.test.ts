/** Reason strings: who gets them, and that they never make a packet larger than the client accepts. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { BrokerOptions } from '../../../core/broker.ts';
import {
  decodeAcknowledgement,
  decodeSubscriptionAnswer,
} from '../../../core/wire/decode-acknowledgement.ts';
import { decodeServerDisconnect } from '../../../core/wire/decode-disconnect.ts';
import { encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import type { Properties } from '../../../core/wire/properties.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { startBroker } from '../../support/broker.ts';
import { connectFrame, publishFrame, subscribeFrame } from '../../support/frames.ts';
import { openClient, openConnected, RawClient, type ReceivedPacket } from '../../support/raw-client.ts';

/** By packet; a packet without a reason string is there with undefined. */
type Answers = Readonly<
  Record<'connack' | 'suback' | 'unsuback' | 'puback' | 'pubrec' | 'disconnect', string | undefined>
>;

/** A filter with more levels than allowed. */
const tooDeep = '/'.repeat(200);

/** Has everything refused that can be, and gives the reason strings. */
async function answers(
  t: TestContext,
  options: BrokerOptions,
  properties: Properties = {},
): Promise<Answers> {
  const running = await startBroker(t, {
    ...options,
    authenticate: ({ clientId }) => clientId !== 'refused',
  });
  const { connack } = await openConnected(t, 'tcp', running, { clientId: 'refused', properties });
  // With an identifier of its own: one that the broker assigns makes the CONNACK larger than some of them take.
  const client = await openClient(t, 'tcp', running, { clientId: 'reader', properties });
  client.send(subscribeFrame(tooDeep));
  const suback = decoded(decodeSubscriptionAnswer, await client.nextPacket());
  assert.deepEqual(suback.reasonCodes, [0x8f]);
  client.send(encodeUnsubscribe({ packetId: 1, topicFilters: ['a'], properties: {} }, 5));
  const unsuback = decoded(decodeSubscriptionAnswer, await client.nextPacket());
  assert.deepEqual(unsuback.reasonCodes, [0x11]);
  client.send(publishFrame('$SYS/mine', '', { qos: 1 }));
  const puback = decoded(decodeAcknowledgement, await client.nextPacket());
  assert.equal(puback.reasonCode, 0x87);
  client.send(publishFrame('$SYS/mine', '', { qos: 2 }));
  const pubrec = decoded(decodeAcknowledgement, await client.nextPacket());
  assert.equal(pubrec.reasonCode, 0x87);
  client.send(Uint8Array.of(0xc0, 1, 0));
  const disconnect = decoded(decodeServerDisconnect, await client.nextPacket());
  assert.equal(disconnect.reasonCode, 0x81);
  await client.closed();
  return {
    connack: connack.properties.reasonString,
    suback: suback.properties.reasonString,
    unsuback: unsuback.properties.reasonString,
    puback: puback.properties.reasonString,
    pubrec: pubrec.properties.reasonString,
    disconnect: disconnect.properties.reasonString,
  };
}

const sentences = {
  connack: 'The user name or password is wrong.',
  suback: 'A topic filter has too many levels.',
  unsuback: 'There was no subscription to a topic filter.',
  puback: 'The client may not publish to this topic.',
  pubrec: 'The client may not publish to this topic.',
  disconnect: 'A packet could not be read.',
} as const satisfies Answers;
const none: Answers = {
  connack: undefined,
  suback: undefined,
  unsuback: undefined,
  puback: undefined,
  pubrec: undefined,
  disconnect: undefined,
};

test('reason strings come by default', async (t) => {
  assert.deepEqual(await answers(t, { reasonStrings: 'always' }), sentences);
});

test('with Request Problem Information 0 they come in CONNACK and DISCONNECT only [MQTT-3.1.2-29]', async (t) => {
  const { connack, disconnect } = sentences;
  const got = await answers(t, { reasonStrings: 'always' }, { requestProblemInformation: 0 });
  assert.deepEqual(got, { ...none, connack, disconnect });
});

test('where reason strings are for those who request them, others get none', async (t) => {
  const options = { reasonStrings: 'onRequest' } as const;
  assert.deepEqual(await answers(t, options), none);
  assert.deepEqual(await answers(t, options, { requestProblemInformation: 0 }), none);
  assert.deepEqual(await answers(t, options, { requestProblemInformation: 1 }), sentences);
});

test('where there shall be no reason strings there are none', async (t) => {
  assert.deepEqual(await answers(t, { reasonStrings: 'never' }, { requestProblemInformation: 1 }), none);
});

test('a reason string that does not fit the Maximum Packet Size of the client stays away [MQTT-3.2.2-19]', async (t) => {
  assert.deepEqual(await answers(t, { reasonStrings: 'always' }, { maximumPacketSize: 20 }), none);
});

test('a reason string comes if the packet is exactly as large as the client takes [MQTT-3.14.2-3]', async (t) => {
  const size = 2 + 1 + 1 + 3 + sentences.disconnect.length;
  for (const [maximumPacketSize, expected] of [
    [size, sentences.disconnect],
    [size - 1, undefined],
  ] as const) {
    const running = await startBroker(t, { reasonStrings: 'always' });
    const client = await openClient(t, 'ws', running, {
      clientId: 'reader',
      properties: { maximumPacketSize },
    });
    client.send(Uint8Array.of(0xc0, 1, 0));
    const { properties } = decoded(decodeServerDisconnect, await client.nextPacket());
    assert.equal(properties.reasonString, expected);
  }
});

test('what the decoder has found goes to the client as a sentence', async (t) => {
  const running = await startBroker(t, { reasonStrings: 'always' });
  const client = await RawClient.open('tcp', running);
  t.after(() => client.destroy());
  const connect = connectFrame();
  connect[9] = 0x19; // will QoS 3
  client.send(connect);
  assert.match(Buffer.from((await client.nextPacket()).body).toString('latin1'), /The will QoS is 3\.$/);
});

test('clients of MQTT 3.1.1 get bare packets', async (t) => {
  const running = await startBroker(t, { reasonStrings: 'always' });
  const client = await openClient(t, 'tcp', running, { protocolVersion: 4 });
  client.send(subscribeFrame(tooDeep, 0, {}, 4), publishFrame('$SYS/mine', '', { qos: 1 }, 4));
  assert.deepEqual(await client.nextHexes(2), ['9003000180', '40020001']);
});

function decoded<Packet extends object>(
  decode: (header: number, body: Uint8Array, version: 5) => Packet,
  { header, body }: ReceivedPacket,
): Exclude<Packet, { why: string }> {
  const packet = decode(header, body, 5);
  assert.ok(!isProtocolError(packet), `unexpected packet: 0x${header.toString(16)}`);
  return packet as Exclude<Packet, { why: string }>;
}
