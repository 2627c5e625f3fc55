/** QoS 0, 1 and 2, with the server as sender and as receiver. */
import assert from 'node:assert/strict';
import { octets, u32 } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { pair, sessionExpiry } from '../support/pair.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';
import { secondsPass } from '../support/server-clock.ts';

const test = section('5.0', '4.3 Quality of Service levels and protocol flows');

const messageExpiry = (seconds: number): Uint8Array => octets('02', u32(seconds));

for (const publishedWith of [0, 1, 2] as const) {
  test(`[MQTT-4.3.1-1] what goes out with QoS 0 has DUP 0, published with QoS ${publishedWith}`, async (context) => {
    const { publisher, subscriber } = await pair(context, 0);
    publisher.send(
      publish('5.0', context.name(), 'm', { qos: publishedWith, id: 4, dup: publishedWith > 0 }),
    );
    if (publishedWith === 2) {
      await publisher.nextAcknowledgement(packetType.pubrec);
      publisher.send(pubrel(4));
    }
    const { qos, dup, id } = await subscriber.nextPublish();
    assert.deepEqual([qos, dup, id], [0, false, 0]);
  });
}

for (const qos of [1, 2] as const) {
  const [unused, firstTime, unacknowledged] =
    qos === 1 ? ['4.3.2-1', '4.3.2-2', '4.3.2-3'] : ['4.3.3-1', '4.3.3-2', '4.3.3-3'];

  test(`[MQTT-${unused}] each QoS ${qos} message under way has a packet identifier of its own, and none is 0`, async (context) => {
    const { publisher, subscriber } = await pair(context, qos);
    const inUse = new Set<number>();
    for (let round = 0; round < 200; round++) {
      await publisher.publish(context.name(), `${round}`, { qos });
      const { id } = await subscriber.nextPublish();
      assert.ok(id > 0);
      assert.ok(!inUse.has(id), `packet identifier ${id} is in use`);
      inUse.add(id);
      if (round % 20 === 0) continue; // stays under way
      if (qos === 1) subscriber.send(puback(id));
      else {
        subscriber.send(pubrec(id));
        await subscriber.nextAcknowledgement(packetType.pubrel);
        subscriber.send(pubcomp(id));
      }
      inUse.delete(id);
    }
  });

  test(`[MQTT-${firstTime}] a QoS ${qos} message goes out the first time with DUP 0, whatever its publisher said`, async (context) => {
    const { publisher, subscriber } = await pair(context, qos);
    for (const dup of [false, true]) {
      publisher.send(publish('5.0', context.name(), 'm', { qos, id: dup ? 2 : 1, dup }));
      if (qos === 1) await publisher.nextAcknowledgement(packetType.puback);
      else {
        await publisher.nextAcknowledgement(packetType.pubrec);
        publisher.send(pubrel(dup ? 2 : 1));
        await publisher.nextAcknowledgement(packetType.pubcomp);
      }
      const message = await subscriber.nextPublish();
      assert.deepEqual([message.qos, message.dup], [qos, false]);
      assert.ok(message.id > 0);
    }
  });

  test(`[MQTT-${unacknowledged}] a QoS ${qos} message is unacknowledged until its answer comes`, async (context) => {
    const { publisher, subscriber, reconnect } = await pair(context, qos);
    for (const text of ['one', 'two']) await publisher.publish(context.name(), text, { qos });
    const one = await subscriber.nextPublish();
    const two = await subscriber.nextPublish();
    subscriber.send(qos === 1 ? puback(two.id) : pubrec(two.id));
    if (qos === 2) {
      await subscriber.nextAcknowledgement(packetType.pubrel);
      subscriber.send(pubcomp(two.id));
    }
    await subscriber.ping();
    await subscriber.drop();
    const again = await reconnect();
    const repeated = await again.receive();
    assert.deepEqual([repeated.text, repeated.id, repeated.dup], ['one', one.id, true]);
    await again.ping();
  });
}

