/** The host program's client against a data plane that the test plays, frame by frame. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BrokerError } from '../../../core/broker-error.ts';
import { defaultLimits, type Limits } from '../../../core/config/limits.ts';
import { HostClient } from '../../../core/host/host-client.ts';
import type { HostMessage } from '../../../core/host/host-message.ts';
import { Queue } from '../../../core/host/queue.ts';
import { FrameReader } from '../../../core/wire/frame-reader.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { toHex } from '../../support/frames.ts';
import { within } from '../../support/wait.ts';
import { bytes, hex } from '../wire/frames.ts';

class FakeDataPlane {
  readonly host: HostClient;
  /** What the client has sent and the plane has not taken. */
  sentBytes = 0;
  sentBytesMax = 0;
  readonly #sent: string[] = [];
  readonly #processed: string[] = [];

  constructor(limits: Partial<Limits> = {}) {
    this.host = new HostClient(
      { ...defaultLimits, ...limits },
      {
        sendBytes: (chunk) => this.#receive(chunk),
        sendProcessed: (bytes, messages) => void this.#processed.push(`${bytes} ${messages}`),
      },
    );
  }

  #receive(chunk: Uint8Array): void {
    this.sentBytes += chunk.length;
    this.sentBytesMax = Math.max(this.sentBytes, this.sentBytesMax);
    const reader = new FrameReader(5);
    reader.push(chunk.slice());
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      assert.ok(!isProtocolError(frame));
      this.#sent.push(toHex(frame));
    }
  }

  receive(content: string): void {
    this.host.receive(bytes(content));
  }

  /** Takes what it was sent. */
  take(count = this.sentBytes): void {
    this.sentBytes -= count;
    this.host.taken(count);
  }

  /** The client sends these frames and no other. */
  async expect(...contents: string[]): Promise<void> {
    await turn();
    await turn(); // what is sent in a turn goes at its end
    assert.deepEqual(
      this.#sent.splice(0),
      contents.map((content) => hex(bytes(content))),
    );
  }

  /** It tells that these bytes and messages are done with, and no others. */
  async expectProcessed(...processed: string[]): Promise<void> {
    await turn();
    assert.deepEqual(this.#processed.splice(0), processed);
  }

  takeSent(): string[] {
    return this.#sent.splice(0);
  }
}

const coded = (code: string) => (error: unknown) => error instanceof BrokerError && error.code === code;

test('each QoS resolves when the broker has the message', async () => {
  const plane = new FakeDataPlane();
  await within('QoS 0', plane.host.publish('a', '0', { qos: 0, retain: true }));
  await plane.expect(`31 05 0001'a' 00 '0'`);
  const one = plane.host.publish('a', '1');
  await plane.expect(`32 07 0001'a' 0001 00 '1'`);
  plane.receive('40 02 0001');
  await within('PUBACK', one);
  const two = plane.host.publish('a', '2', { qos: 2, properties: { contentType: 'c' } });
  await plane.expect(`34 0b 0001'a' 0002 04 03 0001'c' '2'`);
  plane.receive('50 02 0002');
  await plane.expect('62 02 0002');
  plane.receive('70 02 0002');
  await within('PUBCOMP', two);
});

test('what the broker refuses, and what it would refuse, rejects with a code', async () => {
  const plane = new FakeDataPlane({ maximumPacketSizeBytes: 1_024 });
  const refused = plane.host.publish('a', '1');
  await plane.expect(`32 07 0001'a' 0001 00 '1'`);
  plane.receive('40 04 0001 97 00');
  await assert.rejects(refused, coded('HOST_PUBLISH_REFUSED'));
  await assert.rejects(plane.host.publish('a', new Uint8Array(1_024)), coded('HOST_PUBLISH_INVALID'));
  await assert.rejects(plane.host.publish('a/+', '1'), coded('HOST_PUBLISH_INVALID'));
  await assert.rejects(
    plane.host.subscribe('a/#/b', () => {}),
    coded('HOST_SUBSCRIBE_INVALID'),
  );
  await plane.expect();
  const subscribed = plane.host.subscribe('a', () => {});
  await plane.expect(`82 09 0003 02 0b 01 0001'a' 01`);
  plane.receive('90 04 0003 00 9e');
  await assert.rejects(subscribed, coded('HOST_SUBSCRIBE_INVALID'));
});

