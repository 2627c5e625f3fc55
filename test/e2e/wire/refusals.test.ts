/**
 * The broker's reaction to forbidden input: MQTT 5 clients get the reason code in a DISCONNECT, clients of 3.1 and
 * 3.1.1 are closed without a byte, and no other client notices [MQTT-4.13.1-1].
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProtocolVersion } from '../../../core/wire/packets.ts';
import { startBroker } from '../../support/broker.ts';
import { bytesOf, connectFrame, frame, hexOf, publishFrame } from '../../support/frames.ts';
import { openClient, RawClient, transports } from '../../support/raw-client.ts';
import { sharedBroker } from '../../support/shared-broker.ts';

/** What is sent after the CONNACK: first byte and body, or all bytes where the length is the point. */
interface Offence {
  readonly name: string;
  readonly packet?: string;
  readonly raw?: string;
  readonly reasonCode: number;
  /** In 3.1.1 the packet looks different, or is allowed. */
  readonly v4?: string | null;
}

const malformedPacket = 0x81;
const protocolError = 0x82;
const topicAliasInvalid = 0x94;
const packetTooLarge = 0x95;

const offences: readonly Offence[] = [
  { name: 'PUBLISH with QoS 3', packet: "36 0001 't' 0001 00", reasonCode: malformedPacket },
  { name: 'PUBLISH with DUP and QoS 0', packet: "38 0001 't' 00", reasonCode: malformedPacket },
  {
    name: 'PUBLISH whose topic is longer than the packet',
    packet: "30 0009 't' 00",
    reasonCode: malformedPacket,
  },
  { name: 'PUBLISH without a body', packet: '30', reasonCode: malformedPacket },
  { name: 'PUBLISH with a topic that is not UTF-8', packet: '30 0002 c328 00', reasonCode: malformedPacket },
  { name: 'PUBLISH with a surrogate', packet: '30 0003 eda080 00', reasonCode: malformedPacket },
  { name: 'PUBLISH with U+0000', packet: '30 0003 610062 00', reasonCode: malformedPacket },
  { name: 'PUBLISH with packet identifier 0', packet: "32 0001 't' 0000 00", reasonCode: protocolError },
  { name: 'PUBLISH to +', packet: "30 0001 '+' 00", reasonCode: malformedPacket },
  { name: 'PUBLISH to a/#', packet: "30 0003 'a/#' 00", reasonCode: malformedPacket },
  { name: 'PUBLISH without a topic', packet: '30 0000 00', reasonCode: protocolError, v4: '30 0000' },
  { name: 'PUBLISH with alias 0', packet: "30 0001 't' 03 23 0000", reasonCode: topicAliasInvalid, v4: null },
  {
    name: 'PUBLISH with an alias too many',
    packet: "30 0001 't' 03 23 0041",
    reasonCode: topicAliasInvalid,
    v4: null,
  },
  {
    name: 'PUBLISH with an alias that was not set',
    packet: '30 0000 03 23 0001',
    reasonCode: protocolError,
    v4: null,
  },
  {
    name: 'PUBLISH with a subscription identifier',
    packet: "30 0001 't' 02 0b 01",
    reasonCode: protocolError,
    v4: null,
  },
  {
    name: 'PUBLISH with an unknown property',
    packet: "30 0001 't' 02 7e 01",
    reasonCode: malformedPacket,
    v4: null,
  },
  {
    name: 'PUBLISH with a property twice',
    packet: "30 0001 't' 04 01 01 01 01",
    reasonCode: protocolError,
    v4: null,
  },
  { name: 'PUBACK with flags', packet: '41 0001', reasonCode: malformedPacket },
  { name: 'PUBACK of one byte', packet: '40 00', reasonCode: malformedPacket },
  { name: 'PUBACK of packet identifier 0', packet: '40 0000', reasonCode: protocolError },
  { name: 'PUBREL without its flag', packet: '60 0001', reasonCode: malformedPacket },
  { name: 'PINGREQ with flags', packet: 'c1', reasonCode: malformedPacket },
  { name: 'PINGREQ with a body', packet: 'c0 00', reasonCode: malformedPacket },
  { name: 'SUBSCRIBE without its flag', packet: "80 0001 00 0001 't' 00", reasonCode: malformedPacket },
  { name: 'SUBSCRIBE without a filter', packet: '82 0001 00', reasonCode: protocolError, v4: '82 0001' },
  { name: 'SUBSCRIBE with packet identifier 0', packet: "82 0000 00 0001 't' 00", reasonCode: protocolError },
  {
    name: 'SUBSCRIBE with QoS 3',
    packet: "82 0001 00 0001 't' 03",
    reasonCode: protocolError,
    v4: "82 0001 0001 't' 03",
  },
  {
    name: 'SUBSCRIBE with reserved options',
    packet: "82 0001 00 0001 't' 40",
    reasonCode: malformedPacket,
    v4: "82 0001 0001 't' 40",
  },
  {
    name: 'SUBSCRIBE to a#',
    packet: "82 0001 00 0002 'a#' 00",
    reasonCode: malformedPacket,
    v4: "82 0001 0002 'a#' 00",
  },
  {
    name: 'SUBSCRIBE to a filter and to none',
    packet: "82 0001 00 0001 't' 00 0000 00",
    reasonCode: malformedPacket,
    v4: "82 0001 0001 't' 00 0000 00",
  },
  {
    name: 'SUBSCRIBE to a share without a name',
    packet: "82 0001 00 0009 '$share//x' 00",
    reasonCode: malformedPacket,
    v4: "82 0001 0009 '$share//x' 00",
  },
  {
    name: 'UNSUBSCRIBE from +a',
    packet: "a2 0001 00 0002 '+a'",
    reasonCode: malformedPacket,
    v4: "a2 0001 0002 '+a'",
  },
  { name: 'UNSUBSCRIBE without a filter', packet: 'a2 0001 00', reasonCode: protocolError, v4: 'a2 0001' },
  { name: 'UNSUBSCRIBE without its flag', packet: "a0 0001 00 0001 't'", reasonCode: malformedPacket },
  { name: 'DISCONNECT with flags', packet: 'e1', reasonCode: malformedPacket },
  { name: 'DISCONNECT with a code of servers', packet: 'e0 8e', reasonCode: protocolError, v4: 'e0 8e' },
  {
    name: 'DISCONNECT with a session expiry where there was none',
    packet: 'e0 00 05 11 00000001',
    reasonCode: protocolError,
    v4: null,
  },
  { name: 'AUTH without a method', packet: 'f0 18 00', reasonCode: protocolError },
  { name: 'a second CONNECT', packet: "10 0004 'MQTT' 05 02 0000 00 0000", reasonCode: protocolError },
  { name: 'CONNACK from a client', packet: '20 00 00 00', reasonCode: protocolError },
  { name: 'SUBACK from a client', packet: '90 0001 00 00', reasonCode: protocolError },
  { name: 'UNSUBACK from a client', packet: 'b0 0001 00 00', reasonCode: protocolError },
  { name: 'PINGRESP from a client', packet: 'd0', reasonCode: protocolError },
  { name: 'the reserved packet type 0', packet: '00', reasonCode: malformedPacket },
  { name: 'the reserved packet type 0 with flags', packet: '0f 00', reasonCode: malformedPacket },
  { name: 'a remaining length of five bytes', raw: 'c0 80 80 80 80 00', reasonCode: malformedPacket },
  {
    name: 'a remaining length of five bytes, all set',
    raw: '30 ff ff ff ff 7f',
    reasonCode: malformedPacket,
  },
  { name: 'a remaining length longer than needed', raw: 'c0 80 00', reasonCode: malformedPacket, v4: null },
  { name: 'the largest remaining length there is', raw: '30 ff ff ff 7f', reasonCode: packetTooLarge },
];

