/** Streams of messages over HTTP with a broker and clients that are played here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { MessageListener } from '../../../core/host/host-client.ts';
import type { HostMessage } from '../../../core/host/host-message.ts';
import type { AnswerStream, StreamedBody } from '../../../core/http/answer.ts';
import { EventStreams, type StreamRequest } from '../../../core/http/sse/event-streams.ts';
import { ask, keyWith, siteWith } from '../../support/api-site.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function messageOn(topic: string, payload: string, retain = false): HostMessage {
  return { topic, payload: Buffer.from(payload), qos: 1, retain, properties: {} };
}

class FakeBroker {
  readonly listeners = new Map<string, MessageListener>();
  readonly retained: HostMessage[] = [];
  /** Until then the filter `slow` is not answered. */
  slow = Promise.resolve();

  subscribe(filter: string, listener: MessageListener): Promise<() => Promise<void>> {
    if (filter === 'refused') return Promise.reject(new Error('refused'));
    this.listeners.set(filter, listener);
    const answered = filter === 'slow' ? this.slow : Promise.resolve();
    return answered.then(() => () => {
      this.listeners.delete(filter);
      return Promise.resolve();
    });
  }
  async sendRetained(_filter: string, listener: MessageListener): Promise<void> {
    for (const message of this.retained) void listener(message);
  }
  /** To those filters, as the host client does: once for each, the same message. */
  publish(message: HostMessage, ...filters: string[]): void {
    for (const filter of filters) void this.listeners.get(filter)?.(message);
  }
}

class FakeClient implements AnswerStream {
  text = '';
  isFull = false;
  isEnded = false;
  readonly body: StreamedBody;

  constructor(body: StreamedBody) {
    this.body = body;
    body.opened(this);
  }
  write(bytes: Uint8Array): boolean {
    this.text += Buffer.from(bytes).toString();
    return !this.isFull;
  }
  end(): void {
    this.isEnded = true;
    this.body.closed();
  }
  /** Reads again. */
  drain(): void {
    this.isFull = false;
    this.body.writable();
  }
  get payloads(): string[] {
    return [...this.text.matchAll(/"payload":"([^"]*)"/g)].map(([, payload = '']) => payload);
  }
  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }
}

function played(options: { readonly historyBytesMax?: number; readonly eventStreamsMax?: number } = {}) {
  const broker = new FakeBroker();
  const clock = new FakeClock();
  const streams = new EventStreams({
    source: broker,
    clock,
    limits: { eventStreamsMax: options.eventStreamsMax ?? 100 },
    filtersMax: 100,
    historyBytesMax: 1_000_000,
    heartbeatMs: 1_000,
    random: () => 0,
    ...options,
  });
  const open = async (request: Partial<StreamRequest> = {}): Promise<FakeClient> => {
    const given = {
      filters: ['a'],
      isNamed: false,
      lastEventId: '',
      rights: '',
      mayReceive: () => true,
      ...request,
    };
    const body = await streams.open(given);
    assert.ok(body !== undefined);
    const client = new FakeClient(body);
    await turn();
    return client;
  };
  return { broker, clock, streams, open };
}

test('a stream gets what is retained, then what comes, once for all its filters', async () => {
  const { broker, open } = played();
  broker.retained.push(messageOn('a', 'kept', true));
  const one = await open();
  broker.retained.length = 0;
  const both = await open({ filters: ['a', '+'], isNamed: true });
  broker.publish(messageOn('a', 'first'), 'a', '+');
  broker.publish(messageOn('b', 'second'), '+');
  await turn();
  assert.deepEqual(one.payloads, ['kept', 'first']);
  assert.match(one.text, /^retry: 2000\n\nid: \S+\ndata: \{"topic":"a".*"retain":true\}\n\n/);
  assert.deepEqual(both.payloads, ['first', 'second']);
  assert.match(both.text, /event: b\nid: /);
});

test('a topic cannot end the line of its event', async () => {
  const { broker, open } = played();
  const client = await open({ isNamed: true });
  broker.publish(messageOn('a\n\nevent: x', 'p'), 'a');
  await turn();
  assert.doesNotMatch(client.text, /^event:/m);
});

test('a client that takes no more gets the rest later, in order, and others do not wait', async () => {
  const { broker, open } = played();
  const slow = await open();
  const other = await open();
  slow.isFull = true;
  for (let n = 0; n < 50; n++) {
    broker.publish(messageOn('a', `${n}`), 'a');
    await turn();
  }
  const all = Array.from({ length: 50 }, (_, n) => `${n}`);
  assert.deepEqual(other.payloads, all);
  assert.deepEqual(slow.payloads, ['0']);
  slow.drain();
  await turn();
  assert.deepEqual(slow.payloads, all);
  assert.doesNotMatch(slow.text, /missed/);
});

