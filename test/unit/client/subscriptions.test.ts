import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, RallyError } from '../../../client/rally.ts';
import { startOnFake } from '../../support/fake-websocket.ts';
import { until, within } from '../../support/wait.ts';

test('a loop gets the messages, and leaving it unsubscribes', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const texts: string[] = [];
  const loop = (async () => {
    for await (const message of rally.subscribe('a/+', { qos: 1 })) {
      texts.push(message.text());
      if (texts.length === 2) break;
    }
  })();
  await socket.expect(`82 0b 0001 02 0b 01 0003'a/+' 01`);
  socket.receive(`90 04 0001 00 01 30 09 0003'a/b' 02 0b 01 '1' 30 09 0003'a/c' 02 0b 01 '2'`);
  socket.receive(`30 09 0003'a/d' 02 0b 01 '3'`);
  await within('the loop ends', loop);
  await socket.expect(`a2 08 0002 00 0003'a/+'`);
  assert.deepEqual(texts, ['1', '2']);
  rally.close();
});

test('wildcards lead to the right listeners, whatever the broker says about identifiers', async () => {
  for (const [plain, both] of [
    ['00', '00'],
    ['02 0b 01', '04 0b 01 0b 02'],
  ]) {
    const { network, rally } = startOnFake();
    const socket = await network.accepted();
    const got: string[] = [];
    rally.subscribe('a/#', ({ topic }) => got.push(`a/# ${topic}`));
    rally.subscribe('a/b', ({ topic }) => got.push(`a/b ${topic}`));
    rally.subscribe('$share/g/c', ({ topic }) => got.push(`c ${topic}`));
    await until('three times SUBSCRIBE', () => socket.sent.length === 3);
    const frame = (topic: string, properties = ''): string => {
      const bytes = 2 + topic.length + properties.replaceAll(' ', '').length / 2;
      return `30 ${bytes.toString(16).padStart(2, '0')} 00${topic.length.toString(16).padStart(2, '0')} '${topic}' ${properties}`;
    };
    socket.receive(frame('a/c', plain));
    socket.receive(frame('a/b', both));
    socket.receive(frame('c', '00'));
    socket.receive(frame('d', '00'));
    assert.deepEqual(got, ['a/# a/c', 'a/# a/b', 'a/b a/b', 'c c']);
    rally.close();
  }
});

test('where the broker sends one message for each filter, each listener gets one', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const got: string[] = [];
  rally.subscribe('a/#', () => got.push('a/#'));
  rally.subscribe('a/b', () => got.push('a/b'));
  socket.receive(`30 08 0003'a/b' 02 0b 01 30 08 0003'a/b' 02 0b 02`);
  assert.deepEqual(got, ['a/#', 'a/b']);
  rally.close();
});

test('a second listener of a filter gets the retained message, the first not again', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const got: string[] = [];
  rally.subscribe('a', ({ text }) => got.push(`1 ${text()}`), { qos: 1 });
  await socket.expect(`82 09 0001 02 0b 01 0001'a' 01`);
  socket.receive(`90 04 0001 00 01 31 05 0001'a' 00 'r'`);
  const second = rally.subscribe('a', ({ text }) => got.push(`2 ${text()}`), { qos: 0 });
  await socket.expect(`82 09 0002 02 0b 02 0001'a' 01`);
  socket.receive(`90 04 0002 00 01 31 05 0001'a' 00 'r' 30 05 0001'a' 00 'n'`);
  assert.deepEqual(got, ['1 r', '2 r', '1 n', '2 n']);
  second.unsubscribe();
  await socket.expectNothing('one still listens');
  rally.close();
});

test('two listeners that come before either is answered get each retained message once', async () => {
  for (const says of [(id: number) => `02 0b 0${id}`, () => '00']) {
    const { network, rally } = startOnFake();
    const socket = await network.accepted();
    const got: string[] = [];
    for (const name of [1, 2]) rally.subscribe('a', ({ text }) => got.push(`${name} ${text()}`));
    await socket.expect(`82 09 0001 02 0b 01 0001'a' 02`);
    await socket.expect(`82 09 0002 02 0b 02 0001'a' 02`);
    const hasIds = says(1) !== '00';
    // The retained message comes once for each SUBSCRIBE, before or behind its SUBACK.
    socket.receive(`31 0${hasIds ? 7 : 5} 0001'a' ${says(1)} 'r' 90 04 0001 00 02`);
    socket.receive(`90 04 0002 00 02 31 0${hasIds ? 7 : 5} 0001'a' ${says(2)} 'r'`);
    socket.receive(`30 0${hasIds ? 7 : 5} 0001'a' ${says(2)} 'n'`);
    const retained = hasIds ? ['1 r', '2 r'] : ['2 r', '2 r'];
    assert.deepEqual(got, [...retained, '1 n', '2 n']);
    rally.close();
  }
});

