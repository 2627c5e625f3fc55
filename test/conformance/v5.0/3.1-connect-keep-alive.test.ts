/** Keep alive and how long a session outlives its connection. */
import assert from 'node:assert/strict';
import { withTimeEnough } from '../../support/time-enough.ts';
import { octets } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { identifier, sessionExpiryInterval, willDelayInterval } from '../support/properties.ts';
import { singleValueOf } from '../support/received.ts';
import { section } from '../support/section.ts';
import { secondsPass } from '../support/time.ts';

const test = section('5.0', '3.1 CONNECT, keep alive and session expiry');

const keepAliveTimeout = 0x8d;

test('[MQTT-3.1.2-22] silence of one and a half times the keep alive ends the connection, and not earlier', async ({
  connect,
}) => {
  const patient = await connect({ keepAlive: 10 });
  const startMs = performance.now();
  const client = await connect({ keepAlive: 1 });
  await client.ended(keepAliveTimeout);
  const silentMs = performance.now() - startMs;
  assert.ok(silentMs >= 1_450, `already after ${silentMs} ms`);
  assert.equal(patient.raw.isClosed, false, 'later than a client with ten times the keep alive');
});

test('[MQTT-3.1.2-22] silence ends the connection as a network failure does: the will is published', async ({
  connect,
  name,
}) => {
  const watcher = await connect();
  await watcher.subscribe(name());
  await connect({ keepAlive: 1, will: { topic: name(), payload: 'silent' } });
  assert.equal((await watcher.receive()).text, 'silent');
});

test('[MQTT-3.1.2-22] every packet of the client counts, and none of the server', async ({
  connect,
  name,
}) => {
  const speaker = await connect();
  await withTimeEnough(async (keepAlive, inTime) => {
    const pinging = await connect({ keepAlive });
    const publishing = await connect({ keepAlive });
    const listening = await connect({ keepAlive });
    await listening.subscribe(name());
    const packetsOfClients = async (): Promise<void> => {
      await secondsPass(keepAlive / 4);
      await pinging.ping();
      await publishing.publish(name('/other'), '', { qos: 1 });
      await speaker.publish(name(), '', { qos: 1 });
    };
    // Two of them are less than one and a half times the keep alive.
    for (let round = 0; !listening.raw.isClosed; round++) {
      assert.ok(round < 40, 'what it is sent keeps a client alive');
      await inTime(0.7, packetsOfClients);
    }
    await inTime(0.7, packetsOfClients);
  });
});

test('[MQTT-3.1.2-22] a keep alive of 0 asks for no packets', async ({ connect }) => {
  const client = await connect({ keepAlive: 0 });
  const other = await connect({ keepAlive: 1 });
  await other.ended(keepAliveTimeout);
  await client.ping();
});

test('[MQTT-3.1.2-23] the session stays after its connection: subscriptions and unacknowledged messages', async ({
  connect,
  name,
}) => {
  const properties = sessionExpiryInterval(100);
  const publisher = await connect();
  const first = await connect({ clientId: name(), properties });
  await first.subscribe(name(), 2);
  await publisher.publish(name(), 'sent', { qos: 1 });
  const { id } = await first.nextPublish();
  await first.drop();
  await publisher.publish(name(), 'waits', { qos: 2 });
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  const again = await second.nextPublish();
  assert.deepEqual([again.text, again.id, again.dup], ['sent', id, true]);
  second.send('40 02', octets(new Uint8Array([id >> 8, id & 0xff])));
  assert.equal((await second.receive()).text, 'waits');
});

test('[MQTT-3.1.2-23] a QoS 2 message of the client stays half done with the session', async ({
  connect,
  name,
}) => {
  const properties = sessionExpiryInterval(100);
  const watcher = await connect();
  await watcher.subscribe(name('/t'), 2);
  const first = await connect({ clientId: name(), properties });
  first.send(publish('5.0', name('/t'), 'once', { qos: 2, id: 9 }));
  assert.equal((await first.nextAcknowledgement(5)).id, 9);
  await first.drop();
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  second.send(publish('5.0', name('/t'), 'once', { qos: 2, id: 9, dup: true }));
  assert.equal((await second.nextAcknowledgement(5)).id, 9);
  second.send('62 02 0009');
  const { id, codes } = await second.nextAcknowledgement(7);
  assert.deepEqual([id, codes], [9, [0]]);
  assert.equal((await watcher.receive()).text, 'once');
  await watcher.nothingBefore(second, name('/t'));
});

