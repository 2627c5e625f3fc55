/** Topic aliases that a client sets (3.3.2.3.4). */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import { octets, type Part } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import {
  contentType,
  identifier,
  sessionExpiryInterval,
  topicAlias,
  topicAliasMaximum,
} from '../support/properties.ts';
import { packetType, singleValueOf, valuesOf } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';

const test = section('5.0', '3.3.2.3.4 PUBLISH, topic alias');

const protocolError = 0x82;
const topicAliasInvalid = 0x94;

/** A client that may set aliases, how many, and a subscriber of all topics of the test. */
async function pairOf({ connect, name }: Context, properties: Part = '') {
  const publisher = await connect({ properties });
  const maximum = Number(singleValueOf(publisher.connack.properties, identifier.topicAliasMaximum) ?? 0);
  const subscriber = await connect();
  await subscriber.subscribe(name('/#'), 2);
  return { publisher, subscriber, maximum };
}

function sendAliased(client: Client, topic: string, alias: number, text: string): void {
  client.send(publish('5.0', topic, text, { properties: topicAlias(alias) }));
}

test('[MQTT-3.3.2-12] an alias stands for the topic that it was set for', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context);
  if (maximum === 0) return;
  sendAliased(publisher, context.name('/a'), 1, 'sets');
  for (const text of ['uses', 'again']) sendAliased(publisher, '', 1, text);
  for (const text of ['sets', 'uses', 'again']) {
    const message = await subscriber.receive();
    assert.deepEqual([message.topic, message.text], [context.name('/a'), text]);
  }
});

test('[MQTT-3.3.2-12] all aliases up to the Topic Alias Maximum are taken, each for its topic', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context);
  const aliases = Array.from({ length: Math.min(maximum, 1_000) }, (_, index) => index + 1);
  if (maximum > 1_000) aliases.push(maximum);
  for (const alias of aliases) sendAliased(publisher, context.name(`/${alias}`), alias, 'sets');
  for (let count = 0; count < aliases.length; count++) await subscriber.receive();
  for (const alias of aliases) sendAliased(publisher, '', alias, `${alias}`);
  const used = new Set<string>();
  while (used.size < aliases.length) {
    const message = await subscriber.receive();
    assert.equal(message.topic, context.name(`/${message.text}`));
    used.add(message.text);
  }
});

test('[MQTT-3.3.2-12] an alias may be set anew for another topic', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context);
  if (maximum === 0) return;
  const topics = ['/first', '/second', '/first', '/third'].map((suffix) => context.name(suffix));
  for (const topic of topics) {
    sendAliased(publisher, topic, 1, 'sets');
    sendAliased(publisher, '', 1, 'uses');
    for (const text of ['sets', 'uses']) {
      const message = await subscriber.receive();
      assert.deepEqual([message.topic, message.text], [topic, text]);
    }
  }
});

test('[MQTT-3.3.2-12] a topic name with an alias that stands for it already is fine', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context);
  if (maximum === 0) return;
  for (let count = 0; count < 3; count++) sendAliased(publisher, context.name('/a'), 1, `${count}`);
  publisher.send(publish('5.0', context.name('/a'), '3')); // nor has every PUBLISH to have it
  assert.deepEqual(await subscriber.receiveTexts(4), ['0', '1', '2', '3']);
});

test('[MQTT-3.3.2-12] an alias works with each QoS, with RETAIN, and with other properties', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context);
  if (maximum === 0) return;
  const { connect, name } = context;
  sendAliased(publisher, name('/a'), 1, 'sets');
  await subscriber.receive();
  const properties = octets(contentType('c'), topicAlias(1), '26 0001 6e 0001 76');
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish('', `QoS ${qos}`, { qos, retain: true, properties });
    const message = await subscriber.receive();
    assert.deepEqual([message.topic, message.text, message.qos], [name('/a'), `QoS ${qos}`, qos]);
    assert.equal(singleValueOf(message.properties, identifier.contentType), 'c');
    assert.deepEqual(valuesOf(message.properties, identifier.userProperty), [['n', 'v']]);
  }
  const late = await connect();
  await late.subscribe(name('/a'));
  const retained = await late.receive();
  assert.deepEqual([retained.topic, retained.text], [name('/a'), 'QoS 2']);
  assert.deepEqual(valuesOf(retained.properties, identifier.topicAlias), []);
  await publisher.publish(name('/a'), '', { retain: true });
});

test('[MQTT-3.3.2-12] the alias of a publisher does not go on to subscribers', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context);
  if (maximum === 0) return;
  for (const topic of [context.name('/a'), '']) {
    sendAliased(publisher, topic, 1, 'x');
    const message = await subscriber.receive();
    assert.equal(message.topic, context.name('/a'));
    assert.deepEqual(valuesOf(message.properties, identifier.topicAlias), []);
  }
});