test('beyond the window messages wait, in order, QoS 0 too', async () => {
  const plane = new FakeDataPlane({ receiveMaximum: 2 });
  const published = ['1', '2', '3'].map((text) => plane.host.publish('a', text));
  published.push(plane.host.publish('a', '4', { qos: 0 }));
  await plane.expect(`32 07 0001'a' 0001 00 '1'`, `32 07 0001'a' 0002 00 '2'`);
  plane.receive('40 02 0002');
  await plane.expect(`32 07 0001'a' 0003 00 '3'`);
  plane.receive('40 02 0001');
  await plane.expect(`30 05 0001'a' 00 '4'`);
  plane.receive('40 02 0003');
  await within('all', Promise.all(published));
});

test('a hundred thousand that wait are sent at once when there is room', async () => {
  const plane = new FakeDataPlane({ receiveMaximum: 1, hostWindowBytes: 2 ** 30 });
  const published = [plane.host.publish('a', 'first')];
  for (let number = 0; number < 100_000; number++) {
    published.push(plane.host.publish('a', `${number}`, { qos: 0 }));
  }
  plane.receive('40 02 0001');
  await within('all', Promise.all(published));
});

test('a message goes to the listeners of its subscriptions, and is acknowledged', async () => {
  const plane = new FakeDataPlane();
  const got: string[] = [];
  const note = (name: string) => (message: HostMessage) =>
    void got.push(`${name} ${message.topic} ${Buffer.from(message.payload).toString()}`);
  const first = plane.host.subscribe('a/#', note('1'), 2);
  const second = plane.host.subscribe('a/b', note('2'));
  const third = plane.host.subscribe('a/b', note('3'));
  await plane.expect(`82 0b 0001 02 0b 01 0003'a/#' 02`, `82 0b 0002 02 0b 02 0003'a/b' 01`);
  plane.receive('90 04 0001 00 02 90 04 0002 00 01');
  const [unsubscribe] = await within('SUBACK', Promise.all([second, first, third]));
  plane.receive(`30 0a 0003'a/b' 04 0b 01 0b 02 30 08 0003'a/c' 02 0b 01`);
  assert.deepEqual(got.splice(0), ['1 a/b ', '2 a/b ', '3 a/b ', '1 a/c ']);
  plane.receive(`32 0a 0003'a/c' 0005 02 0b 01 34 0b 0003'a/c' 0006 02 0b 01 'x'`);
  plane.receive(`3c 0b 0003'a/c' 0006 02 0b 01 'x'`);
  await plane.expect('40 02 0005', '50 02 0006', '50 02 0006');
  assert.deepEqual(got.splice(0), ['1 a/c ', '1 a/c x']);
  plane.receive('62 02 0006');
  await plane.expect('70 02 0006');
  await unsubscribe?.();
  await plane.expect();
  const last = (await third)();
  await plane.expect(`a2 08 0003 00 0003'a/b'`);
  plane.receive('b0 04 0003 00 00');
  await within('UNSUBACK', last);
});

test('a function that subscribes twice is called twice, and ending one subscription leaves the other', async () => {
  const plane = new FakeDataPlane();
  let calls = 0;
  const listener = (): void => void calls++;
  const subscribed = Promise.all([plane.host.subscribe('a', listener), plane.host.subscribe('a', listener)]);
  await plane.expect(`82 09 0001 02 0b 01 0001'a' 01`);
  plane.receive('90 04 0001 00 01');
  const [endOne, endOther] = await within('SUBACK', subscribed);
  plane.receive(`30 06 0001'a' 02 0b 01`);
  assert.equal(calls, 2);
  await endOne();
  await endOne();
  plane.receive(`30 06 0001'a' 02 0b 01`);
  assert.equal(calls, 3);
  await plane.expect();
  const ended = endOther();
  await plane.expect(`a2 06 0002 00 0001'a'`);
  plane.receive('b0 04 0002 00 00');
  await within('UNSUBACK', ended);
});

