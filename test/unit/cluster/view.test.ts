/** The views of a cluster, and how slots are dealt. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { test } from 'node:test';
import { clusterFileOf, readKnownCluster, writeKnownCluster } from '../../../core/cluster/cluster-memory.ts';
import { bestWorkerOf, slotCount, slotOfClientId } from '../../../core/cluster/slots.ts';
import {
  decodeView,
  encodeView,
  firstView,
  liveNodes,
  nextStepOf,
  ownerOfSlot,
  slotsOf,
  type View,
  withNode,
  withNodeLeaving,
  withoutNode,
  withPast,
} from '../../../core/cluster/view.ts';

function join(view: View, name: string, workers = 1): View {
  return withNode(view, { name, id: name, workers }) ?? assert.fail(`${name} finds no place`);
}

/** All steps that are left, each of which everyone has applied. */
function settle(view: View): View {
  let settled = view;
  for (let next = nextStepOf(settled); next !== undefined; next = nextStepOf(settled)) settled = next;
  return settled;
}

function shares(view: View): number[] {
  return liveNodes(view).map((node) => slotsOf(view, node));
}

const empty = firstView('ab'.repeat(32));

test('the first node has all slots at once, others get theirs in steps', () => {
  const one = join(empty, 'a');
  assert.deepEqual(shares(one), [slotCount]);
  const two = join(one, 'b');
  assert.deepEqual(shares(two), [slotCount, 0]);
  const step = nextStepOf(two) ?? assert.fail('there is nothing to do');
  assert.deepEqual(shares(step), [slotCount - 128, 128]);
  assert.equal(step.since.filter((epoch) => epoch === step.epoch).length, 128);
  const [a = 0, b = 0] = shares(settle(two));
  assert.ok(a + b === slotCount && Math.abs(a - b) < 150, `${a} and ${b}`);
});

test('slots move only to a worker that comes, and from one that goes', () => {
  const three = settle(join(join(join(empty, 'a'), 'b', 2), 'c', 3));
  const four = settle(join(three, 'd'));
  const newcomer = liveNodes(four).at(-1);
  for (let slot = 0; slot < slotCount; slot++)
    if (four.owners[slot] !== three.owners[slot]) assert.equal(ownerOfSlot(four, slot), newcomer);
  const without = withoutNode(four, 2);
  for (let slot = 0; slot < slotCount; slot++) {
    if (ownerOfSlot(four, slot)?.incarnation !== 2) assert.equal(without.owners[slot], four.owners[slot]);
    assert.ok(ownerOfSlot(without, slot), `slot ${slot} is nobody's`);
  }
});

test('the workers of a node that is gone are free once all have let go of it', () => {
  const gone = withoutNode(join(join(empty, 'a', 3), 'b', 2), 1);
  assert.equal(liveNodes(join(gone, 'c')).at(-1)?.firstWorker, 5);
  assert.equal(liveNodes(join(settle(gone), 'c')).at(-1)?.firstWorker, 0);
  const full = join(join(empty, 'a', 60), 'b', 4);
  assert.equal(withNode(full, { name: 'c', id: 'c', workers: 1 }), undefined);
});

test('one number of a worker stays free for whoever goes on with the log of a lost node', () => {
  const replicated = { name: 'c', id: 'c', stream: 'log of c' };
  const most = join(empty, 'a', 60);
  assert.equal(withNode(most, { ...replicated, workers: 4 }), undefined);
  const full = withNode(most, { ...replicated, workers: 3 }) ?? assert.fail('there is no place');
  const standIn = { name: 'for a', id: 'for a', workers: 1, stream: 'log of a', standsFor: 1 };
  assert.equal(withNode(full, standIn)?.nodes.at(-1)?.firstWorker, 63);
});

test('a node that leaves gives its slots away, unless it is alone', () => {
  const leaving = settle(withNodeLeaving(settle(join(join(empty, 'a'), 'b')), 1));
  assert.deepEqual(shares(leaving), [0, slotCount]);
  assert.deepEqual(shares(settle(withNodeLeaving(join(empty, 'a'), 1))), [slotCount]);
});

