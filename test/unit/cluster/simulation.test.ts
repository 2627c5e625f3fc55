/** Some schedules of a simulated cluster (test/support/cluster/schedules.ts); `npm run simulate` plays 10,000. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playSchedule, type ScheduleName } from '../../support/cluster/schedules.ts';
import { seeds } from '../../support/random.ts';

function playAll(name: ScheduleName, count: number): number {
  return seeds(count).reduce((sum, seed) => sum + playSchedule(name, seed), 0);
}

test('clients go from node to node, and no session is lost or doubled', () => {
  assert.ok(playAll('roaming', 40) > 0);
});

test('nodes stand still, are cut off, killed and stopped, and all is well when it has healed', () => {
  playAll('faults', 60);
});

test('nodes with data that come back bring their sessions, and of two the later one stays', () => {
  playAll('faultsWithData', 15);
  // A session was asked for a node that was lost then, while another one waited for it; a node's earlier claim was served
  // after its later one.
  for (const seed of [41_530_142, 41_770_068]) playSchedule('faultsWithData', seed);
});

test('a session is there again when all nodes have been killed, on whichever it was last', () => {
  assert.ok(playAll('dark', 8) > 0);
});

test('nodes stop in order and are started again, and no session is lost', () => {
  assert.ok(playAll('stops', 10) > 0);
});

test('nobody is taken out while NATS is away, however long', () => {
  playAll('outage', 5);
});

test('wills of clients whose node is killed go out once, after their delay, unless the client has come back', () => {
  assert.ok(playAll('wills', 6) > 0);
  // A slot changed owners while a session was on its way, and its lender reported first.
  assert.ok(playSchedule('wills', 900_017) > 0);
});

test('the same where nodes come back with their data: a client that comes back to its own node cancels its will, its session alone does not', () => {
  assert.ok(playAll('willsWithData', 3) > 0);
  // A slot moved to the node that had come back; a client came back to it.
  for (const seed of [3, 6]) assert.ok(playSchedule('willsWithData', seed) > 0);
});

test('nodes are killed for good, also those that stand in for others, which may fail at first, and no session is lost', () => {
  assert.ok(playAll('takeovers', 6) > 0);
});

test('nodes are killed and come back with their logs, which others try to take over, and no session is lost', () => {
  assert.ok(playAll('restarts', 12) > 0);
});

test('a client with QoS 2 that goes from node to node, of which some are killed, gets its session as it was last', () => {
  // Whoever waited for a session had claimed it again, both nodes of a move were killed, in one order or the other, or a
  // session had come from one lost node and was asked for by a third one. Or its new owner did not know that it was on its
  // way, from or to a lost node, or believed that an older one from a disk was the one that had been lent.
  const known = [105, 2_006, 5_001, 5_023, 501_516, 600_141, 800_614, 950_493, 980_020];
  for (const seed of [100, 101, ...known]) assert.ok(playSchedule('exchanges', seed) > 0);
});

test('the same without replicas, or it gets a new session', () => {
  // A session was on its way back to a node that was killed before it had it, or had been asked for by others as well.
  // Or it was lent to a node that had been refused meanwhile, by one that was killed then.
  const known = [9_429, 9_466, 20_261_491];
  for (const seed of [100, 139, ...known]) assert.ok(playSchedule('exchangesWithData', seed) > 0);
});

test('the same while nodes learn of a view seconds after others', () => {
  // A node had claimed a session again, and was asked for it, before its owner knew of the view for which it did.
  for (const seed of [1, 304]) assert.ok(playSchedule('lateViews', seed) > 0);
});

test('nodes find their places again where they take all numbers of workers, also when all were killed', () => {
  playAll('full', 4);
});

test('a will is not lost where its node is killed while the slots of its client move to a node that does not hear yet', () => {
  assert.ok(playSchedule('wills', 20_262_647) > 0);
});