test('what is retained comes to whoever asks for it, alone, and live messages to all', async () => {
  const plane = new FakeDataPlane();
  const got: string[] = [];
  const note = (name: string) => (message: HostMessage) => void got.push(`${name} ${message.topic}`);
  const live = plane.host.subscribe('a', note('live'), 1, true);
  await plane.expect(`82 09 0001 02 0b 01 0001'a' 21`);
  plane.receive('90 04 0001 00 01');
  await within('SUBACK', live);
  const asked = plane.host.sendRetained('a', note('asked'));
  const program = plane.host.subscribe('a', note('program'));
  await plane.expect(`82 09 0002 02 0b 02 0001'a' 01`, `82 09 0003 02 0b 03 0001'a' 01`);
  plane.receive('90 04 0002 00 01 90 04 0003 00 01');
  await within('SUBACK', Promise.all([asked, program]));
  plane.receive(`31 06 0001'a' 02 0b 02 31 06 0001'a' 02 0b 03 30 06 0001'a' 02 0b 03`);
  assert.deepEqual(got, ['asked a', 'program a', 'live a', 'program a']);
});

test('a worker that runs again is sent what it has not answered', async () => {
  const plane = new FakeDataPlane();
  const published = [1, 2, 2].map((qos, index) => plane.host.publish('a', `${index}`, { qos: qos as 1 | 2 }));
  const subscribed = plane.host.subscribe('b', () => {});
  plane.receive('50 02 0002');
  await plane.expect(
    `32 07 0001'a' 0001 00 '0'`,
    `34 07 0001'a' 0002 00 '1'`,
    `34 07 0001'a' 0003 00 '2'`,
    `82 09 0004 02 0b 01 0001'b' 01`,
    '62 02 0002',
  );
  // Half a frame is lost with the worker.
  plane.receive('40 02 00');
  plane.host.resume();
  await plane.expect(
    `3a 07 0001'a' 0001 00 '0'`,
    '62 02 0002',
    `3c 07 0001'a' 0003 00 '2'`,
    `82 09 0004 02 0b 01 0001'b' 01`,
  );
  plane.receive('40 02 0001 70 02 0002 50 02 0003 70 02 0003 90 04 0004 00 01');
  await within('all', Promise.all([...published, subscribed]));
});

test('a worker that runs again without the session is asked for all subscriptions again', async () => {
  const plane = new FakeDataPlane({ receiveMaximum: 2 });
  const got: string[] = [];
  const note = (name: string) => (message: HostMessage) => void got.push(`${name} ${message.topic}`);
  const made = [plane.host.subscribe('a', note('a')), plane.host.subscribe('b', note('b'), 1, true)];
  plane.receive('90 04 0001 00 01 90 04 0002 00 01');
  const [unsubscribe] = await within('SUBACKs', Promise.all(made));
  const asked = plane.host.subscribe('c', note('c'));
  const published = plane.host.publish('a', '1');
  const waiting = plane.host.publish('a', '2');
  await plane.expect(
    `82 09 0001 02 0b 01 0001'a' 01`,
    `82 09 0002 02 0b 02 0001'b' 21`,
    `82 09 0003 02 0b 03 0001'c' 01`,
    `32 07 0001'a' 0004 00 '1'`,
  );
  plane.host.resume(false);
  await plane.expect(
    `82 09 0005 02 0b 04 0001'a' 01`,
    `82 09 0006 02 0b 05 0001'b' 21`,
    `82 09 0007 02 0b 03 0001'c' 01`,
  );
  plane.receive('90 04 0005 00 01 90 04 0006 00 01 90 04 0007 00 01');
  await within('SUBACK', asked);
  await plane.expect(`32 07 0001'a' 0008 00 '1'`, `32 07 0001'a' 0009 00 '2'`);
  plane.receive('40 02 0008 40 02 0009');
  await within('PUBACKs', Promise.all([published, waiting]));
  plane.receive(`31 06 0001'a' 02 0b 04 30 06 0001'b' 02 0b 05 30 06 0001'c' 02 0b 03`);
  assert.deepEqual(got, ['a a', 'b b', 'c c']);
  const ended = unsubscribe?.();
  await plane.expect(`a2 06 000a 00 0001'a'`);
  plane.receive('b0 04 000a 00 00');
  await within('UNSUBACK', ended ?? Promise.reject(new Error('there is no subscription')));
});