test('what has gone from the history is missed, told and counted; what others get is not', async () => {
  const { broker, streams, open } = played({ historyBytesMax: 10_000 });
  const slow = await open({ filters: ['a', 'b'] });
  slow.isFull = true;
  for (let n = 0; n < 100; n++) {
    broker.publish(messageOn('a', `${n}`), 'a', 'b');
    broker.publish(messageOn('c', 'of others'), 'c');
    await turn();
  }
  slow.drain();
  await turn();
  const [, missed] = /event: missed\ndata: \{"messages":(\d+)\}/.exec(slow.text) ?? [];
  assert.equal(slow.payloads.length + Number(missed), 100);
  assert.equal(slow.payloads.at(-1), '99');
  assert.equal(streams.counts.missed, Number(missed));
});

test('a slow stream is asked about an event twice at most, however often it stops, and knows what it has missed', async () => {
  const { broker, streams, open } = played({ historyBytesMax: 1_600_000 });
  let asked = 0;
  const mayReceive = (topic: string): boolean => {
    asked++;
    return topic !== 'secret';
  };
  const slow = await open({ filters: ['a', 'b'], mayReceive });
  const events = 16_000;
  let forIt = 0;
  const publishOne = (n: number): void => {
    const topic = n % 3 === 0 ? 'secret' : 'a';
    const filter = n % 5 === 0 ? 'of others' : n % 2 === 0 ? 'a' : 'b';
    if (topic === 'a' && filter !== 'of others') forIt++;
    broker.publish(messageOn(topic, `${n}`.padStart(200, '0')), filter);
  };
  slow.isFull = true;
  for (let n = 0; n < events; n++) {
    publishOne(n);
    if (n % 1_000 !== 0) continue;
    slow.drain(); // and takes one write more
    slow.isFull = true;
    await turn();
  }
  slow.drain();
  await turn();
  const missed = [...slow.text.matchAll(/event: missed\ndata: \{"messages":(\d+)\}/g)];
  const missedCount = missed.reduce((sum, [, count]) => sum + Number(count), 0);
  assert.equal(slow.payloads.length + missedCount, forIt);
  assert.equal(streams.counts.missed, missedCount);
  assert.ok(asked <= 2 * events + 256 * missed.length, `${asked} questions`);
});

test('whoever comes back goes on behind its last event, or is told that it has missed some', async () => {
  const { broker, clock, open } = played();
  const first = await open();
  broker.publish(messageOn('a', 'before'), 'a');
  await turn();
  first.body.closed();
  broker.publish(messageOn('a', 'meanwhile'), 'a');
  const again = await open({ lastEventId: first.lastId });
  assert.deepEqual(again.payloads, ['meanwhile']);
  assert.doesNotMatch(again.text, /missed/);
  again.body.closed();
  clock.advance(20_000);
  assert.equal(broker.listeners.size, 0, 'nobody has the filter any more');
  for (const lastEventId of [again.lastId, 'AAAAAAAA.1', 'x']) {
    const late = await open({ lastEventId });
    assert.match(late.text, /event: missed\ndata: \{\}/);
    late.body.closed();
    clock.advance(20_000);
  }
});

test('when subscriptions were lost and made again, streams end, and their clients learn that they have missed some', async () => {
  const { broker, streams, open } = played();
  const before = await open();
  broker.publish(messageOn('a', '1'), 'a');
  await turn();
  streams.interrupt();
  assert.ok(before.isEnded);
  broker.retained.push(messageOn('a', 'kept', true));
  const after = await open({ lastEventId: before.lastId });
  assert.match(after.text, /event: missed\ndata: \{\}/);
  assert.deepEqual(after.payloads, ['kept']);
  const later = await open({ lastEventId: after.lastId });
  assert.doesNotMatch(later.text, /missed/);
});

test('the rules are asked for each message, and again when a stream catches up', async () => {
  const { broker, open } = played();
  let isAllowed = true;
  const client = await open({ mayReceive: (topic) => isAllowed && topic !== 'secret' });
  broker.publish(messageOn('a', '1'), 'a');
  broker.publish(messageOn('secret', '2'), 'a');
  await turn();
  client.isFull = true;
  broker.publish(messageOn('b', '3'), 'a');
  await turn();
  broker.publish(messageOn('c', '4'), 'a');
  isAllowed = false;
  broker.publish(messageOn('d', '5'), 'a');
  client.drain();
  await turn();
  assert.deepEqual(client.payloads, ['1', '3']);
});

