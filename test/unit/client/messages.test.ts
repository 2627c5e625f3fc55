import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, RallyError } from '../../../client/rally.ts';
import { followState } from '../../../client/state.ts';
import { startOnFake } from '../../support/fake-websocket.ts';
import { until, within } from '../../support/wait.ts';

const refusedWith = (reasonCode: number) => (error: unknown) =>
  error instanceof RallyError && error.reasonCode === reasonCode;

test('a message of QoS 0 is resolved when it was sent, and values become bytes', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  assert.equal(await rally.publish('a', 'ä'), undefined);
  await socket.expect(`30 06 0001'a' 00 c3a4`);
  await rally.publish('a', { b: [1] }, { retain: true });
  await socket.expect(`31 0d 0001'a' 00 '{"b":[1]}'`);
  await rally.publish('a', new Uint8Array([1, 2]).subarray(1));
  await socket.expect(`30 05 0001'a' 00 02`);
  await rally.publish('a', new Uint8Array([3]).buffer, { properties: { contentType: 'c' } });
  await socket.expect(`30 09 0001'a' 04 03 0001'c' 03`);
  await rally.publish('a');
  await socket.expect(`30 04 0001'a' 00`);
  rally.close();
});

test('what would arrive empty, or as {}, is refused, and what looks like it is not', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const noValues: unknown[] = [() => 1, class {}, async () => {}, Symbol('s'), 1n];
  noValues.push(new Map([[1, 2]]), new Set(), new WeakMap(), Promise.resolve(), new Blob(['x']));
  for (const value of noValues)
    await assert.rejects(rally.publish('a', value as never), { reasonCode: 0x99, message: 'not a value' });
  for (const [value, text] of [
    [{ byteLength: 1, call: 2, buffer: 3 }, '{"byteLength":1,"call":2,"buffer":3}'],
    [[1], '[1]'],
    [null, 'null'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ] as const) {
    await rally.publish('a', value);
    await socket.expect(`30 ${(4 + text.length).toString(16).padStart(2, '0')} 0001'a' 00 '${text}'`);
  }
  await rally.publish('a', new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 1));
  await socket.expect(`30 05 0001'a' 00 02`);
  rally.close();
});

test('QoS 1 and 2 are resolved when the broker has them', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const one = rally.publish('a', '', { qos: 1 });
  await socket.expect(`32 06 0001'a' 0001 00`);
  socket.receive('40 03 0001 10');
  assert.deepEqual(await within('PUBACK', one), { reasonCode: 0x10, properties: {} });
  const two = rally.publish('a', '', { qos: 2 });
  await socket.expect(`34 06 0001'a' 0002 00`);
  socket.receive('50 02 0002');
  await socket.expect('62 02 0002');
  socket.receive('70 02 0002');
  assert.deepEqual(await within('PUBCOMP', two), { reasonCode: 0, properties: {} });
  const refused = rally.publish('a', '', { qos: 2 });
  await socket.expect(`34 06 0001'a' 0003 00`);
  socket.receive(`50 08 0003 87 04 1f 0001'n'`);
  await assert.rejects(refused, refusedWith(0x87));
  socket.receive('50 02 0099');
  await socket.expect('62 03 0099 92');
  rally.close();
});

test('what is in flight is sent again in order with DUP, what is released with PUBREL, then the rest', async () => {
  const { network, rally } = startOnFake();
  const first = await network.accepted(0, '20 06 00 00 03 21 0003');
  const results = ['1', '2', '3', '4'].map((value, index) =>
    rally.publish('a', value, { qos: index === 1 ? 2 : 1 }),
  );
  await first.expect(`32 07 0001'a' 0001 00 '1'`);
  await first.expect(`34 07 0001'a' 0002 00 '2'`);
  await first.expect(`32 07 0001'a' 0003 00 '3'`);
  await first.expectNothing('Receive Maximum is 3');
  first.receive('50 02 0002');
  await first.expect('62 02 0002');
  first.cut();
  const second = await network.accepted(1, '20 06 01 00 03 21 0002');
  await second.expect(`3a 07 0001'a' 0001 00 '1'`);
  await second.expect('62 02 0002');
  await second.expectNothing('Receive Maximum is 2 now');
  second.receive('40 02 0001');
  await second.expect(`3a 07 0001'a' 0003 00 '3'`);
  second.receive('70 02 0002 40 02 0003');
  await second.expect(`32 07 0001'a' 0004 00 '4'`);
  second.receive('40 02 0004');
  await within('all four', Promise.all(results));
  rally.close();
});