test('no more than a window is under way, in order, and what waits is encoded when there is credit', async () => {
  const plane = new FakeDataPlane({ hostWindowBytes: 1_024, maximumPacketSizeBytes: 10_000 });
  const sizes = [300, 300, 500, 9_000, 1, 1_000, 300];
  const made: number[] = [];
  const published = sizes.map((size, index) => {
    const payload = new Uint8Array(size);
    // Whoever encodes it reads its length.
    Object.defineProperty(payload, 'length', {
      get: () => {
        made.push(index);
        return size;
      },
    });
    return plane.host.publish('a', payload, { qos: (index % 3) as 0 | 1 | 2 });
  });
  const arrived: number[] = [];
  for (let round = 0; round < sizes.length && arrived.length < sizes.length; round++) {
    await turn();
    const frames = plane.takeSent().filter((frame) => /^3/.test(frame));
    arrived.push(...frames.map((frame) => frame.length / 2));
    // One waits encoded, those behind it are untouched.
    assert.ok(Math.max(...made) <= arrived.length, `${made}`);
    assert.ok(plane.sentBytes <= 1_024 || frames.length === 1, `${plane.sentBytes}`);
    plane.take();
  }
  assert.deepEqual(
    arrived.map((size, index) => size - (sizes[index] ?? 0) > 0 && size - (sizes[index] ?? 0) < 12),
    sizes.map(() => true),
  );
  await within('QoS 0', Promise.all(published.filter((_, index) => index % 3 === 0)));
  plane.host.close();
  await Promise.allSettled(published);
});

test('a QoS 0 message resolves when it is handed over, not before', async () => {
  const plane = new FakeDataPlane({ hostWindowBytes: 1_024 });
  let resolved = 0;
  for (let number = 0; number < 3; number++) {
    void plane.host.publish('a', new Uint8Array(1_024), { qos: 0 }).then(() => resolved++);
  }
  await turn();
  assert.equal(resolved, 1);
  plane.take();
  await turn();
  assert.equal(resolved, 2);
  plane.take();
  await turn();
  assert.equal(resolved, 3);
});

test('after a restart the window starts anew, and what was under way goes through the same gate', async () => {
  const plane = new FakeDataPlane({ hostWindowBytes: 1_024 });
  const published = Array.from({ length: 10 }, () => plane.host.publish('a', new Uint8Array(400)));
  await turn();
  assert.equal(plane.takeSent().length, 2);
  plane.host.lost();
  published.push(plane.host.publish('a', new Uint8Array(400), { qos: 0 }));
  await plane.expect();
  plane.sentBytes = 0;
  plane.host.resume();
  await turn();
  const sent = plane.takeSent();
  assert.deepEqual(
    sent.map((frame) => frame.slice(0, 2)),
    ['3a', '3a'],
  );
  for (let id = 1; id <= 10; id++) {
    plane.take();
    plane.receive(`40 02 000${id.toString(16)}`);
    await turn();
  }
  plane.take();
  await within('all', Promise.all(published));
  assert.ok(plane.sentBytesMax <= 1_024);
});

