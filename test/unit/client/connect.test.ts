import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { mqtt3 } from '../../../client/mqtt-3.ts';
import { connect, Rally, RallyError } from '../../../client/rally.ts';
import { FakeNetwork, startOnFake } from '../../support/fake-websocket.ts';
import { until, within } from '../../support/wait.ts';
import { bytes, hex } from '../wire/frames.ts';

const quick = { minMs: 1, maxMs: 2 };

test('CONNECT says what the options say, and connect resolves with CONNACK', async () => {
  const { WebSocket, sockets } = new FakeNetwork();
  const connecting = connect('http://broker.example/mqtt', {
    WebSocket,
    clientId: 'c',
    username: 'u',
    password: 'p',
    keepAliveSeconds: 7,
    cleanStart: false,
    properties: { sessionExpiryInterval: 9 },
    will: { topic: 'w', value: { a: 1 }, qos: 1, retain: true, properties: { willDelayInterval: 5 } },
  });
  await until('a WebSocket', () => sockets.length === 1);
  const [socket] = sockets;
  assert.equal(socket?.url, 'ws://broker.example/mqtt');
  assert.equal(socket?.subprotocol, 'mqtt');
  assert.equal(socket?.binaryType, 'arraybuffer');
  socket?.onopen?.();
  await socket?.expect(
    `10 30 0004'MQTT' 05 ec 0007 0a 11 00000009 17 01 22 0040 0001'c' 05 18 00000005 0001'w' 0007'{"a":1}' 0001'u' 0001'p'`,
  );
  socket?.receive('20 03 01 00 00');
  const rally = await within('connect resolves', connecting);
  assert.equal(rally.status, 'connected');
  rally.close();
  await socket?.expect('e0 00');
  assert.equal(socket?.isClosed, true);
});

test('the broker assigns the client identifier, and the next connection resumes the session with it', async () => {
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: quick });
  const first = await network.accepted(0, `20 07 00 00 04 12 0001'x'`);
  assert.equal(rally.clientId, 'x');
  first.cut();
  assert.equal(rally.status, 'reconnecting');
  await until('the next WebSocket', () => network.sockets.length === 2);
  const second = network.sockets[1];
  second?.onopen?.();
  await second?.expect(`10 18 0004'MQTT' 05 00 003c 0a 11 0000012c 17 01 22 0040 0001'x'`);
  rally.close();
});

test('without a WebSocket, as in Node.js 20, there is an error that says so, and no further attempt', async () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket');
  Reflect.deleteProperty(globalThis, 'WebSocket');
  try {
    for (const options of [{}, { WebSocket: mqtt3() }])
      await assert.rejects(connect('ws://broker.example/', options), {
        name: 'RallyError',
        message: 'no WebSocket',
        reasonCode: 0x83,
      });
  } finally {
    if (own) Object.defineProperty(globalThis, 'WebSocket', own);
  }
});

test('close can be awaited: it resolves when the goodbye is out and the WebSocket closed', async () => {
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket });
  const socket = await network.accepted();
  let resolved = 0;
  const closing = [rally.close(), rally.close()].map((closed) => closed.then(() => resolved++));
  await socket.expect('e0 07 00 05 11 00000000');
  assert.equal(rally.status, 'closed', 'at once');
  await turn();
  assert.equal(resolved, 0);
  socket.onclose?.();
  await within('close resolves', Promise.all(closing));
  await within('so it does once it is closed', rally.close());
});

test('close without a connection has nothing to wait for', async () => {
  const network = new FakeNetwork();
  const never = new Promise<never>(() => {});
  for (const options of [{}, { credentials: () => never }]) {
    const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, ...options });
    await within('close resolves', rally.close());
    assert.equal(rally.status, 'closed');
  }
  const refused = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: false });
  await until('a WebSocket', () => network.sockets.length === 1);
  network.sockets[0]?.cut();
  await within('close resolves', refused.close());
});

test('close ends a session that nobody could resume', async () => {
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket });
  const socket = await network.accepted();
  rally.close();
  await socket.expect('e0 07 00 05 11 00000000');
});

for (const reasonCode of [0x81, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c]) {
  test(`CONNACK 0x${reasonCode.toString(16)} is final: no further attempt, and a typed error`, async () => {
    const network = new FakeNetwork();
    const events: string[] = [];
    const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: quick });
    rally.on('reconnecting', () => events.push('reconnecting'));
    rally.on('closed', ({ error }) => events.push(`closed ${error?.message}`));
    const published = rally.publish('a', 'b', { qos: 1 });
    const socket = await network.opened();
    socket.receive(`20 07 00 ${reasonCode.toString(16)} 04 1f 0001'r'`);
    const isExpected = (error: unknown): boolean =>
      error instanceof RallyError && error.reasonCode === reasonCode && error.message === 'r';
    await assert.rejects(rally.ready, isExpected);
    await assert.rejects(published, isExpected);
    assert.deepEqual(events, ['closed r']);
    assert.equal(rally.status, 'closed');
    await assert.rejects(rally.publish('a'), RallyError);
    assert.throws(() => rally.subscribe('a'), RallyError);
  });
}