test('streams beat, have a bound, end all at once, and a refused filter leaves nothing behind', async () => {
  const { broker, clock, streams, open } = played({ eventStreamsMax: 2 });
  await assert.rejects(async () => open({ filters: ['a', 'refused'] }), /refused/);
  const client = await open();
  clock.advance(1_000);
  await turn();
  assert.match(client.text, /\n:\n\n$/);
  const second = await open();
  const more = { filters: ['a'], isNamed: false, lastEventId: '', rights: '', mayReceive: () => true };
  assert.equal(streams.open(more), undefined);
  streams.endAll();
  assert.ok(client.isEnded && second.isEnded);
  assert.equal(streams.counts.streams, 0);
  clock.advance(20_000);
  assert.equal(broker.listeners.size, 0);
  assert.equal(clock.timers, 0);
});

test('a filter that is still asked for when another one is refused is given up once it is there', async () => {
  const { broker, clock, open } = played();
  let answer = (): void => {};
  broker.slow = new Promise((resolve) => {
    answer = resolve;
  });
  await assert.rejects(open({ filters: ['slow', 'refused'] }));
  answer();
  await turn();
  assert.ok(broker.listeners.has('slow')); // for whoever comes back
  clock.advance(20_000);
  assert.deepEqual([...broker.listeners.keys()], []);
});

test('a stream that is being opened when all are ended is not opened: whoever asks is judged again', async () => {
  const { broker, clock, streams } = played();
  let answer = (): void => {};
  broker.slow = new Promise((resolve) => {
    answer = resolve;
  });
  const more = { filters: ['slow'], isNamed: false, lastEventId: '', rights: '', mayReceive: () => true };
  const opened = streams.open(more);
  streams.endAll();
  answer();
  assert.equal(await opened, undefined);
  assert.equal(streams.counts.streams, 0);
  clock.advance(20_000);
  assert.equal(broker.listeners.size, 0);
});

test('GET /sse: parameters, keys in the query, and origins', async () => {
  const asked: StreamRequest[] = [];
  const source = {
    openStream: (request: StreamRequest) => {
      asked.push(request);
      return { opened() {}, writable() {}, closed() {} };
    },
  };
  const site = siteWith({}, source);
  const statusOf = async (path: string) => (await ask(site, path, { key: keyWith('subscribe') })).status;
  assert.equal(await statusOf('/sse?topic=a/%23&topic=b&topic=b&events=topic'), 200);
  assert.deepEqual([asked[0]?.filters, asked[0]?.isNamed], [['a/#', 'b'], true]);
  const many = Array.from({ length: 17 }, (_, index) => `topic=${index}`).join('&');
  for (const bad of ['', 'topic=', 'topic=a%23', 'topic=$share/g/a', 'topic=a&events=x', 'topic=a&x=1', many])
    assert.equal(await statusOf(`/sse?${bad}`), 400, bad);
  assert.equal(
    (await ask(site, `/sse?topic=a&access_token=${keyWith('subscribe')}`, { key: undefined })).status,
    200,
  );
  assert.equal(
    (await ask(site, `/sse?topic=a&access_token=${keyWith('read')}`, { key: undefined })).status,
    403,
  );
  assert.equal((await ask(site, '/sse?topic=a&access_token=rmq_x', { key: undefined })).status, 401);
  const full = siteWith({}, { openStream: () => undefined });
  assert.equal((await ask(full, '/sse?topic=a', { key: keyWith('subscribe') })).status, 503);
});

test('GET /sse is for the pages that may open a WebSocket, and for everyone where everyone may connect', async () => {
  const site = siteWith({ allowedOrigins: ['https://shop.example'] });
  const origin = 'https://shop.example';
  const headersOf = ({ answer }: Awaited<ReturnType<typeof ask>>) => Object.fromEntries(answer.headers);
  const open = await ask(site, '/sse?topic=a', { key: undefined, origin });
  assert.equal(open.status, 200);
  assert.equal(headersOf(open)['access-control-allow-origin'], origin);
  const preflight = await ask(site, '/sse', { key: undefined, origin, method: 'options' });
  assert.equal(preflight.status, 204);
  assert.match(headersOf(preflight)['access-control-allow-headers'] ?? '', /authorization/);
  for (const method of ['get', 'options']) {
    const refused = await ask(site, '/sse?topic=a', {
      key: undefined,
      origin: 'https://evil.example',
      method,
    });
    assert.equal(refused.status, 403);
    assert.equal(headersOf(refused)['access-control-allow-origin'], undefined);
  }
  const file = { key: undefined, origin: 'null' };
  const reachable = { listeners: [{ port: 1, host: '192.0.2.1', anonymous: true }] };
  assert.equal((await ask(siteWith(), '/sse?topic=a', file)).status, 200);
  assert.equal((await ask(siteWith(reachable), '/sse?topic=a', file)).status, 403);
  const tenants = { listeners: [{ port: 1, topicPrefix: 'acme/' }] };
  for (const options of [{ passwordFile: 'users' }, tenants, { authorizeSubscribe: () => true }])
    assert.equal((await ask(siteWith(options), '/sse?topic=a', { key: undefined })).status, 401);
});