test('a connection that has failed fails what it had not answered, and what waits goes on', async () => {
  const plane = new FakeDataPlane({ receiveMaximum: 2 });
  const published = ['1', '2', '3'].map((text) => plane.host.publish('a', text));
  const subscribed = plane.host.subscribe('s', () => {});
  plane.host.lost(new BrokerError('HOST_PUBLISH_REFUSED', 'no'));
  plane.host.resume();
  for (const promise of published.slice(0, 2)) await assert.rejects(promise, coded('HOST_PUBLISH_REFUSED'));
  plane.takeSent();
  plane.receive('40 02 0003 90 04 0004 00 01');
  await within('the rest', Promise.all([published[2], subscribed]));
});

test('a message is acknowledged when its listeners are done, in order, and its bytes are given back', async () => {
  const plane = new FakeDataPlane();
  const open: (() => void)[] = [];
  const got: string[] = [];
  const subscribed = plane.host.subscribe('a', ({ payload }) => {
    got.push(Buffer.from(payload).toString());
    return new Promise((resolve) => open.push(resolve));
  });
  void plane.host.subscribe('a', () => {});
  await plane.expect(`82 09 0001 02 0b 01 0001'a' 01`);
  plane.receive('90 04 0001 00 01');
  await within('SUBACK', subscribed);
  plane.receive(`32 09 0001'a' 0005 02 0b 01 '1' 34 09 0001'a' 0006 02 0b 01 '2' 30 07 0001'a' 02 0b 01 '0'`);
  // No listener: it is done with at once.
  plane.receive(`30 06 0001'b' 02 0b 09`);
  await plane.expect();
  await plane.expectProcessed('8 1');
  assert.deepEqual(got, ['1', '2', '0']);
  open[1]?.();
  open[2]?.();
  await plane.expect();
  await plane.expectProcessed('20 2');
  open[0]?.();
  await plane.expect('40 02 0005', '50 02 0006');
  await plane.expectProcessed('11 1');
  // It comes again: nothing new, but its bytes count.
  plane.receive(`3c 09 0001'a' 0006 02 0b 01 '2'`);
  await plane.expect('50 02 0006');
  await plane.expectProcessed('11 1');
  assert.equal(got.length, 3);
});

test('a listener that throws or rejects is uncaught, and its message is acknowledged', async () => {
  const plane = new FakeDataPlane();
  const errors: string[] = [];
  const kinds = ['uncaughtException', 'unhandledRejection'] as const;
  // In place of those of the test runner.
  const others = kinds.map((kind) => process.listeners(kind as 'exit'));
  for (const kind of kinds) {
    process.removeAllListeners(kind).on(kind, (error: unknown) => void errors.push((error as Error).message));
  }
  try {
    const subscribed = plane.host.subscribe('a', ({ payload }) => {
      if (payload.length > 0) throw new Error('thrown');
      return Promise.reject(new Error('rejected'));
    });
    plane.receive('90 04 0001 00 01');
    await subscribed;
    await plane.expect(`82 09 0001 02 0b 01 0001'a' 01`);
    plane.receive(`32 09 0001'a' 0005 02 0b 01 '1' 32 08 0001'a' 0006 02 0b 01`);
    await plane.expect('40 02 0005', '40 02 0006');
    assert.deepEqual(errors, ['thrown', 'rejected']);
  } finally {
    for (const [index, kind] of kinds.entries()) {
      process.removeAllListeners(kind);
      for (const listener of others[index] ?? []) process.on(kind as 'exit', listener);
    }
  }
});

