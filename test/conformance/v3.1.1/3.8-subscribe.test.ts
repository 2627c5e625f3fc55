/** SUBSCRIBE, and what comes of it. */
import assert from 'node:assert/strict';
import { packet, string } from '../support/octets.ts';
import { subscribe } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.8 SUBSCRIBE');

test('[MQTT-3.8.1-1] flags other than 0010 end the connection', async ({ connect, name }) => {
  for (let flags = 0; flags < 16; flags++) {
    if (flags === 2) continue;
    const client = await connect();
    client.send(packet(0x80 | flags, '0001', string(name('/t')), '00'), 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.8.3-1] a filter that is not UTF-8 ends the connection', async ({ connect, name }) => {
  for (const filter of ['0002 c328', '0003 eda080', '0001 ff']) {
    const alone = await connect();
    alone.send(packet(0x82, '0001', filter, '00'), 'c0 00');
    await alone.closed();
    const second = await connect();
    second.send(packet(0x82, '0001', string(name('/t')), '00', filter, '00'), 'c0 00');
    await second.closed();
  }
});

test('[MQTT-3.8.3-2] filters with wildcards are served, or refused', async ({ connect, name }) => {
  const client = await connect();
  for (const filter of [name('/+'), name('/#'), name('/+/+/#'), name('/a/+/b')]) {
    const [code] = await client.subscribe(filter, 1);
    assert.ok(code === 1 || code === 0x80, `${filter}: ${code}`);
    if (code !== 1) continue;
    await client.publish(filter.replaceAll('+', 'x').replace('#', 'y'), filter, { qos: 1 });
    assert.equal((await client.receive()).text, filter);
    await client.unsubscribe(filter);
  }
});

test('[MQTT-3.8.3-3] a SUBSCRIBE without a filter, or with half of one, ends the connection', async ({
  connect,
}) => {
  for (const bytes of [
    '82 02 0001',
    '82 03 0001 00',
    "82 05 0001 0001 'a'", // without its QoS
    "82 06 0001 0003 'ab'",
    "82 0a 0001 0001 'a' 00 0001 'b'",
  ]) {
    const client = await connect();
    client.send(bytes, 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.8.3-4] reserved bits and QoS 3 end the connection', async ({ connect, name }) => {
  for (const options of [0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x81]) {
    const client = await connect();
    client.send(subscribe('3.1.1', [[name('/t'), options]]), 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.8.3-4] QoS 3 behind a filter that is right makes all of it void', async ({ connect, name }) => {
  const client = await connect();
  const entries = [
    [name('/a'), 0],
    [name('/b'), 3],
  ] as const;
  client.send(subscribe('3.1.1', entries), 'c0 00');
  await client.closed();
});

test('[MQTT-3.8.4-1] [MQTT-3.8.4-2] a SUBSCRIBE is answered with a SUBACK of its packet identifier', async ({
  connect,
  name,
}) => {
  const client = await connect();
  client.send(subscribe('3.1.1', [[name('/t'), 1]], { id: 0x1234 }));
  await client.expect('90 03 1234 01');
  client.send(
    subscribe('3.1.1', [[name('/u'), 0]], { id: 2 }),
    subscribe('3.1.1', [[name('/v'), 2]], { id: 1 }),
  );
  const answers = [
    await client.nextAcknowledgement(packetType.suback),
    await client.nextAcknowledgement(packetType.suback),
  ];
  assert.deepEqual(answers.map(({ id, codes }) => [id, ...codes]).sort(), [
    [1, 2],
    [2, 0],
  ]);
});

test('[MQTT-3.8.4-3] a subscription with the same filter replaces the one there was', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const publisher = await connect();
  await publisher.publish(topic, 'kept', { qos: 1, retain: true });
  const client = await connect();
  for (const qos of [2, 0, 1] as const) {
    assert.deepEqual(await client.subscribe(topic, qos), [qos]);
    const kept = await client.receive();
    assert.deepEqual([kept.text, kept.retain, kept.qos], ['kept', true, Math.min(qos, 1)]);
    await publisher.publish(topic, 'live', { qos: 2 });
    const live = await client.receive();
    assert.deepEqual([live.text, live.qos], ['live', qos]);
    // There is one subscription, not two.
    await client.nothingBefore(publisher, topic);
  }
  await client.unsubscribe(topic);
  await client.subscribe(name('/marker'));
  await publisher.publish(topic, '', { qos: 1, retain: true });
  await client.nothingBefore(publisher, name('/marker'));
});

test('[MQTT-3.8.4-3] no message is lost while a subscription is replaced', async ({ connect, name }) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 1);
  const publisher = await connect();
  const published = (async () => {
    for (let number = 0; number < 100; number++) await publisher.publish(topic, `${number}`, { qos: 1 });
  })();
  const subscribed = (async () => {
    for (let count = 0; count < 30; count++) await client.subscribe(topic, 1 + (count % 2));
  })();
  await Promise.all([published, subscribed]);
  const texts = await client.receiveTexts(100);
  assert.deepEqual(
    texts,
    texts.map((_, number) => `${number}`),
  );
});