test('[MQTT-4.3.2-4] a QoS 1 message is answered with PUBACK and its packet identifier', async ({
  connect,
  name,
}) => {
  const client = await connect();
  const ids = [1, 65_535, 256, 3];
  client.send(...ids.map((id) => publish('5.0', name(), 'm', { qos: 1, id })));
  const answered: number[] = [];
  while (answered.length < ids.length)
    answered.push((await client.nextAcknowledgement(packetType.puback)).id);
  assert.deepEqual(answered.sort(), [...ids].sort());
  await client.ping();
});

test('[MQTT-4.3.2-5] behind its PUBACK the same packet identifier is a new message, with DUP or without', async (context) => {
  const { publisher, subscriber } = await pair(context, 1);
  for (const dup of [false, true, false, true]) {
    publisher.send(publish('5.0', context.name(), `${dup}`, { qos: 1, id: 6, dup }));
    assert.equal((await publisher.nextAcknowledgement(packetType.puback)).id, 6);
    assert.equal((await subscriber.receive()).text, `${dup}`);
  }
});

test('[MQTT-4.3.3-4] PUBREC is answered with PUBREL of the same packet identifier', async (context) => {
  const { publisher, subscriber } = await pair(context, 2);
  for (const text of ['one', 'two', 'three']) await publisher.publish(context.name(), text, { qos: 2 });
  const ids: number[] = [];
  for (let index = 0; index < 3; index++) ids.push((await subscriber.nextPublish()).id);
  for (const id of ids.reverse()) {
    subscriber.send(pubrec(id));
    assert.equal((await subscriber.nextAcknowledgement(packetType.pubrel)).id, id);
  }
});

test('[MQTT-4.3.3-4] PUBREC with 0x80 or more is not answered with PUBREL', async (context) => {
  const { publisher, subscriber } = await pair(context, 2);
  await publisher.publish(context.name(), 'm', { qos: 2 });
  const { id } = await subscriber.nextPublish();
  subscriber.send(octets('50 03', Uint8Array.of(id >> 8, id & 0xff, 0x80)));
  await subscriber.ping();
});

test('[MQTT-4.3.3-5] [MQTT-4.3.3-6] PUBREL is unacknowledged until PUBCOMP, and the PUBLISH does not come again', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 2);
  await publisher.publish(context.name(), 'm', { qos: 2 });
  const { id } = await subscriber.nextPublish();
  subscriber.send(pubrec(id));
  await subscriber.nextAcknowledgement(packetType.pubrel);
  await subscriber.drop();
  for (let round = 0; round < 3; round++) {
    const again = await reconnect();
    assert.equal((await again.nextAcknowledgement(packetType.pubrel)).id, id);
    await again.ping();
    if (round === 2) again.send(pubcomp(id));
    await again.ping();
    await again.drop();
  }
  const last = await reconnect();
  await last.ping();
});

test('[MQTT-4.3.3-7] once a QoS 2 message was sent it does not expire', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 2);
  for (const text of ['sent', 'received']) {
    await publisher.publish(context.name(), text, { qos: 2, properties: messageExpiry(1) });
  }
  const sent = await subscriber.nextPublish();
  const received = await subscriber.nextPublish();
  subscriber.send(pubrec(received.id));
  await subscriber.nextAcknowledgement(packetType.pubrel);
  await subscriber.drop();
  await secondsPass(context, 2);
  const again = await reconnect();
  const repeated = await again.nextPublish();
  assert.deepEqual([repeated.text, repeated.id, repeated.dup], ['sent', sent.id, true]);
  assert.equal((await again.nextAcknowledgement(packetType.pubrel)).id, received.id);
});

test('[MQTT-4.3.3-8] a QoS 2 message is answered with PUBREC and its packet identifier', async ({
  connect,
  name,
}) => {
  const client = await connect();
  const ids = [1, 65_535, 256, 3];
  client.send(...ids.map((id) => publish('5.0', name(), 'm', { qos: 2, id })));
  const answered: number[] = [];
  while (answered.length < ids.length)
    answered.push((await client.nextAcknowledgement(packetType.pubrec)).id);
  assert.deepEqual(answered.sort(), [...ids].sort());
  await client.ping();
});

