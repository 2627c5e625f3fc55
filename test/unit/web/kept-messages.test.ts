/** What the console of the landing page keeps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../../../client/rally.ts';
import { KeptMessages, keptBytesMax } from '../../../web/landing/kept-messages.ts';

function message(bytes: Uint8Array, properties: Message['properties'] = {}): Message {
  const rest = { qos: 0, retain: false, dup: false, properties } as const;
  return { topic: 'a', bytes, ...rest, text: () => '', json: () => assert.fail() };
}

const keptBytes = (kept: KeptMessages): number =>
  kept.entries.reduce((sum, entry) => sum + entry.message.bytes.buffer.byteLength, 0);

test('the last thousands of small messages are kept, and all are counted', () => {
  const kept = new KeptMessages();
  for (let number = 0; number < 10_000; number++) {
    kept.add(message(new Uint8Array(1)));
    assert.ok(kept.entries.length <= 4_000);
  }
  assert.equal(kept.count, 10_000);
  assert.ok(kept.entries.length >= 2_000);
  assert.equal(kept.entries.at(-1)?.number, 10_000);
  kept.clear();
  assert.deepEqual([kept.count, kept.entries.length], [0, 0]);
});

test('of large messages only as many are kept as a page has room for, the newest in any case', () => {
  const kept = new KeptMessages();
  for (let number = 0; number < 100; number++) {
    kept.add(message(new Uint8Array(1_000_000)));
    assert.ok(keptBytes(kept) <= keptBytesMax);
  }
  assert.ok(kept.entries.length >= 8, `${kept.entries.length}`);
  kept.add(message(new Uint8Array(2 * keptBytesMax)));
  assert.deepEqual([kept.entries.length, kept.entries[0]?.number], [1, 101]);
  for (let number = 0; number < 5_000; number++) kept.add(message(new Uint8Array(1)));
  assert.ok(kept.entries.length >= 2_000, 'room again');
});

test('properties count, and a payload keeps nothing that came with it', () => {
  const kept = new KeptMessages();
  const received = new Uint8Array(100_000);
  const userProperties: [string, string][] = [['name', 'x'.repeat(60_000)]];
  for (let number = 0; number < 1_000; number++)
    kept.add(message(received.subarray(5, 8), { userProperties }));
  assert.ok(kept.entries.length * 60_000 <= keptBytesMax, `${kept.entries.length}`);
  assert.equal(keptBytes(kept), 3 * kept.entries.length);
});
