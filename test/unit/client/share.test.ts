/** One connection for several tabs, with fake ports, locks and network. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { type Message, type RallyClient, RallyError } from '../../../client/rally.ts';
import { renewing } from '../../../client/renew.ts';
import type { FromTab, ToTab } from '../../../client/share-messages.ts';
import { testTabs } from '../../support/fake-tabs.ts';
import { until, within } from '../../support/wait.ts';

/** Messages of one subscription that may be on their way to a tab: see share-messages.ts. */
const tabWindow = 128;

const refusedWith = (reasonCode: number) => (error: unknown) =>
  error instanceof RallyError && error.reasonCode === reasonCode;

/** Subscribes and notes the texts of what comes. */
function follow(tab: RallyClient, topicFilter: string, options = {}): string[] {
  const texts: string[] = [];
  tab.subscribe(topicFilter, (message) => texts.push(message.text()), options);
  return texts;
}

testTabs('tabs share a connection, and each knows how it stands', async (tabs) => {
  const [one, two] = [tabs.open(), tabs.open()];
  await tabs.network.accepted(0, `20 07 00 00 04 12 0001'x'`);
  await within('both are ready', Promise.all([one.ready, two.ready]));
  assert.deepEqual(
    [one.status, two.status, one.clientId, two.clientId],
    ['connected', 'connected', 'x', 'x'],
  );
  const late = tabs.open();
  const connected: boolean[] = [];
  late.on('connected', ({ sessionPresent }) => connected.push(sessionPresent));
  await within('the late one is ready', late.ready);
  assert.deepEqual([late.clientId, connected], ['x', [false]]);
  assert.equal(tabs.network.sockets.length, 1);
});

testTabs(
  'a filter is subscribed with the highest QoS, and only who is new gets retained messages',
  async (tabs) => {
    const one = tabs.open();
    const socket = await tabs.network.accepted();
    await one.ready;
    const first = follow(one, 'a', { qos: 1 });
    await socket.expect(`82 09 0001 02 0b 01 0001'a' 01`);
    socket.receive(`90 04 0001 00 01 31 07 0001'a' 02 0b 01 'r'`);
    await until('the first has it', () => first.length === 1);
    const two = tabs.open();
    const second = follow(two, 'a', { qos: 0 });
    await socket.expect(`82 09 0002 02 0b 02 0001'a' 01`);
    socket.receive(`90 04 0002 00 01 31 07 0001'a' 02 0b 02 'r' 30 07 0001'a' 02 0b 02 'n'`);
    await until('both have the new one', () => first.length + second.length === 4);
    assert.deepEqual(
      [first, second],
      [
        ['r', 'n'],
        ['r', 'n'],
      ],
    );
    two.close();
    one.close();
    await socket.expect(`a2 06 0003 00 0001'a'`);
    await socket.expect('e0 07 00 05 11 00000000');
  },
);

testTabs(
  'a tab that crashes releases what it has subscribed, and the last one the connection',
  async (tabs) => {
    const [one, two] = [tabs.open(), tabs.open()];
    const socket = await tabs.network.accepted();
    await one.ready;
    follow(one, 'a');
    await socket.expect(`82 09 0001 02 0b 01 0001'a' 02`);
    follow(two, 'b');
    await socket.expect(`82 09 0002 02 0b 02 0001'b' 02`);
    socket.receive('90 04 0001 00 02 90 04 0002 00 02');
    tabs.crash('tab', 1);
    await socket.expect(`a2 06 0003 00 0001'b'`);
    assert.equal(socket.isClosed, false);
    tabs.crash('tab', 0);
    await socket.expect(`a2 06 0004 00 0001'a'`);
    await socket.expect('e0 07 00 05 11 00000000');
    assert.equal(socket.isClosed, true);
  },
);

testTabs('tabs that ask for something else have a connection of their own', async (tabs) => {
  const all = [
    tabs.open(),
    tabs.open({ username: 'u' }),
    tabs.open({}, 'ws://other.example/'),
    tabs.open({ group: 'g' }),
    tabs.open(),
  ];
  await until('four WebSockets', () => tabs.network.sockets.length === 4);
  for (const index of tabs.network.sockets.keys()) await tabs.network.accepted(index);
  await within('all are ready', Promise.all(all.map(({ ready }) => ready)));
  assert.equal(tabs.network.sockets.length, 4);
});

testTabs('publish resolves with the answer of the broker, and rejects with a RallyError', async (tabs) => {
  const tab = tabs.open();
  const socket = await tabs.network.accepted();
  const published = tab.publish('a', { b: 1 }, { qos: 1 });
  await socket.expect(`32 0d 0001'a' 0001 00 '{"b":1}'`);
  socket.receive('40 03 0001 10');
  assert.deepEqual(await within('PUBACK', published), { reasonCode: 0x10, properties: {} });
  const refused = tab.publish('a', '', { qos: 1 });
  await socket.expect(`32 06 0001'a' 0002 00`);
  socket.receive('40 03 0002 87');
  await assert.rejects(refused, refusedWith(0x87));
  await assert.rejects(tab.publish('a/+', ''), refusedWith(0x90));
  assert.throws(() => tab.subscribe('a/#/b'), refusedWith(0x8f));
  const subscription = tab.subscribe('no');
  await socket.expect(`82 0a 0003 02 0b 01 0002'no' 02`);
  socket.receive('90 04 0003 00 87');
  await assert.rejects(subscription.ready, refusedWith(0x87));
});

