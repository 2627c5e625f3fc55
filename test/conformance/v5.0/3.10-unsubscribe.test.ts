/** UNSUBSCRIBE: a client takes subscriptions back. */
import assert from 'node:assert/strict';
import { octets, packet, userProperty } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, unsubscribe } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.10 UNSUBSCRIBE');

const allFlags = Array.from({ length: 16 }, (_, flags) => flags);

refused(
  test,
  '[MQTT-3.10.1-1]',
  allFlags
    .filter((flags) => flags !== 2)
    .map((flags) => [
      `an UNSUBSCRIBE with the flags ${flags}`,
      packet(0xa0 | flags, "0001 00 0001 't'"),
      malformed,
    ]),
);

refused(test, '[MQTT-3.10.3-1]', [
  ['a filter that is not UTF-8', packet(0xa2, '0001 00 0002 c328'), malformed],
  ['a filter with a surrogate', packet(0xa2, '0001 00 0003 eda080'), malformed],
  ['a filter that is longer than the packet', packet(0xa2, "0001 00 0009 't'"), malformed],
  ['a filter with half a length', packet(0xa2, "0001 00 0001 't' 00"), malformed],
]);

refused(test, '[MQTT-3.10.3-2]', [
  ['an UNSUBSCRIBE without a filter', packet(0xa2, '0001 00'), protocolError, malformed],
  [
    'an UNSUBSCRIBE with a user property and without a filter',
    packet(0xa2, '0001 05 26 0000 0000'),
    protocolError,
    malformed,
  ],
]);

refused(test, '[MQTT-4.13.1-1]', [
  ['an UNSUBSCRIBE with packet identifier 0', unsubscribe('5.0', ['t'], { id: 0 }), protocolError, malformed],
  ['an UNSUBSCRIBE without a packet identifier', 'a2 00', malformed],
  [
    'an UNSUBSCRIBE with a subscription identifier',
    unsubscribe('5.0', ['t'], { properties: '0b 01' }),
    malformed,
    protocolError,
  ],
  [
    'an UNSUBSCRIBE with an unknown property',
    unsubscribe('5.0', ['t'], { properties: '7f 00' }),
    malformed,
    protocolError,
  ],
  ['an UNSUBSCRIBE whose properties are longer than the packet', 'a2 05 0001 09 2601', malformed],
]);

test('[MQTT-3.10.4-1] a subscription ends with exactly its filter, character by character', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe([name('/+'), name('/A')], 1);
  const others = [name('/a'), name('/#'), name('/'), name('/+/'), name(' /+'), name('/á')];
  const { codes } = await client.unsubscribe(...others);
  assert.deepEqual(
    codes,
    others.map(() => 0x11),
  );
  await publisher.publish(name('/a'), 'still', { qos: 1 });
  assert.equal((await client.receive()).text, 'still');
  assert.deepEqual((await client.unsubscribe(name('/+'))).codes, [0]);
  await publisher.publish(name('/a'), 'no more', { qos: 1 });
  await publisher.publish(name('/A'), 'this one', { qos: 1 });
  assert.equal((await client.receive()).text, 'this one');
});

test('[MQTT-3.10.4-2] from the UNSUBACK on no new message comes', async ({ connect, name }) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe([name('/a'), name('/b/#')], 1);
  await client.unsubscribe(name('/a'), name('/b/#'));
  for (const topic of ['/a', '/b', '/b/c']) await publisher.publish(name(topic), 'no', { qos: 1 });
  await client.subscribe(name('/a'), 1);
  await client.nothingBefore(publisher, name('/a'));
  await client.ping();
});

test('[MQTT-3.10.4-2] a message that another subscription wants still comes', async ({ connect, name }) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe([name('/a'), name('/+')], 1);
  await client.unsubscribe(name('/a'));
  await publisher.publish(name('/a'), 'm', { qos: 1 });
  assert.equal((await client.receive()).text, 'm');
});

for (const qos of [1, 2] as const) {
  test(`[MQTT-3.10.4-3] a QoS ${qos} message that was sent already is completed after the UNSUBSCRIBE`, async ({
    connect,
    name,
  }) => {
    const publisher = await connect();
    const session = { clientId: name('s'), properties: '11 0000003c' };
    const client = await connect(session);
    await client.subscribe(name(), qos);
    for (const text of ['one', 'two']) await publisher.publish(name(), text, { qos });
    const one = await client.nextPublish();
    const two = await client.nextPublish();
    await client.unsubscribe(name());
    client.send(qos === 1 ? puback(one.id) : pubrec(one.id));
    if (qos === 2) {
      assert.equal((await client.nextAcknowledgement(packetType.pubrel)).id, one.id);
      client.send(pubcomp(one.id));
    }
    await client.ping();
    await client.drop();
    // What is not acknowledged comes again, as it would with the subscription.
    const again = await connect({ ...session, clean: false });
    const repeated = await again.receive();
    assert.deepEqual([repeated.text, repeated.id, repeated.dup], ['two', two.id, true]);
    await again.ping();
  });
}

test('[MQTT-3.10.4-4] [MQTT-3.10.4-5] each UNSUBSCRIBE gets an UNSUBACK with its packet identifier, even if nothing ends', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name('/1'));
  for (const id of [1, 2, 256, 65_535, 1]) {
    client.send(unsubscribe('5.0', [name('/1')], { id, properties: octets(userProperty('k', 'v')) }));
    const { id: answered, codes } = await client.nextAcknowledgement(packetType.unsuback);
    assert.equal(answered, id);
    assert.equal(codes.length, 1);
  }
  await client.ping();
});

test('[MQTT-3.10.4-6] several filters in one UNSUBSCRIBE are one after the other, with one UNSUBACK', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe([name('/a'), name('/b'), name('/c')], 1);
  const { codes } = await client.unsubscribe(name('/a'), name('/none'), name('/c'), name('/a'));
  assert.deepEqual(codes, [0x00, 0x11, 0x00, 0x11]);
  await client.ping();
  for (const topic of ['/a', '/b', '/c']) publisher.send(publish('5.0', name(topic), topic));
  await publisher.ping();
  assert.equal((await client.receive()).text, '/b');
  await client.ping();
});
