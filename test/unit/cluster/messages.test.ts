/** What nodes tell each other: it comes once and in order over a post that loses, and nonsense changes nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Messenger } from '../../../core/cluster/messenger.ts';
import { newsOfBans, newsOfLifted, readNews, writeNews } from '../../../core/cluster/news.ts';
import { type NodeMessage, readNodeMessage } from '../../../core/cluster/node-messages.ts';
import { type Post, Subjects } from '../../../core/cluster/ports.ts';
import { firstView, withNode } from '../../../core/cluster/view.ts';
import { Wills } from '../../../core/cluster/wills.ts';
import type { Ban } from '../../../core/security/bans.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Random, replayOf, seeds } from '../../support/random.ts';

/** Of NATS. */
const payloadBytesMax = 1_048_576;

/** Carries at once, or not at all. */
class LossyPost implements Post {
  readonly #listeners = new Map<string, (bytes: Uint8Array, subject: string) => void>();
  readonly #random: Random;
  lossPercent = 0;

  constructor(random: Random) {
    this.#random = random;
  }
  publish(subject: string, bytes: Uint8Array): void {
    assert.ok(bytes.length <= payloadBytesMax);
    if (this.#random.below(100) >= this.lossPercent) this.#listeners.get(subject)?.(bytes, subject);
  }
  subscribe(subject: string, onMessage: (bytes: Uint8Array, subject: string) => void): void {
    this.#listeners.set(subject, onMessage);
  }
}

const subjects = new Subjects('test');

function pair(
  post: Post,
  clock: FakeClock,
): {
  readonly a: Messenger;
  readonly b: Messenger;
  readonly atB: string[];
  readonly tooLarge: string[];
} {
  const atB: string[] = [];
  const tooLarge: string[] = [];
  const messenger = (incarnation: number, heard: string[]): Messenger =>
    new Messenger({
      clock,
      post,
      subjects,
      incarnation,
      soon: (action) => void clock.after(0, action),
      onMessage: (from, message) =>
        heard.push(`${from} ${'clientId' in message ? message.clientId : message.type}`),
      onTooLarge: (type, bytes) => tooLarge.push(`${type} ${bytes}`),
    });
  const [a, b] = [messenger(1, []), messenger(2, atB)];
  for (const each of [a, b]) each.setPeers([1, 2]);
  return { a, b, atB, tooLarge };
}

function release(clientId: string): NodeMessage {
  return { type: 'release', epoch: 1, clientId };
}

test('every message comes once and in order, whatever is lost', () => {
  for (const seed of seeds(20)) {
    const post = new LossyPost(new Random(seed));
    const clock = new FakeClock();
    const { a, atB } = pair(post, clock);
    post.lossPercent = 40;
    for (let number = 0; number < 300; number++) {
      a.send(2, release(`${number}`));
      if (number % 7 === 0) clock.advance(30);
    }
    clock.advance(20_000);
    assert.deepEqual(
      atB,
      Array.from({ length: 300 }, (_, number) => `1 ${number}`),
      replayOf(seed),
    );
    assert.ok(a.resent > 0);
  }
});

test('a post that is slow is not loaded with the same messages again and again, and carries on where it was', () => {
  const clock = new FakeClock();
  let bytes = 0;
  const late: (() => void)[] = [];
  const listeners = new Map<string, (bytes: Uint8Array, subject: string) => void>();
  const post: Post = {
    publish: (subject, frame) => {
      bytes += frame.length;
      late.push(() => listeners.get(subject)?.(frame, subject));
    },
    subscribe: (subject, onMessage) => void listeners.set(subject, onMessage),
  };
  const { a, atB } = pair(post, clock);
  const text = 'x'.repeat(1_000);
  const numbers = Array.from({ length: 3_000 }, (_, number) => number);
  for (const number of numbers) a.send(2, release(`${number} ${text}`));
  for (let second = 0; second < 10; second++) {
    clock.advance(1_000);
    a.send(2, release(`late ${second}`));
  }
  assert.ok(bytes < 2 * 3_200_000, `${bytes} bytes in 10 s`);
  for (let turn = 0; late.length > 0; turn++) {
    assert.ok(turn < 100, 'it does not end');
    for (const deliver of late.splice(0)) deliver();
    clock.advance(20);
  }
  assert.deepEqual(
    atB.map((line) => line.replace(` ${text}`, '')),
    [
      ...numbers.map((number) => `1 ${number}`),
      ...Array.from({ length: 10 }, (_, number) => `1 late ${number}`),
    ],
  );
});

test('frames that are large are cut, and what is for a node itself comes later', () => {
  const clock = new FakeClock();
  const { a, b, atB } = pair(new LossyPost(new Random(1)), clock);
  for (let number = 0; number < 20; number++) a.send(2, release(`${number}${'x'.repeat(60_000)}`));
  b.send(2, release('own'));
  assert.equal(atB.length, 0);
  clock.advance(1);
  assert.equal(atB.length, 21);
  assert.ok(atB.some((line) => line === '2 own'));
});

test('no frame is larger than NATS allows, and a message that would be is not sent', () => {
  const clock = new FakeClock();
  const { a, atB, tooLarge } = pair(new LossyPost(new Random(1)), clock);
  const packet = (bytes: number): string => 'x'.repeat(bytes);
  const will = (bytes: number): NodeMessage => ({
    type: 'will',
    clientId: 'mortal',
    will: { packet: packet(bytes), topicPrefix: '', delayMs: 0 },
  });
  for (let number = 0; number < 8; number++) a.send(2, release('客'.repeat(30_000))); // of three bytes each
  for (const bytes of [200_000, 999_000, 1_100_000, 999_000]) a.send(2, will(bytes));
  a.send(2, release('last'));
  clock.advance(1);
  assert.deepEqual(
    atB.map((line) => line.length),
    [...new Array<number>(8).fill(30_002), 8, 8, 8, 6],
  );
  assert.deepEqual(tooLarge, ['will 1100085']);
});

test('a node that is no peer is sent nothing, and not heard', () => {
  const clock = new FakeClock();
  const { a, b, atB } = pair(new LossyPost(new Random(1)), clock);
  b.setPeers([2]);
  a.send(2, release('early'));
  clock.advance(10);
  assert.deepEqual(atB, []);
  b.setPeers([1, 2]);
  clock.advance(1_000);
  assert.deepEqual(atB, ['1 early']);
  a.setPeers([1]);
  a.send(2, release('late'));
  clock.advance(1_000);
  assert.deepEqual(atB, ['1 early']);
});

test('what is no frame or no message changes nothing', () => {
  const clock = new FakeClock();
  const post = new LossyPost(new Random(1));
  const { a, atB } = pair(post, clock);
  for (const text of ['', 'no', '[]', '{}', '{"from":1,"first":1,"received":0,"messages":7}', '{"from":"1"}'])
    post.publish(subjects.node(2), Buffer.from(text));
  const odd = [
    null,
    7,
    {},
    { type: 'release' },
    { type: 'toString' },
    { type: 'release', epoch: 1, clientId: 5 },
  ];
  post.publish(
    subjects.node(2),
    Buffer.from(JSON.stringify({ from: 1, first: 1, received: 0, messages: odd })),
  );
  clock.advance(1_000);
  assert.deepEqual(atB, []);
  a.send(2, release('x'));
  clock.advance(1_000);
  assert.deepEqual(atB, []); // it has the number of one that has come
});

test('messages are what their type says', () => {
  const session = { key: 5, worker: 3 };
  for (const message of [
    { type: 'claim', epoch: 1, clientId: 'a', claim: 2, isClean: false },
    { type: 'granted', epoch: 1, clientId: 'a', claim: 2 },
    { type: 'granted', epoch: 1, clientId: 'a', claim: 2, session },
    { type: 'held', epoch: 1, clientIds: ['a'], stamps: [7], lent: [] },
    { type: 'heard', epoch: 1 },
  ])
    assert.deepEqual(readNodeMessage(message), message);
  for (const message of [
    { type: 'claim', epoch: 1, clientId: 'a', claim: 2 },
    { type: 'granted', epoch: 1, clientId: 'a', claim: 2, session: { key: 5 } },
    { type: 'held', epoch: 1, clientIds: [1], stamps: [7], lent: [] },
    { type: 'held', epoch: 1, clientIds: ['a'], stamps: ['7'], lent: [] },
    { type: 'news', news: [] },
  ])
    assert.equal(readNodeMessage(message), undefined);
});

test('bans go from node to node as they are', () => {
  const ban = { kind: 'address', value: '192.0.2.1', expiresAt: new Date(5_000), reason: 'noise' } as const;
  assert.deepEqual(readNews(writeNews({ kind: 'ban', ban })), { kind: 'ban', ban });
  const lifted = { kind: 'liftBan', of: 'clientId', value: 'a' } as const;
  assert.deepEqual(readNews(writeNews(lifted)), lifted);
  const known: Ban[] = Array.from({ length: 2_000 }, (_, index) => ({
    kind: 'clientId',
    value: `${index}`,
    origin: index === 0 ? 'failedLogins' : 'hand',
    reason: 'noise',
    expiresAt: index === 1 ? new Date(5_000) : undefined,
  }));
  const parts = newsOfBans(known).map(writeNews);
  assert.ok(parts.every((part) => JSON.stringify(part).length < 500_000) && parts.length > 1);
  const told = parts.map(readNews).flatMap((part) => (part?.kind === 'bans' ? part.bans : []));
  assert.deepEqual(
    told.map(({ value, expiresAt }) => `${value} ${expiresAt?.getTime()}`),
    known.slice(1).map(({ value, expiresAt }) => `${value} ${expiresAt?.getTime()}`),
  );
  const lifts = known.map(({ kind, value }, index) => ({ kind, value, atMs: index / 2 }));
  const liftParts = newsOfLifted(lifts, 1_000).map(writeNews);
  assert.ok(liftParts.every((part) => JSON.stringify(part).length < 500_000) && liftParts.length > 1);
  assert.deepEqual(
    liftParts.map(readNews).flatMap((part) => (part?.kind === 'lifted' ? part.bans : [])),
    lifts.map(({ kind, value, atMs }) => ({ of: kind, value, agoMs: Math.round(1_000 - atMs) })),
  );
  assert.deepEqual(readNews({ kind: 'lifted', bans: [{ of: 'x', value: 'a', agoMs: 1 }, { agoMs: -1 }] }), {
    kind: 'lifted',
    bans: [],
  });
  for (const odd of [
    {},
    { kind: 'lifted' },
    { kind: 'ban' },
    { kind: 'bans' },
    { kind: 'ban', ban: { kind: 'x', value: 'a' } },
    { kind: 'liftBan', of: 1 },
  ])
    assert.equal(readNews(odd), undefined);
});

test('a will that is in a replicated log is not given to a node of the version before, which would publish it too', () => {
  for (const newest of [3, 4]) {
    let view = firstView('00112233'.repeat(8));
    for (const [name, links] of [
      ['a', [3, 4]],
      ['b', [3, newest]],
    ] as const)
      view = withNode(view, { name, id: name, workers: 1, links, stream: name }) ?? assert.fail();
    const sent: string[] = [];
    const wills = new Wills({
      clock: new FakeClock(),
      incarnation: 1,
      key: Buffer.from(view.keys, 'hex'),
      send: (to, message) => sent.push(`${to} ${'clientId' in message && message.clientId}`),
      publish: () => assert.fail(),
      isClaimed: () => false,
    });
    wills.onView(view);
    const will = { packet: '', topicPrefix: '', delayMs: 0 };
    wills.set('stored', { ...will, isStored: true });
    wills.set('fleeting', { ...will, isStored: false });
    assert.deepEqual(sent, newest === 4 ? ['2 stored', '2 fleeting'] : ['2 fleeting']);
  }
});
