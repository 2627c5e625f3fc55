/** The arithmetic of the page Push or poll. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePublish } from '../../../core/wire/encode-publish.ts';
import { Behind } from '../../../web/push-or-poll/behind.ts';
import {
  pollLoad,
  pushBytes,
  pushLoad,
  showBytes,
  showCores,
  showDuration,
} from '../../../web/push-or-poll/cost.ts';

test('a push costs by changes, a poll by time', () => {
  assert.deepEqual(pushLoad(10_000, 0.25, { bytes: 100, cpuUs: 4 }), {
    requests: 0,
    bytes: 250_000,
    cores: 0.01,
  });
  assert.deepEqual(pollLoad(10_000, 5, { bytes: 100, cpuUs: 400 }), {
    requests: 2_000,
    bytes: 200_000,
    cores: 0.8,
  });
  assert.equal(pollLoad(1, 5, { bytes: 100, cpuUs: undefined }).cores, undefined);
});

test('the bytes of a push are those of the packet and its frame', () => {
  for (const payloadBytes of [0, 100, 117, 118, 120, 700, 65_600]) {
    for (const qos of [0, 1] as const) {
      const packet = encodePublish(
        {
          topic: 'a/b',
          payload: new Uint8Array(payloadBytes),
          qos,
          retain: false,
          dup: false,
          properties: {},
          ...(qos === 0 ? {} : { packetId: 1 }),
        },
        5,
      );
      const expected = packet.length + (packet.length < 126 ? 2 : packet.length < 65_536 ? 4 : 10);
      assert.equal(pushBytes(3, payloadBytes, qos), expected, `${payloadBytes} bytes, QoS ${qos}`);
    }
  }
});

test('a poll is behind from the first score that it has not shown', () => {
  const behind = new Behind();
  assert.equal(behind.behindMs(0), 0);
  assert.equal(behind.meanMs(), undefined);
  behind.pushed(1, 100);
  behind.pushed(2, 300);
  assert.equal(behind.behindMs(400), 300);
  behind.polled(1, 400);
  assert.equal(behind.meanMs(), 300);
  assert.equal(behind.behindMs(450), 150);
  behind.polled(2, 500);
  assert.equal(behind.meanMs(), 250);
  assert.equal(behind.behindMs(900), 0);
  behind.pushed(2, 950); // what the poll has shown already
  assert.equal(behind.behindMs(1_000), 0);
});

test('figures are short', () => {
  assert.deepEqual([0, 999, 1_000, 999_700, 1_234_567, 250_000_000].map(showBytes), [
    '0\u00a0B',
    '999\u00a0B',
    '1.0\u00a0KB',
    '1.0\u00a0MB',
    '1.2\u00a0MB',
    '250\u00a0MB',
  ]);
  assert.deepEqual([undefined, 0.00001, 0.0123, 0.65, 12.34].map(showCores), [
    '–',
    '<\u00a00.01\u00a0%',
    '1.2\u00a0%',
    '65\u00a0%',
    '12.3\u00a0cores',
  ]);
  assert.deepEqual([1.26, 33.3, 2_150].map(showDuration), ['1.3\u00a0ms', '33\u00a0ms', '2.1\u00a0s']);
});
