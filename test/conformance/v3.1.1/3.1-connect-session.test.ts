/** Section 3.1: client identifiers, sessions, keep alive, and the answer to CONNECT. */
import assert from 'node:assert/strict';
import { withTimeEnough } from '../../support/time-enough.ts';
import { octets, packet, string } from '../support/octets.ts';
import { connect as connectBytes, publish } from '../support/packets.ts';
import { section } from '../support/section.ts';
import { secondsPass } from '../support/time.ts';

const test = section('3.1.1', '3.1 CONNECT: the session');

test('[MQTT-3.1.2-4] [MQTT-3.1.4-3] with clean session 0 subscriptions outlive the connection', async ({
  connect,
  name,
}) => {
  const clientId = name('c');
  const first = await connect({ clientId, clean: false });
  assert.equal(first.connack.sessionPresent, false, 'a session begins');
  assert.deepEqual(await first.subscribe(name('/a'), 1), [1]);
  await first.disconnect();
  const second = await connect({ clientId, clean: false });
  assert.equal(second.connack.sessionPresent, true);
  await second.publish(name('/a'), 'still subscribed', { qos: 1 });
  assert.equal((await second.receive()).text, 'still subscribed');
});

test('[MQTT-3.1.2-4] a message of QoS 2 that was begun is not taken twice in the next connection', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const watcher = await connect();
  await watcher.subscribe(topic, 2);
  const clientId = name('c');
  const first = await connect({ clientId, clean: false });
  first.send(publish('3.1.1', topic, 'once', { qos: 2, id: 7 }));
  await first.expect('50 02 0007');
  await first.drop();
  const second = await connect({ clientId, clean: false });
  second.send(publish('3.1.1', topic, 'once', { qos: 2, id: 7, dup: true }));
  await second.expect('50 02 0007');
  second.send('62 02 0007');
  await second.expect('70 02 0007');
  assert.equal((await watcher.receive()).text, 'once');
  await watcher.nothingBefore(second, topic);
});

test('[MQTT-3.1.2-5] messages of QoS 1 and 2 wait for a client that is away', async ({ connect, name }) => {
  const clientId = name('c');
  const client = await connect({ clientId, clean: false });
  await client.subscribe(name('/+'), 2);
  await client.disconnect();
  const publisher = await connect();
  await publisher.publish(name('/t'), 'one', { qos: 1 });
  await publisher.publish(name('/t'), 'two', { qos: 2 });
  await publisher.publish(name('/t'), 'three', { qos: 1 });
  const again = await connect({ clientId, clean: false });
  // Within one topic and QoS there is an order.
  assert.deepEqual((await again.receiveTexts(3)).sort(), ['one', 'three', 'two']);
});

test('[MQTT-3.1.2-6] with clean session 1 nothing of an earlier session is left', async ({
  connect,
  name,
}) => {
  const clientId = name('c');
  const persistent = await connect({ clientId, clean: false });
  await persistent.subscribe(name('/a'), 1);
  await persistent.disconnect();
  const publisher = await connect();
  await publisher.publish(name('/a'), 'for the earlier session', { qos: 1 });
  const clean = await connect({ clientId });
  assert.equal(clean.connack.sessionPresent, false);
  await publisher.publish(name('/a'), 'nobody is subscribed', { qos: 1 });
  await clean.subscribe(name('/marker'));
  await clean.nothingBefore(publisher, name('/marker'));
});

test('[MQTT-3.1.2-6] nothing of a session of clean session 1 is used later', async ({ connect, name }) => {
  const clientId = name('c');
  const clean = await connect({ clientId });
  await clean.subscribe(name('/a'), 1);
  await clean.disconnect();
  const publisher = await connect();
  await publisher.publish(name('/a'), 'nobody is there', { qos: 1 });
  const later = await connect({ clientId, clean: false });
  assert.equal(later.connack.sessionPresent, false);
  await publisher.publish(name('/a'), 'nobody is subscribed', { qos: 1 });
  await later.subscribe(name('/marker'));
  await later.nothingBefore(publisher, name('/marker'));
});

test('[MQTT-3.1.2-7] retained messages outlive the session that sent them', async ({ connect, name }) => {
  const topic = name('/r');
  const publisher = await connect({ clientId: name('p') });
  await publisher.publish(topic, 'kept', { qos: 1, retain: true });
  await publisher.disconnect();
  const next = await connect({ clientId: name('p') });
  await next.subscribe(topic, 1);
  assert.equal((await next.receive()).text, 'kept');
  await next.publish(topic, '', { retain: true });
});

test('[MQTT-3.1.2-24] a silent client is cut off after one and a half times its keep alive', async ({
  connect,
  name,
}) => {
  const watcher = await connect();
  await watcher.subscribe(name('/+'));
  const silent = async (index: number): Promise<void> => {
    await secondsPass(index * 1.6); // so that a server which looks seldom is late for one of them
    const startMs = performance.now();
    const patient = await connect({ keepAlive: 6 });
    const client = await connect({ keepAlive: 2, will: { topic: name(`/${index}`), payload: 'silent' } });
    const silentMs = (await client.closed()).atMs - startMs;
    assert.ok(silentMs >= 2_000, `closed after ${Math.round(silentMs)} ms, within its keep alive`);
    assert.equal(patient.raw.isClosed, false, 'later than a client with three times the keep alive');
  };
  await Promise.all([0, 1, 2].map(silent));
  assert.deepEqual(await watcher.receiveTexts(3), ['silent', 'silent', 'silent']);
});

