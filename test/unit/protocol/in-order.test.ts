import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inOrder } from '../../../core/protocol/in-order.ts';
import type { QoS } from '../../../core/wire/packets.ts';

const runs = fc.record({
  qoses: fc.array(fc.constantFrom<QoS>(0, 1, 2), { maxLength: 20 }),
  order: fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
});

test('whichever message is done first, they are acknowledged in the order in which they came', () => {
  const property = fc.property(runs, ({ qoses, order }) => {
    const done: (() => void)[] = [];
    const acknowledged: number[] = [];
    const deliver = inOrder((_, acknowledge) => done.push(acknowledge));
    for (const [number, qos] of qoses.entries()) {
      const packet = {
        topic: 'a',
        payload: new Uint8Array(),
        qos,
        retain: false,
        dup: false,
        properties: {},
      };
      deliver(packet, () => acknowledged.push(number));
    }
    for (const place of order.slice(0, qoses.length)) {
      const before = acknowledged.length;
      done.splice(place % done.length, 1)[0]?.();
      assert.deepEqual(
        acknowledged,
        [...acknowledged].sort((one, other) => one - other),
      );
      assert.ok(acknowledged.length >= before);
    }
    const expected = [...qoses.keys()].filter((number) => qoses[number] !== 0);
    assert.deepEqual(acknowledged, expected);
  });
  fc.assert(property);
});