/** The bytes of the offence in this version; undefined where it is none. */
function bytesOfOffence({ packet, raw, v4 }: Offence, version: ProtocolVersion): Uint8Array | undefined {
  if (version < 5 && v4 === null) return undefined;
  if (raw !== undefined) return bytesOf(raw);
  const [header = 0, ...body] = bytesOf((version < 5 ? v4 : undefined) ?? packet ?? '');
  return frame(header, Uint8Array.from(body));
}

for (const transport of transports) {
  test(`${transport}, 5.0: the reason code of each offence, and no one else is affected`, async (t) => {
    const running = await sharedBroker(t);
    const bystander = await openClient(t, transport, running);
    for (const offence of offences) {
      const client = await openClient(t, transport, running);
      const bytes = bytesOfOffence(offence, 5);
      assert.ok(bytes !== undefined);
      // What comes behind it is not looked at any more.
      client.send(bytes, publishFrame('never', 'x', { qos: 1 }));
      const reason = offence.reasonCode.toString(16);
      assert.equal(await client.nextHex(), hexOf(`e0 01 ${reason}`), offence.name);
      await assertClosed(client, offence.name);
    }
    await bystander.assertAlive();
  });

  test(`${transport}, 3.1.1: each offence closes without a byte`, async (t) => {
    const running = await sharedBroker(t);
    const bystander = await openClient(t, transport, running, { protocolVersion: 4 });
    for (const offence of offences) {
      const bytes = bytesOfOffence(offence, 4);
      if (bytes === undefined) continue;
      const client = await openClient(t, transport, running, { protocolVersion: 4 });
      client.send(bytes, publishFrame('never', 'x', { qos: 1 }, 4));
      await assertClosed(client, offence.name);
    }
    await bystander.assertAlive();
  });

  test(`${transport}: an offence byte by byte has the same end`, async (t) => {
    const running = await sharedBroker(t);
    for (const offence of offences) {
      const client = await openClient(t, transport, running);
      for (const byte of bytesOfOffence(offence, 5) ?? []) client.send(Uint8Array.of(byte));
      const reason = offence.reasonCode.toString(16);
      assert.equal(await client.nextHex(), hexOf(`e0 01 ${reason}`), offence.name);
      await assertClosed(client, offence.name);
    }
  });

  test(`${transport}: a packet as large as allowed passes, one byte more does not`, async (t) => {
    const maximumPacketSizeBytes = 2_048;
    const running = await startBroker(t, { limits: { maximumPacketSizeBytes } });
    const headBytes = publishFrame('t', new Uint8Array(1_000), { qos: 1 }).length - 1_000;
    const client = await openClient(t, transport, running);
    const fitting = publishFrame('t', new Uint8Array(maximumPacketSizeBytes - headBytes), { qos: 1 });
    assert.equal(fitting.length, maximumPacketSizeBytes);
    client.send(fitting);
    assert.equal(await client.nextHex(), hexOf('40 03 0001 10'));
    // The fixed header alone is enough to know.
    client.send(
      publishFrame('t', new Uint8Array(maximumPacketSizeBytes - headBytes + 1), { qos: 1 }).subarray(0, 3),
    );
    assert.equal(await client.nextHex(), hexOf('e0 01 95'));
    await assertClosed(client, 'too large');
  });

  test(`${transport}: a CONNECT as large as allowed passes, one byte more does not`, async (t) => {
    const connectPacketSizeBytesMax = 2_048;
    const running = await startBroker(t, { limits: { connectPacketSizeBytesMax, clientIdBytesMax: 65_535 } });
    const otherBytes = connectFrame({ clientId: 'x'.repeat(1_000) }).length - 1_000;
    const idBytes = connectPacketSizeBytesMax - otherBytes;
    await openClient(t, transport, running, { clientId: 'x'.repeat(idBytes) });
    const client = await RawClient.open(transport, running);
    t.after(() => client.destroy());
    client.send(connectFrame({ clientId: 'x'.repeat(idBytes + 1) }).subarray(0, 3));
    await assertClosed(client, 'too large');
  });
}

async function assertClosed(client: RawClient, name: string): Promise<void> {
  await client.closed();
  assert.deepEqual(client.packets, [], `${name}: something more came`);
}