for (const refusal of ['20 03 00 88 00', '20 03 00 97 00', '20 03 00 00 00 e0 01 8b']) {
  test(`after ${refusal} it tries again`, async () => {
    const network = new FakeNetwork();
    const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: quick });
    (await network.opened()).receive(refusal);
    await network.accepted(1);
    assert.equal(rally.status, 'connected');
    rally.close();
  });
}

test('who is taken over does not come back', async () => {
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: quick });
  (await network.accepted()).receive('e0 01 8e');
  assert.equal(rally.status, 'closed');
});

test('credentials are asked for before each attempt, and a failure of theirs is tried again', async () => {
  const network = new FakeNetwork();
  let asked = 0;
  const rally = new Rally('ws://broker.example/', {
    WebSocket: network.WebSocket,
    reconnect: quick,
    async credentials(url) {
      assert.equal(url, 'ws://broker.example/');
      asked++;
      if (asked === 1) throw new Error('no token today');
      return { username: 't', password: `${asked}` };
    },
  });
  for (const index of [0, 1]) {
    await until('a WebSocket', () => network.sockets.length > index);
    const socket = network.sockets[index];
    socket?.onopen?.();
    assert.match(socket?.sent.shift() ?? '', new RegExp(`${hex(bytes(`0001't' 0001'${index + 2}'`))}$`));
    socket?.cut();
  }
  rally.close();
});

test('a server reference is followed once, with the path and the scheme of the URL', async () => {
  const network = new FakeNetwork();
  const rally = new Rally('wss://one.example/mqtt', { WebSocket: network.WebSocket, reconnect: quick });
  (await network.opened()).receive(`20 19 00 9c 16 1c 0013'two.example:99 three'`);
  const second = await network.opened(1);
  assert.equal(second.url, 'wss://two.example:99/mqtt');
  second.cut();
  assert.equal((await network.opened(2)).url, 'wss://one.example/mqtt');
  rally.close();
});

test('without reconnect the first loss is the end', async () => {
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: false });
  (await network.accepted()).cut();
  assert.equal(rally.status, 'closed');
});

test('the backoff is a random part of a bound that doubles up to its cap', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const network = new FakeNetwork();
  let part = 0.25;
  context.mock.method(Math, 'random', () => part);
  const rally = new Rally('ws://broker.example/', {
    WebSocket: network.WebSocket,
    reconnect: { minMs: 100, maxMs: 1_000 },
  });
  const delays: number[] = [];
  rally.on('reconnecting', ({ delayMs }) => delays.push(delayMs));
  for (let attempt = 0; attempt < 6; attempt++) {
    await Promise.resolve();
    assert.equal(network.sockets.length, attempt + 1, 'no sooner');
    network.sockets[attempt]?.cut();
    await until('the failure is explained', () => delays.length > attempt);
    if (attempt === 4) part = 0;
    context.mock.timers.tick(delays.at(-1) ?? 0);
  }
  assert.deepEqual(delays, [25, 50, 100, 200, 250, 0]);
  rally.close();
});

test('a delay that no timer can wait for is cut, and does not become none', async (context) => {
  const network = new FakeNetwork();
  context.mock.method(Math, 'random', () => 0.99);
  const reconnect = { minMs: 1e12, maxMs: Number.POSITIVE_INFINITY };
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect });
  const delays: number[] = [];
  rally.on('reconnecting', ({ delayMs }) => delays.push(delayMs));
  (await network.accepted()).cut();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(network.sockets.length, 1, 'no attempt');
  assert.ok(delays.length === 1 && (delays[0] ?? 0) > 1e9 && (delays[0] ?? 0) < 2 ** 31, `${delays}`);
  rally.close();
});

for (const stop of ['connected', 'reconnecting'] as const)
  test(`a client that a listener of its status closes when it is ${stop} tells nothing afterwards`, async () => {
    const { network, rally } = startOnFake();
    const told: string[] = [];
    rally.on('status', ({ from, to }) => {
      told.push(`${from} ${to}`);
      if (to === stop) rally.close();
    });
    for (const name of ['connected', 'reconnecting', 'closed'] as const)
      rally.on(name, () => told.push(name));
    (await network.accepted()).cut();
    const before = stop === 'connected' ? [] : ['connecting connected', 'connected'];
    const from = stop === 'connected' ? 'connecting' : 'connected';
    assert.deepEqual(told, [...before, `${from} ${stop}`, `${stop} closed`, 'closed']);
    if (stop === 'connected') await assert.rejects(rally.ready, { message: 'closed' });
  });