test('[MQTT-3.1.2-24] packets of any kind keep a client alive, and keep alive 0 waits for ever', async ({
  connect,
  name,
}) => {
  const eternal = await connect({ keepAlive: 0 });
  await withTimeEnough(async (keepAlive, inTime) => {
    const client = await connect({ keepAlive });
    for (let round = 0; round < 14; round++) {
      await inTime(0.7, async () => {
        await secondsPass(keepAlive / 4);
        if (round % 2 === 0) await client.publish(name('/t'), '', { qos: 1 });
        else await client.subscribe(name('/x'));
      });
    }
  });
  await eternal.ping();
});

test('[MQTT-3.1.3-2] sessions are told apart by their client identifiers alone', async ({
  connect,
  name,
}) => {
  const identifiers = [name('a'), name('A'), name('a ')];
  for (const clientId of identifiers) {
    const client = await connect({ clientId, clean: false });
    assert.equal(client.connack.sessionPresent, false);
    await client.subscribe(name('/t'), 1);
    await client.disconnect();
  }
  const publisher = await connect();
  await publisher.publish(name('/t'), 'to each', { qos: 1 });
  for (const clientId of identifiers) {
    const client = await connect({ clientId, clean: false });
    assert.equal(client.connack.sessionPresent, true);
    assert.equal((await client.receive()).text, 'to each');
    await client.ping();
  }
});

test('[MQTT-3.1.3-5] client identifiers of 1 to 23 letters and digits are allowed', async ({
  connect,
  transport,
}) => {
  const characters = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  // The tests of both transports run at the same time and must not take each other's client identifiers.
  const all = transport === 'tcp' ? characters : [...characters].reverse().join('');
  for (const clientId of [all.slice(0, 1), all.slice(0, 23), all.slice(23, 46), all.slice(39)]) {
    const client = await connect({ clientId });
    await client.ping();
  }
});

test('[MQTT-3.1.3-6] clients without a client identifier get one each, or are refused with code 2', async ({
  tryConnect,
  name,
}) => {
  const clients = [];
  for (let count = 0; count < 3; count++) clients.push(await tryConnect({ clientId: '' }));
  for (const client of clients) {
    if (client.connack.code !== 0) assert.equal(client.connack.code, 2);
    else await client.subscribe(name('/t'), 1);
  }
  for (const client of clients.filter(({ connack }) => connack.code === 0)) {
    await client.publish(name(`/t`), 'x', { qos: 1 });
    for (const each of clients) if (each.connack.code === 0) assert.equal((await each.receive()).text, 'x');
  }
});

test('[MQTT-3.1.3-7] [MQTT-3.1.3-8] [MQTT-3.1.3-9] no client identifier and clean session 0 is refused with code 2', async ({
  open,
}) => {
  const client = await open();
  client.send(connectBytes('3.1.1', { clean: false }));
  await client.expect('20 02 00 02');
  await client.closed();
});

test('[MQTT-3.1.4-2] a client identifier that comes again ends the earlier connection', async ({
  connect,
}) => {
  const first = await connect();
  const second = await connect({ clientId: first.clientId });
  await first.closed();
  await second.ping();
  const third = await connect({ clientId: first.clientId, clean: false });
  await second.closed();
  await third.ping();
});

test('[MQTT-3.1.4-4] a CONNECT that is accepted is answered with return code 0', async ({ open, name }) => {
  const client = await open();
  client.send(connectBytes('3.1.1', { clientId: name() }));
  await client.expect('20 02 00 00');
  await client.ping();
});

test('[MQTT-3.1.4-5] what comes behind a CONNECT that is refused has no effect', async ({
  connect,
  open,
  name,
}) => {
  const topic = name('/t');
  const watcher = await connect();
  await watcher.subscribe(topic, 1);
  const refused = await open();
  refused.send(
    packet(0x10, string('MQTT'), '06 02 0000', string(name('x'))),
    publish('3.1.1', topic, 'never', { qos: 1 }),
    publish('3.1.1', topic, 'never', { retain: true }),
  );
  await refused.expect('20 02 00 01');
  await refused.closed();
  await watcher.nothingBefore(await connect(), topic);
  const late = await connect();
  await late.subscribe(topic, 1);
  await late.ping();
});

test('[MQTT-3.1.4-4] what comes behind a CONNECT before its CONNACK is handled', async ({ open, name }) => {
  const client = await open();
  const subscribe = packet(0x82, '0001', string(name('/t')), '01');
  client.send(octets(connectBytes('3.1.1', { clientId: name() }), subscribe, 'c0 00'));
  await client.expect('20 02 00 00');
  await client.expect('90 03 0001 01');
  await client.expect('d0 00');
});