test('[MQTT-3.8.4-4] several filters in one SUBSCRIBE are several subscriptions', async ({
  connect,
  name,
}) => {
  const [a, b, c] = [name('/a'), name('/b'), name('/c')];
  const publisher = await connect();
  await publisher.publish(b, 'kept', { qos: 1, retain: true });
  const client = await connect();
  client.send(
    subscribe(
      '3.1.1',
      [
        [a, 0],
        [b, 1],
        [c, 2],
        [a, 2],
      ],
      { id: 9 },
    ),
  );
  const received = [await client.next(), await client.next()].sort((one, two) => two.type - one.type);
  assert.deepEqual([...(received[0]?.body ?? [])], [0, 9, 0, 1, 2, 2]);
  assert.equal(received[1]?.type, packetType.publish, 'the retained message');
  for (const [topic, qos] of [
    [a, 2],
    [b, 1],
    [c, 2],
  ] as const) {
    await publisher.publish(topic, topic, { qos: 2 });
    const message = await client.receive();
    assert.deepEqual([message.text, message.qos], [topic, qos]);
  }
  await client.ping();
  await publisher.publish(b, '', { retain: true });
});

test('[MQTT-3.8.4-5] each filter has the QoS that was granted, or 0x80', async ({ connect, name }) => {
  const client = await connect();
  const entries = [0, 1, 2, 1, 0].map((qos, index) => [name(`/${index}`), qos] as const);
  client.send(subscribe('3.1.1', entries, { id: 1 }));
  const { codes } = await client.nextAcknowledgement(packetType.suback);
  assert.equal(codes.length, entries.length);
  for (const [index, code] of codes.entries()) {
    const qos = entries[index]?.[1] ?? 0;
    assert.ok(code <= qos || code === 0x80, `${code} for QoS ${qos}`);
  }
});

test('[MQTT-3.8.4-6] a message has its own QoS or the one that was granted, whichever is less', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  for (const granted of [0, 1, 2] as const) {
    const topic = name(`/${granted}`);
    const client = await connect();
    assert.deepEqual(await client.subscribe(topic, granted), [granted]);
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish(topic, 'live', { qos });
      assert.equal((await client.receive()).qos, Math.min(granted, qos));
    }
    for (const qos of [0, 1, 2] as const) {
      await publisher.publish(topic, 'kept', { qos, retain: true });
      assert.equal((await client.receive()).qos, Math.min(granted, qos));
      await client.subscribe(topic, granted);
      const kept = await client.receive();
      assert.deepEqual([kept.retain, kept.qos], [true, Math.min(granted, qos)]);
    }
    await publisher.publish(topic, '', { retain: true });
  }
});
