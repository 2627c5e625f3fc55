/** SUBSCRIBE: what a client may ask for, and the SUBACK. */
import assert from 'node:assert/strict';
import { octets, packet, userProperty, varint } from '../support/octets.ts';
import { publish, subscribe } from '../support/packets.ts';
import { packetType, readAcknowledgement, singleValueOf, valuesOf } from '../support/received.ts';
import { malformed, protocolError, refused, tooManyLevels } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.8 SUBSCRIBE');

const allFlags = Array.from({ length: 16 }, (_, flags) => flags);
const subscriptionIdentifier = 0x0b;
const noLocal = 0x04;

refused(
  test,
  '[MQTT-3.8.1-1]',
  allFlags
    .filter((flags) => flags !== 2)
    .map((flags) => [
      `a SUBSCRIBE with the flags ${flags}`,
      packet(0x80 | flags, "0001 00 0001 't' 00"),
      malformed,
    ]),
);

refused(test, '[MQTT-3.8.3-1]', [
  ['a filter that is not UTF-8', packet(0x82, '0001 00 0002 c328 00'), malformed],
  ['a filter with a surrogate', packet(0x82, '0001 00 0003 eda080 00'), malformed],
  ['a filter that is longer than the packet', packet(0x82, "0001 00 0009 't' 00"), malformed],
  ['a filter with half a length', packet(0x82, "0001 00 0001 't' 00 00"), malformed],
]);

test('[MQTT-3.8.3-1] any well-formed UTF-8 is a filter', async ({ connect, name }) => {
  const client = await connect();
  for (const text of ['ü', '日本', '🎾', '\ufeffx', ' ']) {
    assert.deepEqual(await client.subscribe(name(`/${text}`)), [0], text);
    client.send(publish('5.0', name(`/${text}`), text));
    assert.equal((await client.receive()).topic, name(`/${text}`));
  }
});

refused(test, '[MQTT-3.8.3-2]', [
  ['a SUBSCRIBE without a filter', packet(0x82, '0001 00'), protocolError, malformed],
  [
    'a SUBSCRIBE with properties and without a filter',
    packet(0x82, '0001 02 0b 01'),
    protocolError,
    malformed,
  ],
  ['a SUBSCRIBE with a filter and no options', packet(0x82, "0001 00 0001 't'"), malformed, protocolError],
  [
    'a SUBSCRIBE whose last filter has no options',
    packet(0x82, "0001 00 0001 't' 00 0001 'u'"),
    malformed,
    protocolError,
  ],
]);

test('[MQTT-3.8.3-3] with No Local a client does not get what it publishes, and gets what others publish', async ({
  connect,
  name,
}) => {
  const other = await connect();
  const client = await connect();
  await client.subscribe(name(), noLocal | 1);
  await client.publish(name(), 'own', { qos: 1 });
  await client.publish(name(), 'own');
  await client.nothingBefore(other, name());
});

test('[MQTT-3.8.4-3] a SUBSCRIBE with the same filter takes No Local away, and gives it back', async ({
  connect,
  name,
}) => {
  const other = await connect();
  const client = await connect();
  for (let round = 0; round < 2; round++) {
    await client.subscribe(name(), noLocal | 1);
    await client.publish(name(), 'own', { qos: 1 });
    await client.nothingBefore(other, name());
    await client.subscribe(name(), 1);
    await client.publish(name(), 'own now', { qos: 1 });
    assert.equal((await client.receive()).text, 'own now');
  }
});

test('[MQTT-3.8.3-3] No Local is of the client identifier: it holds on the next connection of the session', async ({
  connect,
  name,
}) => {
  const other = await connect();
  const session = { clientId: name('s'), properties: '11 0000003c' };
  const first = await connect(session);
  await first.subscribe(name('/wild/+'), noLocal | 1);
  await first.disconnect();
  const second = await connect({ ...session, clean: false });
  assert.ok(second.connack.sessionPresent);
  await second.publish(name('/wild/a'), 'own', { qos: 1 });
  await second.nothingBefore(other, name('/wild/a'));
});

test('[MQTT-3.8.3-3] No Local is of one subscription: another one that matches still counts', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name('/a'), noLocal);
  await client.subscribe(name('/+'));
  await client.publish(name('/a'), 'own');
  assert.equal((await client.receive()).text, 'own');
  await client.ping();
});

refused(
  test,
  '[MQTT-3.8.3-4]',
  [0x04, 0x05, 0x06].map((options) => [
    `No Local on a shared subscription (options ${options})`,
    subscribe('5.0', [['$share/g/t', options]]),
    protocolError,
  ]),
);

refused(test, '[MQTT-3.8.3-5]', [
  ['bit 6 of the subscription options', subscribe('5.0', [['t', 0x40]]), malformed],
  ['bit 7 of the subscription options', subscribe('5.0', [['t', 0x81]]), malformed],
  [
    'a reserved bit of the second options',
    subscribe('5.0', [
      ['t', 1],
      ['u', 0xc0],
    ]),
    malformed,
  ],
]);