test('a listener of events is called until its signal aborts, once, or until it is taken back', async () => {
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: quick });
  const told: string[] = [];
  const abort = new AbortController();
  rally.on('connected', () => told.push('signal'), { signal: abort.signal });
  rally.on('connected', () => told.push('once'), { once: true });
  const off = rally.on('connected', () => told.push('off'));
  const first = await network.accepted();
  abort.abort();
  off();
  first.cut();
  await network.accepted(1);
  assert.deepEqual(told, ['signal', 'once', 'off']);
  rally.close();
});

test('the event status has the old and the new one, once for each change', async () => {
  const { network, rally } = startOnFake();
  const told: string[] = [];
  rally.on('status', ({ from, to }) => told.push(`${from} ${to} ${rally.status}`));
  rally.on('connected', () => told.push('connected'));
  rally.on('reconnecting', () => told.push('reconnecting'));
  (await network.accepted()).cut();
  (await network.opened(1)).cut();
  await network.accepted(2);
  rally.close();
  assert.deepEqual(told, [
    'connecting connected connected',
    'connected',
    'connected reconnecting reconnecting',
    'reconnecting',
    'reconnecting',
    'reconnecting connected connected',
    'connected',
    'connected closed closed',
  ]);
});

test('a signal that aborts ends connect and the client', async () => {
  const network = new FakeNetwork();
  const abort = new AbortController();
  const connecting = connect('ws://broker.example/', { WebSocket: network.WebSocket, signal: abort.signal });
  const socket = await network.opened();
  abort.abort(new Error('enough'));
  await assert.rejects(connecting, /enough/);
  assert.equal(socket.isClosed, true);
  await assert.rejects(connect('ws://broker.example/', { signal: abort.signal }), /enough/);
});

test('a signal that aborts says why the last attempt had failed', async () => {
  const network = new FakeNetwork();
  const abort = new AbortController();
  const options = { WebSocket: network.WebSocket, signal: abort.signal, reconnect: { minMs: 0, maxMs: 0 } };
  const connecting = connect('ws://broker.example/', options);
  (await network.opened()).cut();
  await network.opened(1);
  abort.abort();
  await assert.rejects(connecting, (error: Error) => {
    assert.equal(error.name, 'AbortError');
    const { message, cause } = error.cause as Error;
    assert.match(message, /^no connection to ws:\/\/broker\.example\/: nothing answers there, or /);
    assert.equal((cause as Error).message, 'no network');
    assert.ok((error.cause as Error).stack?.includes(message), 'what is printed has it too');
    return true;
  });
});

test('a reason that has a cause keeps it, and one that takes none is given as it is', async () => {
  for (const [reason, expected] of [
    [new Error('enough', { cause: 'mine' }), 'mine'],
    [Object.freeze(new Error('enough')), undefined],
    ['enough', undefined],
  ] as const) {
    const network = new FakeNetwork();
    const abort = new AbortController();
    const connecting = connect('ws://broker.example/', {
      WebSocket: network.WebSocket,
      signal: abort.signal,
    });
    (await network.opened()).cut();
    await network.opened(1);
    abort.abort(reason);
    await assert.rejects(connecting, (error) => {
      assert.equal(error, reason);
      assert.equal((error as Error).cause, expected);
      return true;
    });
  }
});

test('only a client that has never been connected asks why, and at most once a minute', async (context) => {
  const asked = context.mock.method(
    globalThis,
    'fetch',
    async () => new Response('Not here.\n', { status: 404, headers: { 'content-type': 'text/plain' } }),
  );
  const network = new FakeNetwork();
  const { WebSocket } = network;
  const errors: unknown[] = [];
  const rally = new Rally('ws://user:secret@other.example/x', { WebSocket, reconnect: quick });
  rally.on('reconnecting', ({ error }) => errors.push([error?.message, (error as RallyError).status]));
  for (const attempt of [0, 1]) (await network.opened(attempt)).cut();
  (await network.accepted(2)).cut();
  (await network.opened(3)).cut();
  const notHere = ['no connection to ws://user:secret@other.example/x: HTTP 404, Not here.', 404];
  assert.deepEqual(errors, [
    notHere,
    notHere,
    ['connection lost', undefined],
    ['no connection to ws://user:secret@other.example/x', undefined],
  ]);
  assert.deepEqual(
    asked.mock.calls.map(({ arguments: [url] }) => `${url}`),
    ['http://other.example/x'],
  );
  rally.close();
  // A broker that refuses has given its reason.
  const refusing = new FakeNetwork();
  const refused = new Rally('ws://third.example/', { WebSocket: refusing.WebSocket });
  const socket = await refusing.opened();
  socket.receive('20 03 00 87 00');
  socket.cut();
  await assert.rejects(refused.ready, { reasonCode: 0x87 });
  assert.equal(asked.mock.callCount(), 1);
});