test('[MQTT-4.3.3-10] until PUBREL the same packet identifier gets PUBREC again and is delivered once', async (context) => {
  const { publisher, subscriber } = await pair(context, 2);
  for (const dup of [false, true, true]) {
    publisher.send(publish('5.0', context.name(), 'once', { qos: 2, id: 6, dup }));
    const { id, codes } = await publisher.nextAcknowledgement(packetType.pubrec);
    assert.equal(id, 6);
    assert.ok((codes[0] ?? 0) < 0x80);
  }
  publisher.send(pubrel(6));
  await publisher.nextAcknowledgement(packetType.pubcomp);
  assert.equal((await subscriber.receive()).text, 'once');
  await subscriber.nothingBefore(publisher, context.name());
});

test('[MQTT-4.3.3-10] the packet identifier is remembered across connections of the session', async (context) => {
  const { connect, name } = context;
  const { subscriber } = await pair(context, 2);
  const session = { clientId: name('p'), properties: sessionExpiry };
  for (let round = 0; round < 3; round++) {
    const publisher = await connect({ ...session, clean: false });
    publisher.send(publish('5.0', name(), 'once', { qos: 2, id: 6, dup: round > 0 }));
    assert.equal((await publisher.nextAcknowledgement(packetType.pubrec)).id, 6);
    if (round < 2) {
      await publisher.drop();
      continue;
    }
    publisher.send(pubrel(6));
    assert.deepEqual((await publisher.nextAcknowledgement(packetType.pubcomp)).codes, [0]);
    assert.equal((await subscriber.receive()).text, 'once');
    await subscriber.nothingBefore(publisher, name());
  }
});

test('[MQTT-4.3.3-11] PUBREL is answered with PUBCOMP of the same packet identifier, as often as it comes', async ({
  connect,
  name,
}) => {
  const client = await connect();
  for (const id of [1, 65_535]) {
    client.send(publish('5.0', name(), 'm', { qos: 2, id }));
    await client.nextAcknowledgement(packetType.pubrec);
  }
  for (const id of [65_535, 1, 1, 65_535]) {
    client.send(pubrel(id));
    assert.equal((await client.nextAcknowledgement(packetType.pubcomp)).id, id);
  }
});

test('[MQTT-4.3.3-12] behind its PUBCOMP the same packet identifier is a new message, with DUP or without', async (context) => {
  const { publisher, subscriber } = await pair(context, 2);
  for (const dup of [false, true, false]) {
    publisher.send(publish('5.0', context.name(), `${dup}`, { qos: 2, id: 6, dup }));
    await publisher.nextAcknowledgement(packetType.pubrec);
    publisher.send(pubrel(6));
    await publisher.nextAcknowledgement(packetType.pubcomp);
    assert.equal((await subscriber.receive()).text, `${dup}`);
  }
});

test('[MQTT-4.3.3-13] the QoS 2 exchange goes on although the message has expired', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 2);
  await subscriber.drop();
  publisher.send(publish('5.0', context.name(), 'brief', { qos: 2, id: 6, properties: messageExpiry(1) }));
  await publisher.nextAcknowledgement(packetType.pubrec);
  await secondsPass(context, 2);
  publisher.send(
    publish('5.0', context.name(), 'brief', { qos: 2, id: 6, dup: true, properties: messageExpiry(1) }),
  );
  assert.equal((await publisher.nextAcknowledgement(packetType.pubrec)).id, 6);
  publisher.send(pubrel(6));
  const { id, codes } = await publisher.nextAcknowledgement(packetType.pubcomp);
  assert.deepEqual([id, codes], [6, [0]]);
  await (await reconnect()).nothingBefore(publisher, context.name());
});
