/** The broker inside another program: its life, its own messages, its hooks and events. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { type Broker, BrokerError, createBroker, type HostMessage } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import {
  bytesOf,
  publishFrame,
  publishOf,
  pubrelFrame,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { openClient, openConnected, type Ports, transports } from '../../support/raw-client.ts';
import { until, within } from '../../support/wait.ts';

const anyPorts = { port: 0, tcpPort: 0, workers: 1 } as const;

function portsOf(broker: Broker): Ports {
  const { port, tcpPort } = broker.address();
  return { port, tcpPort: Number(tcpPort) };
}

test('beside an HTTP server of the program, and it goes on after the broker has stopped', async (t) => {
  const server = createServer((_, response) => response.end('mine')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const fetchMine = async () => await (await fetch(`http://127.0.0.1:${address.port}/`)).text();
  const broker = createBroker(anyPorts);
  await broker.start();
  const client = await openClient(t, 'ws', portsOf(broker));
  assert.equal(await fetchMine(), 'mine');
  await broker.stop();
  assert.match(await client.nextHex(), /^e0..8b/);
  assert.equal(await fetchMine(), 'mine');
});

test('address(): the ports that were chosen for 0, and the path', async (t) => {
  const { broker } = await startBroker(t, { path: '/of/mine' });
  const { host, port, tcpPort, path } = broker.address();
  assert.deepEqual({ host, path }, { host: '127.0.0.1', path: '/of/mine' });
  assert.ok(port > 0 && Number(tcpPort) > 0 && port !== tcpPort);
  const { broker: without } = await startBroker(t, { tcpPort: false });
  assert.equal(without.address().tcpPort, false);
});

test('a listener of an event that throws is uncaught, and clients go on', async (t) => {
  const { broker, ...ports } = await startBroker(t);
  const errors: string[] = [];
  // In place of those of the test runner.
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', ({ message }) => {
    errors.push(message);
  });
  try {
    for (const name of ['clientConnected', 'clientDisconnected'] as const)
      broker.on(name, () => {
        throw new Error(name);
      });
    await Promise.all(['a', 'b', 'c'].map((clientId) => openClient(t, 'tcp', ports, { clientId })));
    await openClient(t, 'ws', ports, { clientId: 'a' }); // in the place of the other
    await until('all errors', () => errors.length === 5);
    assert.deepEqual(errors.sort(), [...Array(4).fill('clientConnected'), 'clientDisconnected']);
  } finally {
    broker.removeAllListeners();
    process.removeAllListeners('uncaughtException');
    for (const listener of others) process.on('uncaughtException', listener);
  }
});

test('before start() and after stop() there is NOT_RUNNING', async () => {
  const broker = createBroker(anyPorts);
  assert.throws(() => broker.address(), { code: 'NOT_RUNNING' });
  const attempts = [
    async () => broker.statistics(),
    () => broker.publish('t', 'x'),
    () => broker.subscribe('t', () => {}),
  ];
  for (const attempt of attempts) await assert.rejects(attempt, { name: 'BrokerError', code: 'NOT_RUNNING' });
  await broker.start();
  await broker.stop();
  for (const attempt of attempts) await assert.rejects(attempt, { name: 'BrokerError', code: 'NOT_RUNNING' });
});

test('a broker starts once, and stops as often as one likes', async () => {
  const broker = createBroker(anyPorts);
  await broker.start();
  await assert.rejects(() => broker.start(), { code: 'ALREADY_STARTED' });
  await Promise.all([broker.stop(), broker.stop()]);
  await broker.stop();
  await assert.rejects(() => broker.start(), { code: 'ALREADY_STARTED' });
  await createBroker(anyPorts).stop();
});

test('errors of createBroker and start()', async (t) => {
  assert.throws(() => createBroker({ port: -1 }), { code: 'CONFIG_INVALID' });
  assert.throws(() => createBroker({ host: '0.0.0.0' }), { code: 'OPEN_WITHOUT_AUTHENTICATION' });
  assert.doesNotThrow(() => createBroker({ host: '0.0.0.0', authenticate: () => true }));
  const { port, tcpPort } = await startBroker(t);
  const second = createBroker({ ...anyPorts, port });
  await assert.rejects(
    () => second.start(),
    (error) => error instanceof BrokerError && error.code === 'ADDRESS_IN_USE',
  );
  await second.stop();
  await assert.rejects(() => createBroker({ ...anyPorts, tcpPort }).start(), { code: 'ADDRESS_IN_USE' });
  await assert.rejects(
    () => createBroker({ ...anyPorts, host: 'none.invalid', allowAnonymous: true }).start(),
    {
      code: 'ADDRESS_NOT_AVAILABLE',
    },
  );
});

test('two brokers in one program know nothing of each other', async (t) => {
  const [first, second] = [await startBroker(t), await startBroker(t, { workers: 2 })];
  const seen: string[] = [];
  await first.broker.subscribe('#', ({ payload }) => void seen.push(`first ${textOf({ payload })}`));
  await second.broker.subscribe('#', ({ payload }) => void seen.push(`second ${textOf({ payload })}`));
  const client = await openClient(t, 'tcp', second, { clientId: 'same' });
  await openClient(t, 'tcp', first, { clientId: 'same' });
  await first.broker.publish('t', 'one');
  client.send(publishFrame('t', 'two', { qos: 1 }));
  assert.equal((await client.nextPacket()).header, 0x40, 'it was not taken over');
  await until('both', () => seen.length === 2);
  assert.deepEqual(seen.sort(), ['first one', 'second two']);
  await first.broker.stop();
  await second.broker.publish('t', 'three');
  await until('the third', () => seen.includes('second three'));
});

for (const workers of [1, 4]) {
  test(`${workers} workers: publish() reaches clients with its QoS, retained or not`, async (t) => {
    const running = await startBroker(t, { workers });
    const { broker } = running;
    const client = await openClient(t, 'ws', running);
    client.send(subscribeFrame('from/+', 2));
    await client.nextPacket();
    for (const qos of [0, 1, 2] as const) {
      await broker.publish(`from/${qos}`, `text ${qos}`, { qos, retain: qos === 1 });
      const publish = publishOf(await client.nextPacket());
      assert.deepEqual(
        [publish.topic, textOf(publish), publish.qos, publish.retain],
        [`from/${qos}`, `text ${qos}`, qos, false],
      );
    }
    await broker.publish('from/bytes', Uint8Array.of(0, 255), { properties: { contentType: 'b' } });
    const bytes = publishOf(await client.nextPacket());
    assert.deepEqual([[...bytes.payload], bytes.qos, bytes.properties], [[0, 255], 1, { contentType: 'b' }]);
    const later = await openClient(t, 'tcp', running);
    later.send(subscribeFrame('from/#', 0));
    await later.nextPacket();
    const retained = publishOf(await later.nextPacket());
    assert.deepEqual([retained.topic, retained.retain], ['from/1', true]);
    await broker.publish('from/1', '', { retain: true });
    assert.equal(broker.statistics().retained, 0);
  });

  test(`${workers} workers: subscribe() hears clients and the program, with wildcards, and until it ends`, async (t) => {
    const running = await startBroker(t, { workers });
    const { broker } = running;
    await broker.publish('s/kept', 'kept', { retain: true });
    const seen = new Map<string, HostMessage[]>();
    const listen = (name: string) => (message: HostMessage) => {
      seen.set(name, [...(seen.get(name) ?? []), message]);
    };
    const textsOf = (name: string) => (seen.get(name) ?? []).map(textOf);
    const endExact = await broker.subscribe('s/a', listen('exact'), 2);
    const endPlus = await broker.subscribe('s/+', listen('plus'));
    const endHash = await broker.subscribe('#', listen('hash'), 0);
    const client = await openClient(t, 'tcp', running);
    for (const qos of [0, 1, 2] as const)
      client.send(publishFrame('s/a', `${qos}`, { qos, packetId: 1 + qos }));
    client.send(pubrelFrame(3));
    await broker.publish('other', 'host');
    await until('all', () => ['exact', 'plus', 'hash'].flatMap(textsOf).length >= 3 + 4 + 5);
    assert.deepEqual(textsOf('exact'), ['0', '1', '2']);
    assert.deepEqual(textsOf('plus'), ['kept', '0', '1', '2']);
    assert.deepEqual(textsOf('hash').sort(), ['0', '1', '2', 'host', 'kept']);
    assert.deepEqual(
      (seen.get('plus') ?? []).map(({ retain }) => retain),
      [true, false, false, false],
    );
    assert.deepEqual(
      (seen.get('plus') ?? []).map(({ topic }) => topic),
      ['s/kept', 's/a', 's/a', 's/a'],
    );
    await endExact();
    await endPlus();
    await endPlus();
    await broker.publish('s/a', 'late');
    await until('the last one', () => textsOf('hash').includes('late'));
    assert.equal(textsOf('exact').length + textsOf('plus').length, 7);
    await endHash();
    await until('no subscription', () => broker.statistics().subscriptions === 0);
  });
}

test('several listeners on one filter: each message once to each, until its own end', async (t) => {
  const { broker } = await startBroker(t);
  const counts = { first: 0, second: 0 };
  const endFirst = await broker.subscribe('f', () => void counts.first++);
  const endSecond = await broker.subscribe('f', () => void counts.second++);
  await broker.publish('f', '');
  await until('both', () => counts.first === 1 && counts.second === 1);
  await endFirst();
  await broker.publish('f', '');
  await until('the second', () => counts.second === 2);
  assert.equal(counts.first, 1);
  await endSecond();
  const endThird = await broker.subscribe('f', () => void counts.first++);
  await broker.publish('f', '');
  await until('the third', () => counts.first === 2);
  await endThird();
});

test('what the program may not publish or subscribe to', async (t) => {
  const { broker } = await startBroker(t, { limits: { maximumPacketSizeBytes: 2_048, topicLevelsMax: 4 } });
  const invalid = { name: 'BrokerError', code: 'HOST_PUBLISH_INVALID' };
  for (const topic of ['', 'a/#', '+', 'a\0b', 'x'.repeat(65_536), '1/2/3/4/5', '\ud800']) {
    await assert.rejects(() => broker.publish(topic, 'x'), invalid, JSON.stringify(topic.slice(0, 9)));
  }
  await assert.rejects(() => broker.publish('t', new Uint8Array(2_048)), invalid);
  await broker.publish('t', new Uint8Array(2_000));
  const wrong = { name: 'BrokerError', code: 'HOST_SUBSCRIBE_INVALID' };
  for (const filter of ['', 'a#', '#/a', 'a+', '$share/g/a', '1/2/3/4/5']) {
    await assert.rejects(() => broker.subscribe(filter, () => {}), wrong, filter);
  }
  await broker.subscribe('ok', () => {});
});

test('thousands of publishes at once, in their order', async (t) => {
  const { broker } = await startBroker(t);
  const seen: number[] = [];
  await broker.subscribe('many', (message) => void seen.push(Number(textOf(message))));
  await Promise.all(Array.from({ length: 5_000 }, (_, index) => broker.publish('many', `${index}`)));
  await until('all', () => seen.length === 5_000);
  assert.deepEqual(
    seen,
    Array.from({ length: 5_000 }, (_, index) => index),
  );
});

test('events of clients that come and go', async (t) => {
  const running = await startBroker(t, { workers: 2 });
  const events: unknown[] = [];
  running.broker.on('clientConnected', ({ clientId, protocolVersion, transport, remoteAddress }) => {
    events.push(['connected', clientId, protocolVersion, transport, remoteAddress]);
  });
  running.broker.on('clientDisconnected', ({ clientId }, reason) =>
    events.push(['disconnected', clientId, reason]),
  );
  const expectNext = async (expected: unknown): Promise<void> => {
    await until(JSON.stringify(expected), () => events.length > 0);
    assert.deepEqual(events.shift(), expected);
  };
  for (const transport of transports) {
    const polite = await openClient(t, transport, running, { clientId: 'polite' });
    await expectNext(['connected', 'polite', 5, transport, '127.0.0.1']);
    polite.send(bytesOf('e000'));
    await expectNext(['disconnected', 'polite', { cause: 'disconnected', reasonCode: 0 }]);
    const withWill = await openClient(t, transport, running, { clientId: 'will' });
    await expectNext(['connected', 'will', 5, transport, '127.0.0.1']);
    withWill.send(bytesOf('e0 01 04'));
    await expectNext(['disconnected', 'will', { cause: 'disconnectedWithWill', reasonCode: 4 }]);
    const lost = await openClient(t, transport, running, { clientId: 'lost', protocolVersion: 4 });
    await expectNext(['connected', 'lost', 4, transport, '127.0.0.1']);
    lost.destroy();
    await expectNext(['disconnected', 'lost', { cause: 'lost', reasonCode: 0 }]);
    const wrong = await openClient(t, transport, running, { clientId: 'wrong' });
    await expectNext(['connected', 'wrong', 5, transport, '127.0.0.1']);
    wrong.send(bytesOf('00 00'));
    await expectNext(['disconnected', 'wrong', { cause: 'lost', reasonCode: 0x81 }]);
    await openClient(t, transport, running, { clientId: 'taken' });
    await expectNext(['connected', 'taken', 5, transport, '127.0.0.1']);
    const taker = await openClient(t, transport, running, { clientId: 'taken' });
    await expectNext(['disconnected', 'taken', { cause: 'lost', reasonCode: 0x8e }]);
    await expectNext(['connected', 'taken', 5, transport, '127.0.0.1']);
    taker.send(bytesOf('e000'));
    await expectNext(['disconnected', 'taken', { cause: 'disconnected', reasonCode: 0 }]);
  }
  await openClient(t, 'ws', running, { clientId: 'last' });
  await expectNext(['connected', 'last', 5, 'ws', '127.0.0.1']);
  await running.broker.stop();
  await expectNext(['disconnected', 'last', { cause: 'lost', reasonCode: 0x8b }]);
  assert.deepEqual(events, []);
});

test('authenticate: true lets in, all else refuses, and a slow answer holds up nobody else', async (t) => {
  let letIn = (_: boolean): void => {};
  const slow = new Promise<boolean>((resolve) => (letIn = resolve));
  const running = await startBroker(t, {
    authenticate: ({ clientId }) => {
      if (clientId === 'throws') throw new Error('no');
      if (clientId === 'rejects') return Promise.reject(new Error('no'));
      if (clientId === 'slow') return slow;
      if (clientId === 'truthy') return 'yes' as unknown as boolean;
      return clientId === 'good';
    },
  });
  const reasonOf = async (clientId: string) =>
    (await openConnected(t, 'tcp', running, { clientId })).connack.reasonCode;
  const slowReason = reasonOf('slow');
  assert.equal(await reasonOf('good'), 0);
  assert.equal(await reasonOf('bad'), 0x86);
  assert.equal(await reasonOf('truthy'), 0x88); // neither an answer nor a grant: the hook is at fault
  assert.equal(await reasonOf('throws'), 0x88);
  assert.equal(await reasonOf('rejects'), 0x88);
  letIn(true);
  assert.equal(await slowReason, 0);
});

test('statistics() count', async (t) => {
  const running = await startBroker(t, { workers: 2 });
  const { broker } = running;
  await broker.publish('first', ''); // the program's own connection is open
  const before = broker.statistics();
  const client = await openClient(t, 'tcp', running);
  client.send(subscribeFrame('counted'));
  await client.nextPacket();
  client.send(publishFrame('counted', 'x', { retain: true }));
  await client.nextPacket();
  const now = broker.statistics();
  assert.equal(now.connections - before.connections, 1);
  assert.equal(now.sessions - before.sessions, 1);
  assert.deepEqual([now.subscriptions, now.retained, now.publishSent], [1, 1, 1]);
  assert.equal(now.publishReceived - before.publishReceived, 1);
  assert.ok(now.bytesReceived > 0 && now.bytesSent > 0);
  for (const [name, value] of Object.entries(now)) assert.ok(Number.isSafeInteger(value) && value >= 0, name);
  client.destroy();
  await until('it is gone', () => broker.statistics().connections === before.connections);
  await until('its session too', () => broker.statistics().sessions === before.sessions);
  assert.equal(broker.statistics().subscriptions, 0);
});

test('stop() while clients are connected and publish', async (t) => {
  const running = await startBroker(t, { workers: 4 });
  const clients = await Promise.all(
    Array.from({ length: 20 }, (_, index) => openClient(t, transports[index % 2] ?? 'tcp', running)),
  );
  for (const client of clients)
    client.send(subscribeFrame('#'), ...Array.from({ length: 50 }, () => publishFrame('t')));
  await within('the stop', running.broker.stop());
  await Promise.all(clients.map((client) => client.closed()));
});

test('clientRefused tells who was not let in and why, and it is counted', async (t) => {
  const { broker } = await startBroker(t, { authenticate: ({ clientId }) => clientId !== 'mallory' });
  const refused: unknown[] = [];
  broker.on('clientRefused', ({ clientId, transport, remoteAddress }, { reasonCode, why }) =>
    refused.push([clientId, transport, remoteAddress, reasonCode, why]),
  );
  for (const transport of transports) {
    await openConnected(t, transport, portsOf(broker), { clientId: 'mallory' });
    await openConnected(t, transport, portsOf(broker), { clientId: 'alice' });
  }
  await until('two refusals', () => refused.length >= 2);
  const why = 'The user name or password is wrong.';
  assert.deepEqual(refused, [
    ['mallory', 'tcp', '127.0.0.1', 0x86, why],
    ['mallory', 'ws', '127.0.0.1', 0x86, why],
  ]);
  assert.equal(broker.statistics().clientsRefused, 2);
});

test('errors name options, which a program has, and no flags, which it does not have', async (t) => {
  const { broker } = await startBroker(t);
  const { port } = broker.address();
  const error = await createBroker({ ...anyPorts, port })
    .start()
    .catch((reason: unknown) => reason);
  assert.match(String(error), /in use.*with the option port\./);
  for (const options of [
    { host: '0.0.0.0' },
    { tlsPort: 1 },
    { clientCa: 'x' },
    { clientCertificates: 'asked' as const },
  ]) {
    assert.throws(
      () => createBroker(options),
      (thrown: Error) => !thrown.message.includes('--'),
    );
  }
});