test('subscriptions are restored once: not if the broker has the session, once if not', async () => {
  const { network, rally } = startOnFake();
  const states: string[] = [];
  const granted = rally.subscribe('a', () => {});
  granted.ready.then(() => states.push('granted'));
  const first = await network.accepted();
  await first.expect(`82 09 0001 02 0b 02 0001'a' 02`);
  first.receive('90 04 0001 00 02');
  await within('granted', granted.ready);
  rally.subscribe('b', () => {});
  await first.expect(`82 09 0002 02 0b 03 0001'b' 02`);
  first.cut();
  const second = await network.accepted(1, '20 03 01 00 00');
  await second.expect(`82 09 0002 02 0b 03 0001'b' 02`);
  await second.expectNothing('a is known, b was not answered');
  second.receive('90 04 0002 00 02');
  second.cut();
  const third = await network.accepted(2);
  await third.expect(`82 09 0003 02 0b 04 0001'a' 02`);
  await third.expect(`82 09 0004 02 0b 05 0001'b' 02`);
  await third.expectNothing();
  assert.deepEqual(states, ['granted']);
  rally.close();
});

test('what is unsubscribed while there is no connection is told later, or not at all', async () => {
  const { network, rally } = startOnFake();
  const subscription = rally.subscribe('a', () => {});
  const first = await network.accepted();
  await first.expect(`82 09 0001 02 0b 02 0001'a' 02`);
  first.receive('90 04 0001 00 02');
  first.cut();
  subscription.unsubscribe();
  const second = await network.accepted(1, '20 03 01 00 00');
  await second.expect(`a2 06 0002 00 0001'a'`);
  second.cut();
  const third = await network.accepted(2);
  await third.expectNothing();
  rally.close();
});

test('a refusal reaches ready and the loop, with its reason code', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const subscription = rally.subscribe('a');
  const loop = (async () => {
    for await (const message of subscription) assert.fail(message.topic);
  })();
  await until('SUBSCRIBE', () => socket.sent.length === 1);
  socket.receive('90 04 0001 00 87');
  const isExpected = (error: unknown): boolean => error instanceof RallyError && error.reasonCode === 0x87;
  await assert.rejects(subscription.ready, isExpected);
  await assert.rejects(loop, isExpected);
  for (const wrong of ['', 'a/#/b', 'a+', '$share/g', '$share/+/a', '\0']) {
    assert.throws(
      () => rally.subscribe(wrong),
      (error) => error instanceof RallyError && error.reasonCode === 0x8f,
    );
  }
  rally.close();
});

test('a signal, unsubscribe and close end a loop without an error', async () => {
  const { network, rally } = startOnFake();
  await network.accepted();
  const abort = new AbortController();
  const loop = async (subscription: AsyncIterable<unknown>): Promise<void> => {
    for await (const message of subscription) assert.fail(String(message));
  };
  const aborted = loop(rally.subscribe('a', { signal: abort.signal }));
  abort.abort();
  await within('the signal', aborted);
  await within('the aborted signal', loop(rally.subscribe('a', { signal: abort.signal })));
  const subscription = rally.subscribe('a');
  const unsubscribed = loop(subscription);
  subscription.unsubscribe();
  await within('unsubscribe', unsubscribed);
  const closed = loop(rally.subscribe('a'));
  rally.close();
  await within('close', closed);
});

test('a subscription that ends before it is granted is not ready, and one that was granted is', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const granted = rally.subscribe('granted');
  await socket.expect(`82 0f 0001 02 0b 01 0007'granted' 02`);
  socket.receive('90 04 0001 00 02');
  const taken = rally.subscribe('taken');
  taken.unsubscribe();
  await within('unsubscribe', assert.rejects(taken.ready, { name: 'RallyError', message: 'closed' }));
  const waiting = rally.subscribe('waiting');
  rally.close();
  await within('close', assert.rejects(waiting.ready, { name: 'RallyError', message: 'closed' }));
  await granted.ready;
});

test('a slow loop drops the oldest and counts', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const subscription = rally.subscribe('a', { bufferMax: 2 });
  for (const text of ['1', '2', '3']) socket.receive(`30 05 0001'a' 00 '${text}'`);
  const texts: string[] = [];
  for await (const message of subscription) {
    texts.push(message.text());
    if (texts.length === 2) break;
  }
  assert.deepEqual(texts, ['2', '3']);
  assert.equal(subscription.dropped, 1);
  rally.close();
});

test('a listener that another one adds gets the next message, and one that it ends gets none', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const seen: string[] = [];
  const add = (message: Message): void => {
    seen.push(message.text());
    void second.unsubscribe();
    if (seen.length < 10) rally.subscribe('a', add);
  };
  rally.subscribe('a', add);
  const second = rally.subscribe('a', () => seen.push('ended'));
  socket.receive(`90 04 0001 00 02 90 04 0002 00 02 30 05 0001'a' 00 '1'`);
  assert.deepEqual(seen, ['1']);
  socket.receive(`30 05 0001'a' 00 '2'`);
  assert.deepEqual(seen, ['1', '2', '2']);
  rally.close();
});
