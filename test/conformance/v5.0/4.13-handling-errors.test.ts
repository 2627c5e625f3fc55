/** What breaks a rule ends its own connection, with the reason code that the specification names. */
import assert from 'node:assert/strict';
import { packet } from '../support/octets.ts';
import { publish, pubrel, subscribe } from '../support/packets.ts';
import { packetType, singleValueOf } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '4.13 Handling errors');

refused(test, '[MQTT-4.13.1-1]', [
  ['a second CONNECT', packet(0x10, "0004 'MQTT' 05 02 0000 00 0000"), protocolError],
  ['a CONNACK from a client', '20 03 00 00 00', protocolError],
  ['a SUBACK from a client', '90 04 0001 00 00', protocolError],
  ['an UNSUBACK from a client', 'b0 04 0001 00 00', protocolError],
  ['the packet type 0', '00 00', malformed, protocolError],
  ['the packet type 0 with flags', '0f 01 00', malformed, protocolError],
  ['a remaining length of five bytes', 'c0 80 80 80 80 00', malformed],
  ['a remaining length of five bytes, all set', '30 ff ff ff ff 7f', malformed],
  ['a PUBLISH with QoS 3', "36 06 0001 't' 0001 00", malformed],
  ['a PUBLISH without a body', '30 00', malformed],
  ['a PUBLISH whose topic is longer than the packet', "30 04 0009 't' 00", malformed],
  ['a PUBLISH without properties', "30 03 0001 't'", malformed],
  ['a PUBLISH whose property length has five bytes', "30 08 0001 't' 80 80 80 80 00", malformed],
]);

test('[MQTT-4.13.1-1] an error ends its own connection while others are served, in the middle of what they do', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const subscriber = await connect();
  await subscriber.subscribe(name(), 2);
  publisher.send(publish('5.0', name(), 'm', { qos: 2, id: 1 }));
  await publisher.nextAcknowledgement(packetType.pubrec);
  for (let round = 0; round < 5; round++) {
    const offender = await connect();
    await offender.subscribe(name('/x'));
    offender.send('f1 00');
    await offender.ended(malformed, protocolError);
  }
  publisher.send(pubrel(1));
  await publisher.nextAcknowledgement(packetType.pubcomp);
  assert.equal((await subscriber.receive()).text, 'm');
});

test('[MQTT-4.13.1-1] what came before the error counts, what comes behind it does not', async ({
  connect,
  name,
}) => {
  const subscriber = await connect();
  await subscriber.subscribe(name());
  const offender = await connect();
  offender.send(publish('5.0', name(), 'before'), '00 00', publish('5.0', name(), 'behind'));
  await offender.ended(malformed, protocolError);
  assert.equal((await subscriber.receive()).text, 'before');
  await subscriber.nothingBefore(await connect(), name());
});

test(
  '[MQTT-4.13.1-1] a packet above the Maximum Packet Size of the server ends the connection with 0x95',
  async ({ connect, name }) => {
    const client = await connect();
    const overhead = publish('5.0', name(), new Uint8Array(1_000)).length - 1_000;
    client.send(publish('5.0', name(), new Uint8Array(2_048 - overhead)));
    await client.ping();
    // The header is enough to know.
    client.send(publish('5.0', name(), new Uint8Array(2_049 - overhead)).subarray(0, 3));
    await client.ended(0x95);
  },
  { broker: { limits: { maximumPacketSizeBytes: 2_048 } } },
);

/** What a server may lack: its options, what its CONNACK says of it, what it must not get, and how it answers. */
const lacks = [
  [{ retainAvailable: false }, [0x25, 0], publish('5.0', 't', 'm', { retain: true }), 0x9a],
  [{ limits: { maximumQoS: 0 } }, [0x24, 0], publish('5.0', 't', 'm', { qos: 1 }), 0x9b],
  [{ limits: { maximumQoS: 1 } }, [0x24, 1], publish('5.0', 't', 'm', { qos: 2 }), 0x9b],
  [{ sharedSubscriptionAvailable: false }, [0x2a, 0], subscribe('5.0', [['$share/g/t', 0]]), 0x9e],
  [
    { subscriptionIdentifiersAvailable: false },
    [0x29, 0],
    subscribe('5.0', [['t', 0]], { properties: '0b 01' }),
    0xa1,
  ],
  [
    { wildcardSubscriptionAvailable: false },
    [0x28, 0],
    subscribe('5.0', [
      ['t', 0],
      ['t/+', 0],
    ]),
    0xa2,
  ],
  [{ wildcardSubscriptionAvailable: false }, [0x28, 0], subscribe('5.0', [['#', 0]]), 0xa2],
] as const;

for (const [options, [property, value], offence, code] of lacks) {
  test(
    `[MQTT-4.13.1-1] what the CONNACK said the server lacks (${JSON.stringify(options)}) ends the connection with 0x${code.toString(16)}`,
    async ({ connect, name }) => {
      const bystander = await connect();
      const client = await connect();
      assert.equal(singleValueOf(client.connack.properties, property), value);
      await client.subscribe(name(), 0);
      client.send(publish('5.0', name(), 'without it'));
      assert.equal((await client.receive()).text, 'without it');
      client.send(offence);
      await client.ended(code);
      await bystander.ping();
    },
    { broker: options },
  );
}

test('[MQTT-4.13.2-1] behind a CONNACK with 0x80 or more the connection is closed', async ({ open }) => {
  const client = await open();
  client.send(packet(0x10, "0004 'MQTT' 05 02 0000 03 21 0000 0000"));
  await client.ended(protocolError, malformed);
});

test('[MQTT-4.13.2-1] behind a DISCONNECT with 0x80 or more the connection is closed', async ({
  connect,
}) => {
  const client = await connect();
  client.send('82 03 0001 00');
  await client.ended(protocolError, malformed);
});

test('[MQTT-4.13.2-1] acknowledgements with 0x80 or more leave the connection as it is', async ({
  connect,
  target,
}) => {
  const client = await connect();
  client.send(pubrel(99));
  const { codes } = await client.nextAcknowledgement(packetType.pubcomp);
  assert.ok(codes[0] === 0x92 || !target.isOurs);
  await client.ping();
});

for (const [header, what, flow] of [
  [
    publish('5.0', 'x', new Uint8Array([0xc3, 0x28]), { qos: 1, id: 1, properties: '01 01' }),
    'PUBACK',
    packetType.puback,
  ],
  [
    publish('5.0', 'x', new Uint8Array([0xc3, 0x28]), { qos: 2, id: 1, properties: '01 01' }),
    'PUBREC',
    packetType.pubrec,
  ],
] as const) {
  test(
    `[MQTT-4.13.2-1] [MQTT-4.3.3-9] a payload that is not the UTF-8 it says it is gets ${what} with 0x99, and its packet identifier is free`,
    async ({ connect }) => {
      const subscriber = await connect();
      await subscriber.subscribe('x', 2);
      const client = await connect();
      for (let round = 0; round < 2; round++) {
        client.send(header);
        assert.deepEqual((await client.nextAcknowledgement(flow)).codes, [0x99]);
      }
      await client.publish('x', 'good', {
        qos: flow === packetType.puback ? 1 : 2,
        id: 1,
        properties: '01 01',
      });
      assert.equal((await subscriber.receive()).text, 'good');
      await subscriber.ping();
    },
    { broker: { checksPayloadFormat: true } },
  );
}