test('a view is read as it was written, and what is none is refused with a reason', () => {
  const view = settle(join(join(empty, 'a', 2), 'b'));
  assert.deepEqual(decodeView(encodeView(view)), view);
  const changed = (change: object): Uint8Array =>
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(encodeView(view)).toString()), ...change }));
  for (const [bytes, reason] of [
    [Buffer.from('no'), /JSON/],
    [changed({ format: 2 }), /format 2.*knows 1/],
    [changed({ epoch: -1 }), /epoch/],
    [changed({ keys: 'ab' }), /keys/],
    [changed({ nodes: [{ name: 'a' }] }), /node/],
    [changed({ nodes: [{ ...view.nodes[0], firstWorker: 63, workers: 2 }] }), /node/],
    [changed({ owners: [] }), /slots/],
    [changed({ owners: view.owners.with(5, 64) }), /slots/],
    [changed({ since: view.since.with(5, 1.5) }), /slots/],
  ] as const) {
    const read = decodeView(bytes);
    assert.ok(typeof read === 'string' && reason.test(read), `${read}`);
  }
});

test('what a node has seen is behind the next view, though NATS has forgotten it', () => {
  const view = join(withPast(empty, 40, 7), 'a');
  assert.deepEqual([view.epoch, view.lastIncarnation, liveNodes(view)[0]?.incarnation], [41, 8, 8]);
  const later = join(withPast(view, 3, 2), 'b');
  assert.deepEqual([later.epoch, later.lastIncarnation], [42, 9]);
});

test('a node remembers its cluster in its data directory, and what is malformed there is an error', (t) => {
  const directory = mkdtempSync(joinPath(tmpdir(), 'rallymq-known-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  assert.equal(readKnownCluster(directory), undefined);
  const known = { clusterName: 'c', keys: 'ab'.repeat(32), epoch: 4, incarnation: 2 };
  writeKnownCluster(directory, known);
  writeKnownCluster(directory, { ...known, epoch: 5 });
  assert.deepEqual(readKnownCluster(directory), { ...known, epoch: 5 });
  assert.deepEqual(readdirSync(directory), ['cluster.json']);
  const wrong = ['', '[]', '{"format":2}', JSON.stringify({ format: 1, ...known, epoch: -1 })];
  for (const text of wrong) {
    writeFileSync(clusterFileOf(directory), text);
    assert.throws(() => readKnownCluster(directory), { code: 'STORE_NOT_USABLE', message: /cluster\.json/ });
  }
  assert.throws(() => writeKnownCluster(joinPath(directory, 'none'), known), { code: 'STORE_NOT_USABLE' });
});

test('client identifiers are spread over all slots, differently with another key', () => {
  const counts = new Array<number>(slotCount).fill(0);
  const [key, other] = [Buffer.from('01234567'), Buffer.from('0123456F')];
  let same = 0;
  for (let number = 0; number < 102_400; number++) {
    const clientId = `client-${number}`;
    const slot = slotOfClientId(clientId, key);
    counts[slot] = (counts[slot] ?? 0) + 1;
    if (slotOfClientId(clientId, other) === slot) same++;
  }
  assert.ok(
    Math.min(...counts) > 50 && Math.max(...counts) < 160,
    `${Math.min(...counts)}..${Math.max(...counts)}`,
  );
  assert.ok(same < 200, `${same} are the same with another key`);
  assert.notEqual(slotOfClientId('ab', key), slotOfClientId('ba', key));
});

test('rendezvous hashing prefers nobody', () => {
  const workers = Array.from({ length: 8 }, (_, worker) => ({ worker, incarnation: 1 + (worker >> 1) }));
  const counts = new Array<number>(8).fill(0);
  for (let slot = 0; slot < slotCount; slot++) {
    const best = bestWorkerOf(slot, workers)?.worker ?? assert.fail();
    counts[best] = (counts[best] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 80 && count < 180, counts.join(' '));
});