testTabs('a signal takes a message out of the queue, ends a loop and closes the tab', async (tabs) => {
  const abort = new AbortController();
  const tab = tabs.open({ signal: abort.signal });
  const giveUp = new AbortController();
  const waiting = tab.publish('a', 'never', { signal: giveUp.signal });
  giveUp.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  const sent = tab.publish('a', 'sent');
  const socket = await tabs.network.accepted();
  await within('sent', sent);
  await socket.expect(`30 08 0001'a' 00 'sent'`);
  const loop = (async () => {
    for await (const message of tab.subscribe('a')) assert.fail(message.topic);
  })();
  await socket.expect(`82 09 0001 02 0b 01 0001'a' 02`);
  abort.abort(new Error('over'));
  await within('the loop', loop);
  assert.equal(tab.status, 'closed');
  await assert.rejects(tab.publish('a'), refusedWith(0));
  await until('DISCONNECT', () => socket.isClosed);
});

testTabs('requests are answered, and leave nothing behind', async (tabs) => {
  const tab = tabs.open();
  const socket = await tabs.network.accepted();
  const answer = tab.request('svc', 'q', { qos: 0 });
  await until('SUBSCRIBE and PUBLISH', () => socket.sent.length === 2);
  const [subscribe = ''] = socket.sent.splice(0);
  const topicHex = subscribe.slice(18, -2);
  const lengthHex = (topicHex.length / 2).toString(16).padStart(2, '0');
  const remainingHex = (topicHex.length / 2 + 6).toString(16).padStart(2, '0');
  socket.receive(`30 ${remainingHex} 00${lengthHex} ${topicHex} 00 'yes'`);
  assert.equal((await within('the answer', answer)).text(), 'yes');
  await until('UNSUBSCRIBE', () => socket.sent.some((frame) => frame.startsWith('a2')));
});

testTabs('a lost connection is one for all, and all go on', async (tabs) => {
  const [one, two] = [tabs.open(), tabs.open()];
  const first = await tabs.network.accepted();
  await within('ready', Promise.all([one.ready, two.ready]));
  const texts = [follow(one, 'a'), follow(two, 'a')];
  await until('both have asked', () => first.sent.length === 2);
  const lost = [one, two].map(
    (tab) => new Promise<void>((resolve) => tab.on('reconnecting', ({ error }) => error && resolve())),
  );
  first.cut();
  await within('both are told', Promise.all(lost));
  const second = await tabs.network.accepted(1);
  await second.expect(`82 09 0003 02 0b 03 0001'a' 02`);
  second.receive(`30 07 0001'a' 02 0b 03 'n'`);
  await until('both have it', () => texts.every(([text]) => text === 'n'));
  assert.deepEqual([one.status, two.status], ['connected', 'connected']);
});

testTabs(
  'a refusal for good closes all tabs with its reason code, and the next one tries anew',
  async (tabs) => {
    const [one, two] = [tabs.open(), tabs.open()];
    (await tabs.network.opened()).receive('20 03 00 87 00');
    for (const tab of [one, two]) await assert.rejects(within('refused', tab.ready), refusedWith(0x87));
    assert.deepEqual([one.status, two.status], ['closed', 'closed']);
    const three = tabs.open();
    await tabs.network.accepted(1);
    await within('accepted', three.ready);
  },
);

testTabs('when the worker has crashed the tab goes on with the next one', async (tabs) => {
  const tab = tabs.open({ group: 'crash' });
  const first = await tabs.network.accepted();
  await tab.ready;
  const texts = follow(tab, 'a');
  await first.expect(`82 09 0001 02 0b 01 0001'a' 02`);
  const published = tab.publish('a', 'p', { qos: 1 });
  await first.expect(`32 07 0001'a' 0002 00 'p'`);
  const reconnecting = new Promise<void>((resolve) => tab.on('reconnecting', () => resolve()));
  tabs.crash('worker', 0);
  await within('the tab notices', reconnecting);
  // The fake worker lives on, and is told everything once more.
  await first.expect(`82 09 0003 02 0b 02 0001'a' 02`);
  await first.expect(`32 07 0001'a' 0004 00 'p'`);
  first.receive(`40 02 0004 30 07 0001'a' 02 0b 02 'n'`);
  await within('PUBACK', published);
  await until('a message', () => texts.length > 0);
  assert.equal(tab.status, 'connected');
});

testTabs('a tab that closes when the worker has crashed leaves no connection behind', async (tabs) => {
  const tab = tabs.open({ group: 'crash and close' });
  await tabs.network.accepted();
  await tab.ready;
  const closed = new Promise<void>((resolve) => tab.on('closed', () => resolve()));
  tab.on('reconnecting', () => void tab.close());
  tabs.crash('worker', 0);
  await within('the end', closed);
  await delay(50);
  assert.deepEqual(
    tabs.network.sockets.map(({ isClosed }) => isClosed),
    [true],
  );
});