test('a broker without the session gets what it has not, as new', async () => {
  const { network, rally } = startOnFake();
  const first = await network.accepted();
  const released = rally.publish('a', '1', { qos: 2 });
  const open = rally.publish('a', '2', { qos: 1 });
  await first.expect(`34 07 0001'a' 0001 00 '1'`);
  await first.expect(`32 07 0001'a' 0002 00 '2'`);
  first.receive('50 02 0001');
  await first.expect('62 02 0001');
  first.cut();
  const second = await network.accepted(1);
  assert.equal((await within('the broker had it', released))?.reasonCode, 0);
  await second.expect(`32 07 0001'a' 0003 00 '2'`);
  second.receive('40 02 0003');
  await within('PUBACK', open);
  rally.close();
});

for (const qos of [3, -1, 1.5, 'two', '1'])
  test(`the QoS ${qos} is refused, before there is a connection too, and the connection stays`, async () => {
    const { network, rally } = startOnFake();
    const options = { qos } as unknown as { qos: 1 };
    const early = assert.rejects(rally.publish('a', '', options), refusedWith(0x9b));
    const socket = await network.accepted();
    await within('the refusal', early);
    await within('the refusal', assert.rejects(rally.publish('a', '', options), refusedWith(0x9b)));
    await socket.expectNothing();
    rally.close();
  });

test('what the broker does not take is refused before it is sent', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted(0, '20 0c 00 00 09 24 01 25 00 27 00000010');
  await assert.rejects(rally.publish('a', '', { qos: 2 }), refusedWith(0x9b));
  await assert.rejects(rally.publish('a', '', { retain: true }), refusedWith(0x9a));
  await assert.rejects(rally.publish('a', '0123456789ab'), {
    reasonCode: 0x95,
    message: 'beyond broker limits',
  });
  await rally.publish('a', '0123456789');
  await socket.expect(`30 0e 0001'a' 00 '0123456789'`);
  await assert.rejects(rally.publish('a/+', ''), refusedWith(0x90));
  await assert.rejects(rally.publish('', ''), refusedWith(0x90));
  await assert.rejects(rally.publish('a', '', { properties: { contentType: '\0' } }), RangeError);
  await socket.expectNothing();
  rally.close();
});

test('the queue is bounded: by default what comes too much is refused', async () => {
  const { network, rally } = startOnFake({ queue: { max: 2 } });
  const kept = [rally.publish('a', '1'), rally.publish('a', '2')];
  await assert.rejects(rally.publish('a', '3'), refusedWith(0x97));
  const socket = await network.accepted();
  await Promise.all(kept);
  await socket.expect(`30 05 0001'a' 00 '1'`);
  await socket.expect(`30 05 0001'a' 00 '2'`);
  rally.close();
});

test('the queue is bounded: dropOldest gives up what has waited longest', async () => {
  const { network, rally } = startOnFake({ queue: { max: 2, policy: 'dropOldest' } });
  const oldest = assert.rejects(rally.publish('a', '1'), refusedWith(0x97));
  const kept = [rally.publish('a', '2'), rally.publish('a', '3')];
  await oldest;
  const socket = await network.accepted();
  await Promise.all(kept);
  await socket.expect(`30 05 0001'a' 00 '2'`);
  await socket.expect(`30 05 0001'a' 00 '3'`);
  rally.close();
});

test('what one turn brings leaves in one WebSocket message, a goodbye too', async () => {
  const { network, rally } = startOnFake();
  rally.subscribe('a', () => {});
  const socket = await network.accepted();
  socket.sent.splice(0);
  socket.frameCounts.splice(0);
  // Answers to a SUBACK and three messages that come at once.
  socket.receive(`90 04 0001 00 02 32 06 0001'a' 0007 00 32 06 0001'a' 0008 00 34 06 0001'a' 0009 00`);
  for (const answer of ['40 02 0007', '40 02 0008', '50 02 0009']) await socket.expect(answer);
  assert.deepEqual(socket.frameCounts.splice(0), [3]);
  await Promise.all(['1', '2'].map((text) => rally.publish('b', text)));
  assert.deepEqual(socket.frameCounts.splice(0), [2], 'resolved when it was sent');
  void rally.publish('b', '3');
  rally.close();
  for (const text of ['1', '2', '3']) await socket.expect(`30 05 0001'b' 00 '${text}'`);
  await socket.expect('e0 07 00 05 11 00000000');
  assert.deepEqual(socket.frameCounts, [2]);
});