refused(test, '[MQTT-4.13.1-1]', [
  ['a subscription with QoS 3', subscribe('5.0', [['t', 3]]), protocolError, malformed],
  ['a subscription with Retain Handling 3', subscribe('5.0', [['t', 0x30]]), protocolError, malformed],
  ['a SUBSCRIBE with packet identifier 0', subscribe('5.0', [['t', 0]], { id: 0 }), protocolError, malformed],
  ['a SUBSCRIBE without a packet identifier', '82 00', malformed],
  [
    'a SUBSCRIBE with subscription identifier 0',
    subscribe('5.0', [['t', 0]], { properties: '0b 00' }),
    protocolError,
  ],
  [
    'a SUBSCRIBE with two subscription identifiers',
    subscribe('5.0', [['t', 0]], { properties: '0b 01 0b 02' }),
    protocolError,
  ],
  [
    'a subscription identifier of five bytes',
    subscribe('5.0', [['t', 0]], { properties: '0b ffffffff01' }),
    malformed,
  ],
  [
    'a SUBSCRIBE with a property of PUBLISH',
    subscribe('5.0', [['t', 0]], { properties: '01 00' }),
    malformed,
    protocolError,
  ],
  [
    'a SUBSCRIBE with a reason string',
    subscribe('5.0', [['t', 0]], { properties: "1f 0001 'x'" }),
    malformed,
    protocolError,
  ],
  [
    'a SUBSCRIBE with an unknown property',
    subscribe('5.0', [['t', 0]], { properties: '7f 00' }),
    malformed,
    protocolError,
  ],
  ['a SUBSCRIBE whose properties are longer than the packet', '82 05 0001 09 0b01', malformed],
]);

test('[MQTT-3.8.4-1] [MQTT-3.8.4-2] each SUBSCRIBE gets one SUBACK with its packet identifier', async ({
  connect,
  name,
}) => {
  const client = await connect();
  for (const id of [1, 2, 255, 256, 65_535, 1]) {
    client.send(subscribe('5.0', [[name(`/${id}`), 0]], { id }));
    const { id: answered, codes } = await client.nextAcknowledgement(packetType.suback);
    assert.deepEqual([answered, codes], [id, [0]]);
  }
  await client.ping();
});

test('[MQTT-3.8.4-1] user properties in a SUBSCRIBE are taken', async ({ connect, name }) => {
  const client = await connect();
  const given = octets(userProperty('k', '1'), '0b 05', userProperty('k', '2'), userProperty('', ''));
  assert.deepEqual(await client.subscribe(name(), 0, { properties: given }), [0]);
});

test('[MQTT-3.8.4-3] a SUBSCRIBE with the same filter replaces the subscription, options and identifier', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe(name('/+'), 2, { properties: '0b 07' });
  await client.subscribe(name('/+'), 0, { properties: octets('0b', varint(268_435_455)) });
  await publisher.publish(name('/a'), 'one', { qos: 2 });
  const one = await client.nextPublish();
  assert.deepEqual([one.text, one.qos], ['one', 0]);
  assert.deepEqual(valuesOf(one.properties, subscriptionIdentifier), [268_435_455]);
  await client.subscribe(name('/+'), 1);
  await publisher.publish(name('/a'), 'two', { qos: 2 });
  const two = await client.receive();
  assert.deepEqual([two.text, two.qos], ['two', 1]);
  assert.deepEqual(
    valuesOf(two.properties, subscriptionIdentifier),
    [],
    'no identifier was given the last time',
  );
  await client.unsubscribe(name('/+'));
  await publisher.publish(name('/a'), 'three', { qos: 1 });
  await client.ping();
});

test('[MQTT-3.8.4-4] with Retain Handling 0 a replaced subscription gets the retained messages again', async ({
  connect,
  name,
}) => {
  const client = await connect();
  for (const text of ['a', 'b']) await client.publish(name(`/${text}`), text, { qos: 1, retain: true });
  for (let round = 0; round < 3; round++) {
    client.send(subscribe('5.0', [[name('/+'), 1]], { id: 5 }));
    const texts = await client.receiveTexts(2);
    assert.deepEqual(texts.sort(), ['a', 'b'], `round ${round}`);
    assert.equal((await client.next()).type, packetType.suback);
    await client.ping();
  }
  for (const text of ['a', 'b']) await client.publish(name(`/${text}`), '', { retain: true });
});

test('[MQTT-3.8.4-4] no message is lost while a subscription is replaced', async ({ connect, name }) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe(name(), 1);
  const count = 200;
  const texts = client.receiveTexts(count);
  for (let index = 0; index < count; index++) {
    publisher.send(publish('5.0', name(), `${index}`, { qos: 1, id: index + 1 }));
    if (index % 10 === 5) client.send(subscribe('5.0', [[name(), index % 20 === 5 ? 2 : 1]], { id: 9 }));
    await publisher.nextAcknowledgement(packetType.puback);
  }
  assert.deepEqual(
    await texts,
    Array.from({ length: count }, (_, index) => `${index}`),
  );
});

