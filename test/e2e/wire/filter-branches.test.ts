/**
 * The branching limit for the wildcards of all clients (filterBranchesMax): one client cannot exhaust it for others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeSubscribe } from '../../../core/wire/encode-subscribe.ts';
import { startBroker } from '../../support/broker.ts';
import { publishFrame, subscribeFrame, subscription } from '../../support/frames.ts';
import { openClient } from '../../support/raw-client.ts';

const levels = 12;

/** All filters of 12 levels that are each `a` or `+`. */
const branching = Array.from({ length: 2 ** levels }, (_, shape) =>
  Array.from({ length: levels }, (_, level) => ((shape >> level) & 1 ? '+' : 'a')).join('/'),
);

for (const workers of [1, 2]) {
  test(`a client that mixes all wildcards is refused some, and another gets its own, ${workers} workers`, async (t) => {
    const running = await startBroker(t, { workers });
    const greedy = await openClient(t, 'tcp', running);
    const subscriptions = branching.map((filter) => subscription(filter, 0));
    greedy.send(encodeSubscribe({ packetId: 1, subscriptions, properties: {} }, 5));
    const { body } = await greedy.nextPacket();
    const reasonCodes = [...body.subarray(3)];
    assert.equal(reasonCodes.length, branching.length);
    const refused = reasonCodes.filter((code) => code === 0x97).length;
    assert.ok(refused > branching.length / 2, `${refused} refused`);
    assert.equal(reasonCodes.filter((code) => code !== 0x97).length, branching.length - refused);

    const other = await openClient(t, 'ws', running);
    other.send(subscribeFrame('+/b/+/#'));
    assert.equal(await other.nextHex(), '9004000100' + '00');
    other.send(publishFrame('x/b/y/z', 'm'));
    assert.equal(await other.nextHex(), Buffer.from(publishFrame('x/b/y/z', 'm')).toString('hex'));
  });
}