test('one turn gives the WebSocket no more than it may hold', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const half = new Uint8Array(2 ** 19);
  const published = Array.from({ length: 4 }, () => rally.publish('a', half));
  await Promise.all(published);
  assert.deepEqual(socket.frameCounts.slice(1), [2, 2]);
  rally.close();
});

test('a WebSocket that does not get rid of its bytes gets no more', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { network, rally } = startOnFake();
  await Promise.resolve();
  const [socket] = network.sockets;
  socket?.onopen?.();
  socket?.sent.pop();
  socket?.receive('20 03 00 00 00');
  if (socket) socket.bufferedAmount = 2 ** 20 + 1;
  const published = rally.publish('a', '1');
  context.mock.timers.tick(50);
  await socket?.expectNothing();
  if (socket) socket.bufferedAmount = 0;
  context.mock.timers.tick(50);
  await published;
  assert.equal(socket?.sent.length, 1);
  rally.close();
});

test('a signal takes a message out of the queue, and not out of flight', async () => {
  const { network, rally } = startOnFake();
  const abort = new AbortController();
  const { signal } = abort;
  const waiting = rally.publish('a', '1', { signal });
  abort.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(rally.publish('a', '1', { signal }), /enough/);
  const first = await network.accepted();
  const later = new AbortController();
  const inFlight = rally.publish('a', '2', { qos: 1, signal: later.signal });
  await first.expect(`32 07 0001'a' 0001 00 '2'`);
  later.abort(new Error('enough'));
  await assert.rejects(inFlight, /enough/);
  first.cut();
  const second = await network.accepted(1, '20 03 01 00 00');
  await second.expect(`3a 07 0001'a' 0001 00 '2'`);
  rally.close();
});

test('close rejects what the broker does not have', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const published = rally.publish('a', '', { qos: 1 });
  await socket.expect(`32 06 0001'a' 0001 00`);
  rally.close();
  await assert.rejects(published, refusedWith(0));
});

test('messages come with text, JSON and bytes, and are acknowledged', async () => {
  const { network, rally } = startOnFake();
  const messages: Message[] = [];
  rally.subscribe('a', (message) => messages.push(message));
  const socket = await network.accepted();
  await socket.expect(`82 09 0001 02 0b 02 0001'a' 02`);
  socket.receive(`90 04 0001 00 02 3b 0f 0001'a' 0007 02 0b 02 '{"b":1}'`);
  await socket.expect('40 02 0007');
  const [message] = messages;
  assert.equal(message?.topic, 'a');
  assert.equal(message?.text(), '{"b":1}');
  assert.deepEqual(message?.json(), { b: 1 });
  assert.equal(message?.bytes.length, 7);
  assert.deepEqual([message?.qos, message?.retain, message?.dup], [1, true, true]);
  rally.close();
});

test('QoS 2 is delivered once however often it is sent, also over connections', async () => {
  const { network, rally } = startOnFake();
  const texts: string[] = [];
  rally.subscribe('a', (message) => texts.push(message.text()));
  const first = await network.accepted();
  first.sent.splice(0);
  first.receive(`90 04 0001 00 02 34 07 0001'a' 0007 00 '1'`);
  await first.expect('50 02 0007');
  first.cut();
  const second = await network.accepted(1, '20 03 01 00 00');
  second.receive(`3c 07 0001'a' 0007 00 '1'`);
  await second.expect('50 02 0007');
  second.receive('62 02 0007');
  await second.expect('70 02 0007');
  second.receive('62 02 0007');
  await second.expect('70 03 0007 92');
  second.receive(`34 07 0001'a' 0007 00 '2'`);
  await second.expect('50 02 0007');
  assert.deepEqual(texts, ['1', '2']);
  rally.close();
});

test('topic aliases are understood, for one connection', async () => {
  const { network, rally } = startOnFake();
  const topics: string[] = [];
  rally.subscribe('#', ({ topic }) => topics.push(topic));
  const first = await network.accepted();
  first.sent.splice(0);
  first.receive(`90 04 0001 00 02 30 09 0003'a/b' 03 23 0001 30 06 0000 03 23 0001`);
  assert.deepEqual(topics, ['a/b', 'a/b']);
  first.cut();
  const second = await network.accepted(1, '20 03 01 00 00');
  second.receive('30 06 0000 03 23 0001');
  await second.expect('e0 01 82');
  assert.deepEqual(topics, ['a/b', 'a/b']);
  rally.close();
});