testTabs('the tabs are asked for credentials, and one that fails does not stop the others', async (tabs) => {
  const asked: string[] = [];
  const failing = async (): Promise<never> => {
    asked.push('failing');
    throw new Error('signed out');
  };
  const giving = async (url: string): Promise<{ username: string }> => {
    asked.push(url);
    return { username: 'u' };
  };
  tabs.open({ credentials: failing });
  const tab = tabs.open({ credentials: giving });
  await until('a WebSocket', () => tabs.network.sockets.length === 1);
  const [socket] = tabs.network.sockets;
  socket?.onopen?.();
  assert.match(socket?.sent.shift() ?? '', /000175$/);
  socket?.receive('20 03 00 00 00');
  await within('ready', tab.ready);
  assert.ok(asked.includes('ws://broker.example/'));
});

testTabs(
  'a tab gets no more than it works off; beyond a bound the oldest is dropped and counted',
  async (tabs) => {
    const tab = tabs.open();
    const socket = await tabs.network.accepted();
    await tab.ready;
    const messages: Message[] = [];
    const subscription = tab.subscribe('a', (message) => messages.push(message));
    await socket.expect(`82 09 0001 02 0b 01 0001'a' 02`);
    const count = 10_500;
    // All in one turn, in which no port delivers.
    for (let index = 0; index < count; index++)
      socket.receive(`30 08 0001'a' 00 '${`${index}`.padStart(5, '0').slice(1)}'`);
    await until('all that were kept', () => messages.length + subscription.dropped === count);
    assert.ok(subscription.dropped > 0 && subscription.dropped <= 500, `${subscription.dropped}`);
    assert.equal(messages.at(-1)?.text(), '0499');
  },
);

testTabs(
  'a tab that unsubscribes while it is behind gets nothing more, and the worker keeps nothing',
  async (tabs) => {
    const lock = 'rally/tab/behind';
    const port = tabs.port(lock);
    const told: ToTab[] = [];
    port.on('message', (message: ToTab) => told.push(message));
    const tell = (message: FromTab): void => port.postMessage(message);
    const url = 'ws://broker.example/';
    tell({ type: 'open', key: 'behind', url, options: {}, hasCredentials: false, lock });
    tell({ type: 'subscribe', id: 1, topicFilter: 'a', options: {} });
    const socket = await tabs.network.accepted();
    await socket.expect(`82 09 0001 02 0b 02 0001'a' 02`);
    for (let count = 0; count < 300; count++) socket.receive(`30 04 0001'a' 00`);
    const passed = (): number => told.filter(({ type }) => type === 'message').length;
    await until('as many as may be on their way', () => passed() === tabWindow);
    tell({ type: 'cancel', id: 1 });
    await until('the end', () => told.at(-1)?.type === 'failed');
    assert.equal(passed(), tabWindow);
    tell({ type: 'close' });
    await until('released', () => told.at(-1)?.type === 'released');
  },
);

testTabs('credentials may fail with anything: the next attempt asks again', async (tabs) => {
  let asked = 0;
  const tab = tabs.open({
    credentials: async () => {
      if (++asked === 1) throw { status: 401, retry: () => {} };
      return { username: 'u' };
    },
  });
  const errors: (Error | undefined)[] = [];
  tab.on('reconnecting', ({ error }) => errors.push(error));
  await tabs.network.accepted();
  await within('ready', tab.ready);
  assert.match(errors[0]?.message ?? '', /object Object/);
  assert.equal(asked, 2);
});

testTabs('the event status of a tab has the end too', async (tabs) => {
  const tab = tabs.open();
  await tabs.network.accepted();
  const seen: string[] = [];
  tab.on('status', ({ from, to }) => seen.push(`${from} ${to} ${tab.status}`));
  await tab.ready;
  await tab.close();
  assert.deepEqual(seen, ['connecting connected connected', 'connected closed closed']);
});

testTabs('what a worker cannot be given is refused', async (tabs) => {
  assert.throws(() => tabs.open({ WebSocket: tabs.network.WebSocket }), TypeError);
  assert.throws(() => tabs.open(renewing(() => 'a token')), TypeError);
  const tab = tabs.open({
    will: { topic: 'a', properties: { contentType: (() => '') as unknown as string } },
  });
  await assert.rejects(within('not cloned', tab.ready), /clone/);
});

testTabs('without a SharedWorker or locks a tab has a connection of its own', async (tabs) => {
  for (const name of ['SharedWorker', 'navigator']) {
    const own = tabs.network.sockets.length;
    Object.defineProperty(globalThis, name, { value: undefined, configurable: true, writable: true });
    const [one, two] = [tabs.open(), tabs.open()];
    await until('two WebSockets', () => tabs.network.sockets.length === own + 2);
    one.close();
    two.close();
  }
});