test('what no worker could take is refused where it is given', async () => {
  const plane = new FakeDataPlane();
  const wrong: [unknown, unknown, object?][] = [
    [7, ''],
    ['a', undefined],
    ['a', [1, 2]],
    ['a', '', { qos: 3 }],
    ['a', '', { retian: true }],
    ['a', '', { properties: { topicAlias: 1 } }],
    ['a', '', { properties: { subscriptionIdentifiers: [1] } }],
    ['a', '', { properties: { responseTopic: 'a/#' } }],
    ['a', '', { properties: { contentType: 'a\0' } }],
    ['a', '', { properties: { payloadFormatIndicator: 2 } }],
    ['a', '', { properties: { messageExpiryInterval: -1 } }],
    ['a', '', { properties: { correlationData: 'text' } }],
    ['a', '', { properties: { serverReference: 'other' } }],
  ];
  for (const [topic, payload, options] of wrong) {
    await assert.rejects(
      plane.host.publish(topic as string, payload as string, options),
      coded('HOST_PUBLISH_INVALID'),
      JSON.stringify([topic, payload, options]),
    );
  }
  await assert.rejects(
    plane.host.subscribe('a', () => {}, 3 as 2),
    coded('HOST_SUBSCRIBE_INVALID'),
  );
  await assert.rejects(plane.host.subscribe('a', undefined as never), coded('HOST_SUBSCRIBE_INVALID'));
  await plane.expect();
});

test('the end rejects what waits and what is under way', async () => {
  const plane = new FakeDataPlane({ receiveMaximum: 1 });
  const open = [
    plane.host.publish('a', '1'),
    plane.host.publish('a', '2'),
    plane.host.subscribe('a', () => {}),
  ];
  plane.host.close();
  for (const promise of open) await assert.rejects(promise, coded('NOT_RUNNING'));
  await plane.expect(`32 07 0001'a' 0001 00 '1'`);
});

test('after the end nothing waits for an answer, and a subscription is over', async () => {
  const plane = new FakeDataPlane();
  const subscribing = plane.host.subscribe('a', () => {}, 1);
  plane.receive('90 04 00 01 00 01');
  const unsubscribe = await within('the subscription', subscribing);
  plane.host.close();
  await within('the end of a subscription', unsubscribe());
  for (const asked of [
    plane.host.publish('a', '1'),
    plane.host.send('a', '0', { qos: 0 }),
    plane.host.subscribe('b', () => {}),
  ])
    await assert.rejects(within('an answer', Promise.resolve(asked)), coded('NOT_RUNNING'));
});

test('a subscription that is ended while the broker stops is over too', async () => {
  const plane = new FakeDataPlane();
  const subscribing = plane.host.subscribe('a', () => {}, 1);
  plane.receive('90 04 00 01 00 01');
  const unsubscribe = await within('the subscription', subscribing);
  const ended = unsubscribe();
  plane.host.close();
  await within('the end of a subscription', ended);
});

test('a message that no packet can hold is invalid', async () => {
  const plane = new FakeDataPlane({ maximumPacketSizeBytes: 268_435_460 });
  const payload = new Uint8Array(268_435_455);
  for (const qos of [0, 1] as const)
    await assert.rejects(plane.host.publish('a', payload, { qos }), coded('HOST_PUBLISH_INVALID'));
  await assert.rejects(
    async () => await plane.host.send('a', payload, { qos: 0 }),
    coded('HOST_PUBLISH_INVALID'),
  );
});

test('a bad packet from the data plane is a bug, and a goodbye is none', () => {
  const plane = new FakeDataPlane();
  plane.receive('e0 01 8b');
  assert.throws(() => plane.receive('c0 00'), /the data plane sent a bad packet/);
  const other = new FakeDataPlane();
  void other.host.publish('a', '1').catch(() => {});
  assert.throws(() => other.receive('90 04 0001 00 00'), /the data plane sent a bad packet/);
});

test('a queue gives what it got, in order, whatever is done in between', () => {
  const queue = new Queue<number>();
  const model: number[] = [];
  for (let step = 0; step < 10_000; step++) {
    if (step % 7 < (step % 1_000 < 500 ? 4 : 2)) {
      queue.add(step);
      model.push(step);
    } else assert.equal(queue.take(), model.shift());
    assert.equal(queue.size, model.length);
  }
  assert.deepEqual(queue.takeAll(), model);
  assert.equal(queue.take(), undefined);
});
