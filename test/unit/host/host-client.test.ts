/** The host program's client against a data plane that the test plays, frame by frame. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BrokerError } from '../../../core/broker-error.ts';
import { defaultLimits, type Limits } from '../../../core/config/limits.ts';
import { HostClient, type HostMessage } from '../../../core/host/host-client.ts';
import { Queue } from '../../../core/host/queue.ts';
import { FrameReader } from '../../../core/wire/frame-reader.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { toHex } from '../../support/frames.ts';
import { within } from '../../support/wait.ts';
import { bytes, hex } from '../wire/frames.ts';

class FakeDataPlane {
  readonly host: HostClient;
  readonly #sent: string[] = [];

  constructor(limits: Partial<Limits> = {}) {
    this.host = new HostClient({ ...defaultLimits, ...limits }, (chunk) => {
      const reader = new FrameReader(5);
      reader.push(chunk.slice());
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        assert.ok(!isProtocolError(frame));
        this.#sent.push(toHex(frame));
      }
    });
  }

  receive(content: string): void {
    this.host.receive(bytes(content));
  }

  /** The client sends these frames and no other. */
  async expect(...contents: string[]): Promise<void> {
    await turn();
    assert.deepEqual(
      this.#sent.splice(0),
      contents.map((content) => hex(bytes(content))),
    );
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
  const plane = new FakeDataPlane({ receiveMaximum: 1 });
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

test('a retained message is looked up, once for all who ask at the same time', async () => {
  const plane = new FakeDataPlane();
  const asked = Promise.all([plane.host.retained('a'), plane.host.retained('a')]);
  await plane.expect(`82 09 0001 02 0b 01 0001'a' 00`);
  plane.receive(`90 04 0001 00 00 31 07 0001'a' 02 0b 01 'r'`);
  await plane.expect(`a2 06 0002 00 0001'a'`);
  plane.receive('b0 04 0002 00 00');
  const messages = await within('the answer', asked);
  assert.deepEqual(
    messages.map((message) => message && Buffer.from(message.payload).toString()),
    ['r', 'r'],
  );
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
