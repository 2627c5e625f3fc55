/** What real clients find after the broker has ended, properly or by kill -9, and restarted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Mosquitto } from '../../support/clients/mosquitto.ts';
import { mqttJs } from '../../support/clients/mqtt-js.ts';
import type { ConnectOptions, TestClient } from '../../support/clients/test-client.ts';
import { runCommand } from '../../support/command.ts';
import {
  bytesOf,
  disconnectFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { type KillableBroker, killableBroker } from '../../support/killable-broker.ts';
import { MqttSession } from '../../support/mqtt-session.ts';
import { openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

type Ending = 'kill' | 'stop';
const endings: readonly Ending[] = ['kill', 'stop'];

/** What is there of the broker for clients that take a running one. */
// biome-ignore lint/suspicious/noExplicitAny: the clients ask for its ports only
const target = (broker: KillableBroker): any => broker.ports;

const texts = ({ received }: TestClient): string[] => received.map(({ payload }) => payload.toString());

async function restart(broker: KillableBroker, ending: Ending, workers: number): Promise<void> {
  await broker[ending]();
  await broker.start(workers);
}

for (const ending of endings) {
  for (const transport of ['ws', 'tcp'] as const) {
    test(`${ending}: MQTT.js over ${transport} finds its session, its queue in order and its subscriptions`, async (t) => {
      const broker = await killableBroker(t);
      await broker.start(2);
      const client = mqttJs(5, transport);
      const options: ConnectOptions = { clientId: 'phone', cleanStart: false, sessionExpirySeconds: 3_600 };
      const phone = await client.connect(t, target(broker), options);
      await phone.subscribe('news/#', 2);
      await phone.drop();
      const source = await client.connect(t, target(broker), { clientId: 'source' });
      for (let index = 0; index < 20; index++)
        await source.publish(`news/${index % 3}`, `${index}`, { qos: index % 2 === 0 ? 1 : 2 });
      await restart(broker, ending, 1);
      const again = await client.connect(t, target(broker), options);
      assert.ok(again.isSessionPresent);
      await until('all that was published', () => again.received.length >= 20);
      // MQTT.js hands a message of QoS 2 over when its PUBREL has come.
      for (const qos of [1, 2]) {
        const handed = again.received.filter((message) => message.qos === qos);
        for (const topic of ['news/0', 'news/1', 'news/2']) {
          const numbers = handed
            .filter((message) => message.topic === topic)
            .map(({ payload }) => Number(payload));
          assert.deepEqual(
            numbers,
            numbers.toSorted((a, b) => a - b),
          );
        }
      }
      assert.equal(new Set(texts(again)).size, 20);
      const later = await client.connect(t, target(broker), { clientId: 'later' });
      await later.publish('news/live', 'live', { qos: 1 });
      await until('what is published now', () => texts(again).includes('live'));
    });
  }

  test(`${ending}: mosquitto_sub -c -i finds its session`, async (t) => {
    const broker = await killableBroker(t);
    await broker.start(1);
    for (const version of ['mqttv311', 'mqttv5'] as const) {
      const args = [
        '-c',
        '-i',
        `kept-${version}`,
        '-q',
        '1',
        '-t',
        'm/#',
        ...(version === 'mqttv5' ? ['-x', '3600'] : []),
      ];
      const before = new Mosquitto(t, target(broker), version);
      await (await before.subscribe(...args)).leave();
      await before.publish('m/1', '-q', '1', '-m', 'one');
      await before.publish('m/2', '-q', '2', '-m', 'two');
      await restart(broker, ending, 2);
      const run = new Mosquitto(t, target(broker), version).run(...args);
      await run.untilLines(2);
      assert.deepEqual(run.lines.sort(), ['one', 'two']);
      await run.leave();
    }
  });

  test(`${ending}: retained messages are there, replaced ones as they were last, cleared and expired ones not`, async (t) => {
    const broker = await killableBroker(t);
    await broker.start(4);
    const { client } = await openConnected(t, 'tcp', broker.ports, { clientId: 'source' });
    const retained = (topic: string, text: string, expiry?: number): void =>
      client.send(
        publishFrame(topic, text, {
          qos: 1,
          retain: true,
          properties: expiry === undefined ? {} : { messageExpiryInterval: expiry },
        }),
      );
    retained('r/set', 'on');
    retained('r/replaced', 'a');
    retained('r/replaced', 'b');
    retained('r/cleared', 'on');
    retained('r/cleared', '');
    retained('r/expired', 'soon', 1);
    for (let acknowledged = 0; acknowledged < 6; acknowledged++) await client.nextPacket();
    await broker[ending]();
    await sleep(1_100); // the interval of one of them
    await broker.start(1);
    const { client: reader } = await openConnected(t, 'tcp', broker.ports, { clientId: 'reader' });
    reader.send(subscribeFrame('r/#', 0), publishFrame('r/end', 'end'));
    await reader.nextPacket();
    const got: string[] = [];
    for (;;) {
      const { topic, payload } = publishOf(await reader.nextPacket());
      if (topic === 'r/end') break;
      got.push(`${topic}=${textOf({ payload })}`);
    }
    assert.deepEqual(got.sort(), ['r/replaced=b', 'r/set=on']);
  });

  test(`${ending}: a session and a message that have expired meanwhile are not there`, async (t) => {
    const broker = await killableBroker(t);
    await broker.start(1);
    const short = new MqttSession(t, broker.ports, 'short', { properties: { sessionExpiryInterval: 1 } });
    const long = new MqttSession(t, broker.ports, 'long');
    for (const session of [short, long]) {
      await session.connect('tcp');
      await session.subscribe('e', 1);
      session.disconnect();
    }
    await until('both have left', () => short.client?.isClosed === true && long.client?.isClosed === true);
    const { client } = await openConnected(t, 'tcp', broker.ports, { clientId: 'source' });
    client.send(publishFrame('e', 'gone', { qos: 1, properties: { messageExpiryInterval: 1 } }));
    client.send(publishFrame('e', 'kept', { qos: 1, properties: { messageExpiryInterval: 3_600 } }));
    await client.nextPacket();
    await client.nextPacket();
    await broker[ending]();
    await sleep(1_200); // both intervals
    await broker.start(1);
    await short.connect('tcp');
    assert.equal(short.isSessionPresent, false);
    await long.connect('tcp');
    assert.equal(long.isSessionPresent, true);
    await until('the message that is left', () => long.handed.length > 0);
    assert.deepEqual(
      long.handed.map(({ text }) => text),
      ['kept'],
    );
  });

  test(`${ending}: wills go out when their delay is over, and not of clients that have come back`, async (t) => {
    const broker = await killableBroker(t);
    await broker.start(2);
    const client = mqttJs(5, 'tcp');
    const sink = new MqttSession(t, broker.ports, 'sink');
    await sink.connect('tcp');
    await sink.subscribe('w/#', 1);
    const withWill = (clientId: string, delaySeconds: number): Promise<TestClient> =>
      client.connect(t, target(broker), {
        clientId,
        cleanStart: false,
        sessionExpirySeconds: 3_600,
        will: { topic: `w/${clientId}`, payload: 'gone', qos: 1, delaySeconds },
      });
    const soon = await withWill('soon', 1);
    const late = await withWill('late', 3_600);
    const { client: polite } = await openConnected(t, 'tcp', broker.ports, {
      clientId: 'polite',
      cleanStart: false,
      properties: { sessionExpiryInterval: 3_600 },
      will: {
        topic: 'w/polite',
        payload: bytesOf('gone'),
        qos: 1,
        retain: false,
        properties: { willDelayInterval: 1 },
      },
    });
    polite.send(disconnectFrame);
    await polite.closed();
    await withWill('fence', 3_600); // its CONNACK waits for the commit of all that came before
    await soon.drop();
    await late.drop();
    await restart(broker, ending, 1);
    await sink.connect('tcp');
    await withWill('late', 3_600);
    await until('the will', () => sink.handed.length > 0);
    await sink.roundTrip();
    assert.deepEqual(
      sink.handed.map(({ topic }) => topic),
      ['w/soon'],
    );
  });
}