test('[MQTT-3.8.4-5] the filters of one SUBSCRIBE count like one SUBSCRIBE after the other', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await publisher.publish(name('/r'), 'retained', { qos: 1, retain: true });
  const filters = [
    [name('/a'), 2],
    [name('/r'), 0],
    [name('/a'), 1],
  ] as const;
  client.send(subscribe('5.0', filters, { id: 21, properties: '0b 03' }));
  const retained = await client.receive();
  assert.equal(retained.text, 'retained');
  assert.deepEqual(singleValueOf(retained.properties, subscriptionIdentifier), 3);
  const { id, codes } = await client.nextAcknowledgement(packetType.suback);
  assert.deepEqual([id, codes], [21, [2, 0, 1]]);
  await client.ping();
  await publisher.publish(name('/a'), 'm', { qos: 2 });
  const message = await client.receive();
  assert.equal(message.qos, 1, 'the last one stands');
  await publisher.publish(name('/r'), '', { retain: true });
});

test('[MQTT-3.8.4-6] the SUBACK has one reason code for each filter', async ({ connect, name }) => {
  const client = await connect();
  for (const count of [1, 2, 10, 200]) {
    const filters = Array.from({ length: count }, (_, index) => name(`/${index}`));
    assert.deepEqual(
      await client.subscribe(filters, 1),
      filters.map(() => 1),
    );
  }
});

test('[MQTT-3.8.4-7] the reason code is the QoS that is granted, at most the one asked for, and it holds', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  for (const asked of [0, 1, 2]) {
    const client = await connect();
    const [granted = -1] = await client.subscribe(name(), asked);
    assert.ok(granted >= 0 && granted <= asked, `${granted} for ${asked}`);
    await publisher.publish(name(), 'm', { qos: 2 });
    assert.equal((await client.receive()).qos, granted);
  }
});

test('[MQTT-3.8.4-7] a filter that is refused says so, and its neighbours are subscribed to', async ({
  connect,
  name,
  target,
}) => {
  const client = await connect();
  client.send(
    subscribe(
      '5.0',
      [
        [name('/a'), 1],
        [name(tooManyLevels), 1],
        [name('/c'), 0],
      ],
      { id: 4 },
    ),
    'c0 00',
  );
  const answer = await client.next().catch(() => undefined);
  // Another server may end the connection for it, or allow it.
  if (!target.isOurs && answer?.type !== packetType.suback) return;
  assert.ok(answer !== undefined);
  const { codes } = readAcknowledgement('5.0', answer);
  if (!target.isOurs && codes[1] === 1) return;
  assert.deepEqual([codes[0], (codes[1] ?? 0) >= 0x80, codes[2]], [1, true, 0]);
  await client.expect('d0 00');
  await client.publish(name('/b'), 'not for it');
  await client.publish(name('/a'), 'for it');
  assert.equal((await client.receive()).text, 'for it');
});

for (const granted of [0, 1, 2] as const) {
  for (const qos of [0, 1, 2] as const) {
    test(`[MQTT-3.8.4-8] a message of QoS ${qos} for a subscription of QoS ${granted} has the lower of both, live and retained`, async ({
      connect,
      name,
    }) => {
      const publisher = await connect();
      const client = await connect();
      await client.subscribe(name(), granted);
      await publisher.publish(name(), 'live', { qos, retain: true });
      assert.equal((await client.receive()).qos, Math.min(qos, granted));
      const late = await connect();
      await late.subscribe(name(), granted);
      assert.equal((await late.receive()).qos, Math.min(qos, granted));
      await publisher.publish(name(), '', { retain: true });
    });
  }
}

test('[MQTT-3.8.4-3] a subscription identifier leaves with its subscription, and stays with the session', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const session = { clientId: name('s'), properties: '11 0000003c' };
  const first = await connect(session);
  await first.subscribe(name('/a'), 1, { properties: '0b 11' });
  await first.subscribe(name('/b'), 1, { properties: '0b 12' });
  await first.unsubscribe(name('/a'));
  await first.subscribe(name('/a'), 1);
  await first.disconnect();
  for (const topic of ['/a', '/b']) await publisher.publish(name(topic), topic, { qos: 1 });
  const second = await connect({ ...session, clean: false });
  const messages = [await second.receive(), await second.receive()];
  const identifiers = messages.map(({ text, properties: given }) => [
    text,
    valuesOf(given, subscriptionIdentifier),
  ]);
  assert.deepEqual(identifiers.sort(), [
    ['/a', []],
    ['/b', [0x12]],
  ]);
});
