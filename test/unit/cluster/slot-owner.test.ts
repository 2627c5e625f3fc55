/** The directory of client identifiers at the owner of their slots, without other nodes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeMessage } from '../../../core/cluster/node-messages.ts';
import { SlotOwner } from '../../../core/cluster/slot-owner.ts';
import { slotOfClientId } from '../../../core/cluster/slots.ts';
import {
  firstView,
  liveNodes,
  type Newcomer,
  ownerOfSlot,
  type View,
  withNode,
  withoutNode,
} from '../../../core/cluster/view.ts';

function viewWith(view: View, name: string, own: Partial<Newcomer> = {}): View {
  return withNode(view, { name, id: name, workers: 1, ...own }) ?? assert.fail('there is no room');
}

/** The owner is the first node. */
class Scene {
  view: View;
  readonly key: Uint8Array;
  readonly owner: SlotOwner;
  #sent: string[] = [];

  constructor(...names: string[]) {
    const first = firstView('00112233'.repeat(8));
    this.view = names.reduce((view, name) => viewWith(view, name, { stream: `log of ${name}` }), first);
    this.key = Buffer.from(this.view.keys, 'hex');
    this.owner = new SlotOwner({
      incarnation: 1,
      key: this.key,
      send: (to, message) => this.#note(to, message),
      onApplied: () => {},
      onClaimed: () => {},
    });
    this.next(this.view, false);
    for (const { incarnation } of liveNodes(this.view)) this.owner.onHeldAll(incarnation, this.view.epoch);
    this.takeSent();
  }

  #note(to: number, message: NodeMessage): void {
    if (message.type !== 'heard') this.#sent.push(`${message.type} ${to}`);
  }
  takeSent(): string[] {
    return this.#sent.splice(0);
  }

  next(view: View, isAnyLost: boolean): void {
    this.view = view;
    this.owner.onView(view, isAnyLost);
    this.owner.goOn();
  }

  /** In a slot that the first node has in all of these views. */
  clientIdIn(...views: View[]): string {
    for (let number = 0; ; number++) {
      const slot = slotOfClientId(`client ${number}`, this.key);
      if (views.every((view) => ownerOfSlot(view, slot)?.incarnation === 1)) return `client ${number}`;
    }
  }
}

test('a client whose session was on a node that is back waits until that one has reported it', () => {
  const terms = { stream: 'log of c' };
  for (const [name, own] of [
    ['c', terms],
    ['c', { stream: 'a new log' }],
    ['renamed', terms],
  ] as const) {
    const scene = new Scene('a', 'b', 'c');
    const { owner } = scene;
    const back = viewWith(withoutNode(scene.view, 3), name, own);
    const clientId = scene.clientIdIn(scene.view, back);
    owner.onClaim(clientId, { from: 3, claim: 1, isClean: false });
    owner.onClaim(clientId, { from: 2, claim: 1, isClean: false });
    assert.deepEqual(scene.takeSent(), ['granted 3', 'yield 3']);
    scene.next(back, true);
    owner.onClaim(clientId, { from: 2, claim: 2, isClean: false });
    for (const from of [1, 2]) owner.onHeldAll(from, back.epoch);
    assert.deepEqual(scene.takeSent(), []);
    assert.ok(owner.isClaimed(clientId));
    owner.onHeld(4, { type: 'held', epoch: back.epoch, clientIds: [clientId], stamps: [7], lent: [] });
    owner.onHeldAll(4, back.epoch);
    assert.deepEqual(scene.takeSent(), ['yield 4']);
  }
});

test('a client whose session was on a node that is lost, or is back without it, gets a new one', () => {
  const scene = new Scene('a', 'b', 'c');
  const without = withoutNode(scene.view, 3);
  const clientId = scene.clientIdIn(scene.view, without);
  for (const from of [3, 2]) scene.owner.onClaim(clientId, { from, claim: 1, isClean: false });
  scene.takeSent();
  scene.next(without, true);
  assert.deepEqual(scene.takeSent(), ['granted 2']);
  const other = new Scene('a', 'b', 'c');
  const back = viewWith(withoutNode(other.view, 3), 'c');
  const second = other.clientIdIn(other.view, back);
  for (const from of [3, 2]) other.owner.onClaim(second, { from, claim: 1, isClean: false });
  other.takeSent();
  other.next(back, true);
  for (const from of [1, 2, 4]) other.owner.onHeldAll(from, back.epoch);
  assert.deepEqual(other.takeSent(), ['granted 2']);
});