test('[MQTT-3.1.2-23] without a Session Expiry Interval, or with 0, the session ends with its connection', async ({
  connect,
  name,
}) => {
  for (const properties of ['', sessionExpiryInterval(0)]) {
    const first = await connect({ clientId: name(), properties });
    await first.subscribe(name(), 1);
    await first.disconnect();
    const second = await connect({ clientId: name(), clean: false });
    assert.equal(second.connack.sessionPresent, false);
    await second.disconnect();
  }
});

test('[MQTT-3.1.2-23] the session ends when its interval has passed', async ({ connect, name }) => {
  const watcher = await connect();
  await watcher.subscribe(name('/ended'));
  const will = { topic: name('/ended'), payload: 'ended', properties: willDelayInterval(100) };
  const first = await connect({ clientId: name(), will, properties: sessionExpiryInterval(1) });
  await first.subscribe(name('/t'), 1);
  await first.drop();
  // The will goes out with the end of the session.
  assert.equal((await watcher.receive()).text, 'ended');
  const second = await connect({ clientId: name(), clean: false });
  assert.equal(second.connack.sessionPresent, false);
});

test('[MQTT-3.1.2-23] a session that is taken up again in time does not end', async ({ connect, name }) => {
  await withTimeEnough(async (seconds, inTime) => {
    const clientId = name(`${seconds}`);
    const first = await connect({ clientId, properties: sessionExpiryInterval(seconds) });
    await first.subscribe(name(), 1);
    const second = await inTime(1, async () => {
      await first.drop();
      return await connect({ clientId, clean: false, properties: sessionExpiryInterval(100) });
    });
    assert.equal(second.connack.sessionPresent, true);
    await second.drop();
    await secondsPass(seconds + 1);
    const third = await connect({ clientId, clean: false, properties: sessionExpiryInterval(0) });
    assert.equal(third.connack.sessionPresent, true);
  });
});

test('[MQTT-3.1.2-23] each CONNECT sets the interval anew', async ({ connect, name }) => {
  const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
  await first.disconnect();
  const second = await connect({ clientId: name(), clean: false });
  assert.equal(second.connack.sessionPresent, true);
  await second.disconnect();
  const third = await connect({ clientId: name(), clean: false });
  assert.equal(third.connack.sessionPresent, false);
});

test('[MQTT-3.1.2-23] the interval FFFFFFFF means for ever', async ({ connect, name }) => {
  const forEver = sessionExpiryInterval(0xffff_ffff);
  const first = await connect({ clientId: name(), properties: forEver });
  const granted = singleValueOf(first.connack.properties, identifier.sessionExpiryInterval);
  await first.disconnect();
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  assert.equal(second.connack.sessionPresent, granted !== 0);
});

test(
  '[MQTT-3.1.2-23] a server that grants less says so in its CONNACK, and means it',
  async ({ connect, name }) => {
    const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
    assert.equal(singleValueOf(first.connack.properties, identifier.sessionExpiryInterval), 1);
    const less = await connect({ properties: sessionExpiryInterval(1) });
    assert.equal(singleValueOf(less.connack.properties, identifier.sessionExpiryInterval), undefined);
    const watcher = await connect();
    await watcher.subscribe(name('/ended'));
    const will = { topic: name('/ended'), payload: 'ended', properties: willDelayInterval(100) };
    const second = await connect({ clientId: name(), will, properties: sessionExpiryInterval(0xffff_ffff) });
    await second.drop();
    assert.equal((await watcher.receive()).text, 'ended');
    const third = await connect({ clientId: name(), clean: false });
    assert.equal(third.connack.sessionPresent, false);
  },
  { broker: { limits: { sessionExpiryIntervalMax: 1 } } },
);

test('[MQTT-3.1.2-23] the session belongs to the client identifier, with and without a connection', async (context) => {
  const { connect, name } = context;
  const first = await connect({ clientId: name('x'), properties: sessionExpiryInterval(100) });
  await first.subscribe(name('/x'), 1);
  await first.disconnect();
  const other = await connect({ clientId: name('y'), clean: false });
  assert.equal(other.connack.sessionPresent, false);
  const again = await connect({ clientId: name('x'), clean: false, properties: sessionExpiryInterval(0) });
  assert.equal(again.connack.sessionPresent, true);
});