test('packets may be cut anywhere', async () => {
  const stream = `90 04 0001 00 02 32 8501 0001'a' 0007 00 '${'x'.repeat(127)}' 30 05 0001'a' 00 'y'`;
  for (let size = 1; size < 12; size++) {
    const { network, rally } = startOnFake();
    const lengths: number[] = [];
    rally.subscribe('a', ({ bytes }) => lengths.push(bytes.length));
    const socket = await network.accepted();
    socket.sent.splice(0);
    const hexadecimal = stream
      .replace(/'([^']*)'/g, (_, text) => Buffer.from(text).toString('hex'))
      .replaceAll(' ', '');
    for (let start = 0; start < hexadecimal.length; start += 2 * size) {
      socket.receive(hexadecimal.slice(start, start + 2 * size));
    }
    assert.deepEqual(lengths, [127, 1]);
    await socket.expect('40 02 0007');
    rally.close();
  }
});

test('request resolves with the answer and leaves no subscription behind', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const answer = rally.request('svc', 'q', { qos: 1 });
  await until('SUBSCRIBE and PUBLISH', () => socket.sent.length === 2);
  const [subscribe = '', publish = ''] = socket.sent.splice(0);
  const topicHex = subscribe.slice(18, -2);
  assert.match(Buffer.from(topicHex, 'hex').toString(), /^reply\/[\w.-]+$/);
  assert.ok(publish.includes(`08${subscribe.slice(14, 18)}${topicHex}`), 'response topic');
  const topicBytes = topicHex.length / 2;
  socket.receive(
    `90 04 0001 00 02 40 02 0002 30 ${(topicBytes + 6).toString(16).padStart(2, '0')}`.concat(
      ` 00${topicBytes.toString(16).padStart(2, '0')} ${topicHex} 00 'yes'`,
    ),
  );
  assert.equal((await within('the answer', answer)).text(), 'yes');
  await until('UNSUBSCRIBE', () => socket.sent.some((frame) => frame.startsWith('a2')));
  await assert.rejects(rally.request('svc', 'q', { signal: AbortSignal.abort(new Error('late')) }), /late/);
  rally.close();
});

test('state follows retained messages: the last of each topic, and an empty one clears it', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const sizes: number[] = [];
  const state = followState(rally, 's/+', (topics) => sizes.push(topics.size));
  await socket.expect(`82 0b 0001 02 0b 01 0003's/+' 02`);
  socket.receive(`31 07 0003's/a' 00 '1' 31 07 0003's/b' 00 '2' 30 07 0003's/a' 00 '3' 30 06 0003's/b' 00`);
  assert.deepEqual(sizes, [1, 2, 2, 1]);
  assert.equal(state.topics.get('s/a')?.text(), '3');
  const set = state.set('s/a', { home: 1 });
  await socket.expect(`33 12 0003's/a' 0002 00 '{"home":1}'`);
  socket.receive('40 02 0002');
  await within('PUBACK', set);
  rally.close();
});

test('state starts over when the broker has lost the session: what is not retained any more is gone', async () => {
  const { network, rally } = startOnFake();
  const first = await network.accepted();
  const shown: string[] = [];
  const state = followState(rally, 's/+', (topics) => shown.push([...topics.keys()].join()));
  await first.expect(`82 0b 0001 02 0b 01 0003's/+' 02`);
  first.receive(`90 04 0001 00 02 31 07 0003's/a' 00 '1' 31 07 0003's/b' 00 '2'`);
  first.cut();
  const second = await network.accepted(1, '20 03 01 00 00');
  assert.deepEqual([...state.topics.keys()], ['s/a', 's/b'], 'the session goes on');
  second.cut();
  const third = await network.accepted(2);
  assert.equal(shown.pop(), '', 'who follows is told');
  await third.expect(`82 0b 0002 02 0b 02 0003's/+' 02`);
  third.receive(`90 04 0002 00 02 31 09 0003's/b' 02 0b 02 '2'`);
  assert.deepEqual([...state.topics.keys()], ['s/b']);
  void state.subscription.unsubscribe();
  await third.expect(`a2 08 0003 00 0003's/+'`);
  third.cut();
  const count = shown.length;
  await network.accepted(3);
  assert.equal(shown.length, count, 'nothing after unsubscribe');
  rally.close();
});