test('a client that does not get in warns of options that do not exist, once', async (context) => {
  const warn = context.mock.method(console, 'warn', () => {});
  for (let client = 0; client < 2; client++) {
    const network = new FakeNetwork();
    const options = { WebSocket: network.WebSocket, username: 'lee', pasword: 'secret', keepalive: 5 };
    const refused = new Rally('ws://fourth.example/', options);
    const socket = await network.opened();
    socket.receive('20 03 00 86 00');
    socket.cut();
    await assert.rejects(refused.ready, { reasonCode: 0x86 });
    await until('the warning', () => warn.mock.callCount() > 0);
  }
  await turn();
  const [call, ...more] = warn.mock.calls;
  assert.match(`${call?.arguments}`, /^RallyMQ: unknown options: pasword,keepalive\. .*\bpassword\b/);
  assert.deepEqual(more, []);
});

test('what is no MQTT ends the connection with a reason code, and is tried again', async () => {
  for (const [garbage, goodbye] of [
    ['f0 00', '82'],
    ['20 03 00 00 00', '82'],
    ['30 02 0001', '81'],
    ['30 ff ff ff ff 01', '81'],
    ['30 06 0000 03 23 0001', '82'],
  ]) {
    const network = new FakeNetwork();
    const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, reconnect: quick });
    const socket = await network.accepted();
    socket.receive(garbage ?? '');
    await socket.expect(`e0 01 ${goodbye}`);
    assert.equal(socket.isClosed, true);
    await network.accepted(1);
    rally.close();
  }
});

test('a wrong URL is refused at once', async () => {
  await assert.rejects(connect('not a url'), TypeError);
});

test('keep alive: silence is asked, and without an answer the next connection is made', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, keepAliveSeconds: 60 });
  await Promise.resolve();
  const [first] = network.sockets;
  first?.onopen?.();
  first?.sent.pop();
  // Server Keep Alive: 40 seconds.
  first?.receive('20 06 00 00 03 13 0028');
  context.mock.timers.tick(20_000);
  await Promise.resolve();
  assert.deepEqual(first?.sent.splice(0), ['c000']);
  first?.receive('d0 00');
  context.mock.timers.tick(20_000);
  await Promise.resolve();
  assert.deepEqual(first?.sent.splice(0), ['c000']);
  context.mock.timers.tick(9_999);
  assert.equal(rally.status, 'connected');
  context.mock.timers.tick(1);
  assert.equal(rally.status, 'reconnecting');
  assert.equal(first?.isClosed, true);
  rally.close();
});

test('keep alive: what comes is a clock where timers are throttled', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, keepAliveSeconds: 20 });
  await Promise.resolve();
  const [socket] = network.sockets;
  socket?.onopen?.();
  socket?.sent.pop();
  socket?.receive('20 03 00 00 00');
  context.mock.timers.setTime(10_000);
  socket?.sent.splice(0);
  context.mock.timers.setTime(10_001 + Date.now());
  socket?.receive(`30 04 0001'a' 00`);
  await Promise.resolve();
  assert.ok(socket?.sent.includes('c000'));
  rally.close();
});

test('an attempt that takes too long is given up', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, connectTimeoutMs: 50 });
  await Promise.resolve();
  context.mock.timers.tick(50);
  assert.equal(network.sockets[0]?.isClosed, true);
  assert.equal(rally.status, 'reconnecting');
  rally.close();
});

test('an attempt may take as long as it wants', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const timers = context.mock.method(globalThis, 'setInterval');
  for (const connectTimeoutMs of [2 ** 31, Number.POSITIVE_INFINITY]) {
    const { network, rally } = startOnFake({ connectTimeoutMs });
    await until('the attempt', () => network.sockets.length === 1);
    const [, ms] = timers.mock.calls.at(-1)?.arguments ?? [];
    assert.ok(ms && ms < 2 ** 31, `a timer of ${ms} ms fires at once`);
    rally.close();
  }
});

test('keep alive: an upload that goes on is waited for, and one that stands still is not', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  const network = new FakeNetwork();
  const rally = new Rally('ws://broker.example/', { WebSocket: network.WebSocket, keepAliveSeconds: 60 });
  await Promise.resolve();
  const [socket] = network.sockets;
  assert.ok(socket);
  socket.onopen?.();
  socket.receive('20 03 00 00 00');
  socket.bufferedAmount = 3_000_000;
  context.mock.timers.tick(30_000);
  for (const bytes of [2_000_000, 1_000_000]) {
    socket.bufferedAmount = bytes;
    context.mock.timers.tick(10_000);
    assert.equal(rally.status, 'connected');
  }
  context.mock.timers.tick(10_000);
  assert.equal(rally.status, 'reconnecting');
  rally.close();
});
