/** The $SYS topics as seen by a client. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import {
  hexOf,
  pingreqFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { openClient, type Ports, type RawClient, transports } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

/** Subscribes to all of $SYS, and keeps the newest value of each topic. */
async function watcher(t: TestContext, ports: Ports, values: Map<string, string>): Promise<RawClient> {
  const client = await openClient(t, 'tcp', ports);
  client.send(subscribeFrame('$SYS/#'));
  assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
  client.onPacket((packet) => {
    const message = publishOf(packet);
    values.set(message.topic.replace('$SYS/broker/', ''), textOf(message));
  });
  return client;
}

for (const workers of [1, 4]) {
  test(`${workers} workers: a new subscriber has all values at once, and what changes later`, async (t) => {
    const running = await startBroker(t, { workers, sysIntervalSeconds: 1 });
    const values = new Map<string, string>();
    await watcher(t, running, values);
    await until('all topics', () => values.size === 50);
    assert.match(values.get('version') ?? '', /^RallyMQ version \d+\.\d+\.\d+$/);
    assert.match(values.get('uptime') ?? '', /^\d+ seconds$/);
    const client = await openClient(t, 'ws', running);
    client.send(publishFrame('kept', 'x', { retain: true }), subscribeFrame('a'));
    const expected = {
      'clients/connected': '2',
      'clients/total': '2',
      'clients/maximum': '2',
      'clients/disconnected': '0',
      'publish/messages/received': '1',
      'subscriptions/count': '2',
      'retained messages/count': '1',
      'messages/received': '5', // two CONNECT, two SUBSCRIBE, one PUBLISH
    };
    for (const [name, value] of Object.entries(expected)) {
      await until(`${name} is ${value}, not ${values.get(name)}`, () => values.get(name) === value);
    }
    await until('a load', () => Number(values.get('load/messages/received/1min')) > 0);
    client.destroy();
    await until('one client', () => values.get('clients/connected') === '1');
    assert.equal(values.get('clients/maximum'), '2');
  });
}

for (const transport of transports) {
  test(`${transport}: filters that begin with a wildcard do not match $SYS [MQTT-4.7.2-1]`, async (t) => {
    const running = await startBroker(t, { sysIntervalSeconds: 1 });
    const values = new Map<string, string>();
    const client = await openClient(t, transport, running);
    for (const filter of ['#', '+/broker/uptime', '+/#', '+/broker/#']) {
      client.send(subscribeFrame(filter));
      assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
    }
    await watcher(t, running, values);
    const before = values.get('uptime');
    await until('something new', () => values.get('uptime') !== before);
    await client.assertAlive();
  });
}

test('$SYS takes nothing from the room for retained messages, and is there without any', async (t) => {
  for (const retainedMessagesMax of [0, 2]) {
    const running = await startBroker(t, { limits: { retainedMessagesMax } });
    const values = new Map<string, string>();
    await watcher(t, running, values);
    await until('all topics', () => values.size === 50);
    const client = await openClient(t, 'tcp', running);
    for (let index = 0; index < 3; index++) {
      client.send(publishFrame(`kept/${index}`, 'x', { qos: 1, retain: true }));
      assert.equal(await client.nextHex(), hexOf(`40 03 0001 ${index < retainedMessagesMax ? '10' : '97'}`));
    }
    const { retained, publishReceived } = running.broker.statistics();
    assert.deepEqual([retained, publishReceived], [retainedMessagesMax, 3]);
  }
});

test('with an interval of 0 there is no $SYS', async (t) => {
  const running = await startBroker(t, { sysIntervalSeconds: 0 });
  await running.broker.publish('t', ''); // what the program sends comes in order
  const client = await openClient(t, 'tcp', running);
  client.send(subscribeFrame('$SYS/#'), pingreqFrame);
  assert.deepEqual(await client.nextHexes(2), [hexOf('90 04 0001 00 00'), hexOf('d0 00')]);
});