test('a takeover just before kill -9 leaves one session, with all that it had', async (t) => {
  const broker = await killableBroker(t);
  await broker.start(4);
  const session = new MqttSession(t, broker.ports, 'roamer');
  await session.connect('tcp');
  await session.subscribe('x', 1);
  const { client } = await openConnected(t, 'tcp', broker.ports, { clientId: 'source' });
  for (let index = 0; index < 20; index++) {
    await session.connect(index % 2 === 0 ? 'ws' : 'tcp');
    assert.ok(session.isSessionPresent);
  }
  session.client?.destroy();
  client.send(publishFrame('x', 'kept', { qos: 1 }));
  await client.nextPacket();
  await broker.kill();
  await broker.start(1);
  await session.connect('tcp');
  assert.ok(session.isSessionPresent);
  await until('what it has missed', () => session.handed.some(({ text }) => text === 'kept'));
});

test('sessions that end with their connection, and --durability memory, leave nothing', async (t) => {
  const broker = await killableBroker(t);
  await broker.start(1);
  const guest = new MqttSession(t, broker.ports, 'guest', { properties: { sessionExpiryInterval: 0 } });
  await guest.connect('tcp');
  await restart(broker, 'kill', 1);
  await guest.connect('tcp');
  assert.equal(guest.isSessionPresent, false);
  await broker.stop();
  await broker.start(1, ['--durability', 'memory']);
  const session = new MqttSession(t, broker.ports, 'session');
  await session.connect('tcp');
  await restart(broker, 'stop', 1);
  await session.connect('tcp');
  assert.equal(session.isSessionPresent, false);
});

test('a second broker on the same data directory says who has it, and ends', async (t) => {
  const broker = await killableBroker(t);
  await broker.start(1);
  const exit = await runCommand(['--port', '0', '--no-tcp', '--data', broker.dataDirectory]);
  assert.notEqual(exit.code, 0);
  assert.match(exit.stderr, /is in use by another broker/);
});