test('[MQTT-3.3.2-12] each client has its own aliases', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context);
  if (maximum === 0) return;
  const other = await context.connect();
  sendAliased(publisher, context.name('/a'), 1, 'sets');
  await subscriber.receive();
  sendAliased(other, context.name('/b'), 1, 'sets');
  await subscriber.receive();
  for (const [client, topic] of [
    [publisher, context.name('/a')],
    [other, context.name('/b')],
  ] as const) {
    sendAliased(client, '', 1, 'uses');
    assert.equal((await subscriber.receive()).topic, topic);
  }
});

test('[MQTT-3.3.2-12] an alias that was not set is a Protocol Error', async (context) => {
  const { publisher, maximum } = await pairOf(context);
  if (maximum === 0) return;
  sendAliased(publisher, '', 1, 'x');
  await publisher.ended(protocolError);
});

test('[MQTT-3.3.2-7] a new connection of the session has none of the aliases of the one before', async (context) => {
  const { publisher, subscriber, maximum } = await pairOf(context, sessionExpiryInterval(100));
  if (maximum === 0) return;
  sendAliased(publisher, context.name('/a'), 1, 'sets');
  await subscriber.receive();
  await publisher.drop();
  const again = await context.connect({
    clientId: publisher.clientId,
    clean: false,
    properties: sessionExpiryInterval(0),
  });
  assert.equal(again.connack.sessionPresent, true);
  sendAliased(again, '', 1, 'uses');
  await again.ended(protocolError);
  await subscriber.nothingBefore(await context.connect(), context.name('/a'));
});

test('[MQTT-3.3.2-8] the alias 0 ends the connection with 0x94', async ({ connect, name }) => {
  for (const topic of [name(), '']) {
    const client = await connect();
    client.send(publish('5.0', topic, 'x', { properties: topicAlias(0) }));
    await client.ended(topicAliasInvalid);
  }
});

test('[MQTT-3.3.2-9] an alias above the Topic Alias Maximum ends the connection with 0x94', async (context) => {
  for (const topic of [context.name('/a'), '']) {
    const { publisher, subscriber, maximum } = await pairOf(context);
    if (maximum === 65_535) return;
    publisher.send(publish('5.0', topic, 'x', { qos: 1, properties: topicAlias(maximum + 1) }));
    await publisher.ended(topicAliasInvalid);
    await subscriber.nothingBefore(await context.connect(), context.name('/a'));
  }
});

test('[MQTT-3.3.2-11] the aliases of the server keep within the Topic Alias Maximum of the client', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  for (const maximum of [0, 1, 5]) {
    const client = await connect({ properties: topicAliasMaximum(maximum) });
    await client.subscribe(name('/+'));
    for (let count = 0; count < 40; count++) {
      publisher.send(publish('5.0', name(`/${count % 8}`), 'x'));
      const { properties } = await client.nextPublish();
      for (const alias of valuesOf(properties, identifier.topicAlias)) {
        assert.ok(Number(alias) >= 1 && Number(alias) <= maximum, `${alias} of ${maximum}`);
      }
    }
    await client.drop();
  }
});

test('[MQTT-3.3.2-7] the aliases of the server end with the connection', async (context) => {
  const { connect, name } = context;
  const properties = octets(sessionExpiryInterval(100), topicAliasMaximum(10));
  const first = await connect({ clientId: name(), properties });
  await first.subscribe(name('/a'), 1);
  const publisher = await connect();
  for (let count = 0; count < 10; count++) await publisher.publish(name('/a'), `${count}`, { qos: 1 });
  for (let count = 0; count < 10; count++) await first.nextPublish();
  await first.drop();
  const second = await connect({ clientId: name(), clean: false, properties });
  // What comes first names its topic, though it is sent again.
  for (let count = 0; count < 10; count++) {
    const message = await second.nextPublish();
    const [alias] = valuesOf(message.properties, identifier.topicAlias);
    if (count === 0 || alias === undefined) assert.equal(message.topic, name('/a'));
    assert.equal(message.text, `${count}`);
  }
  second.send(octets('e0 07 00 05', sessionExpiryInterval(0)));
  await second.closed();
});

test('[MQTT-3.3.2-12] a PUBLISH with an alias is answered as any other', async (context) => {
  const { publisher, maximum } = await pairOf(context);
  if (maximum === 0) return;
  publisher.send(publish('5.0', context.name('/a'), '', { qos: 1, id: 1, properties: topicAlias(1) }));
  publisher.send(publish('5.0', '', '', { qos: 2, id: 2, properties: topicAlias(1) }));
  assert.equal((await publisher.nextAcknowledgement(packetType.puback)).id, 1);
  assert.equal((await publisher.nextAcknowledgement(packetType.pubrec)).id, 2);
});
