/**
 * The wills of clients whose node is lost (main thread). A node gives a copy of each will to another node,
 * its keeper: the node that owns the slot of the client identifier, or would own it without this node. The
 * directory of the identifier knows whether the client comes back within the will delay.
 *
 *   A  --will--> keeper      a client has connected with a will
 *      --willOver-->         its will has been published, or never will be
 *   a view without A:        the keeper publishes A's wills, each after its delay; A's stand-in those in A's log
 *   the keeper stops:        A tells another one. Until then it stays the keeper, even if the slot moves: a node
 *                            that has just joined may not receive messages yet
 *   a view moves a slot:     delayed wills of lost nodes move to its new owner
 *   until they are due       they have a keeper, too, in case that this node is lost meanwhile
 *
 * A will is published once, as long as nodes notice each other's end. If a node is lost while it publishes a
 * will, or while its keeper stops, the will may be published twice or lost.
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import type { MessageOf, NodeMessage, ToldWill } from './node-messages.ts';
import { slotOfClientId } from './slots.ts';
import { liveNodes, nodeOf, ownerOfSlot, type View, withoutNode } from './view.ts';

export interface WillsOptions {
  readonly clock: Clock;
  readonly incarnation: number;
  readonly key: Uint8Array;
  send(to: number, message: NodeMessage): void;
  publish(will: ToldWill): void;
  /** Some node has the client identifier, or is about to. */
  isClaimed(clientId: string): boolean;
}

/** Nodes with this frame version know which wills are in replicated logs; some nodes with earlier versions do. */
const firstLinkWithStored = 4;

interface Own {
  readonly will: ToldWill;
  keeper: number | undefined;
}

/** Of a client of another node; `atMs`: its delay has begun, with the loss of an earlier node. */
interface Kept {
  readonly will: ToldWill;
  readonly atMs: number | undefined;
}

interface Due {
  readonly will: ToldWill;
  readonly atMs: number;
  readonly timer: Timer;
  keeper: number | undefined;
}

export class Wills {
  readonly #options: WillsOptions;
  /** The wills of clients of this node. */
  readonly #own = new Map<string, Own>();
  /** By incarnation of the client's node. */
  readonly #kept = new Map<number, Map<string, Kept>>();
  /** The wills of lost nodes. */
  readonly #due = new Map<string, Due>();
  /** For a view that is not here yet. */
  #early: MessageOf<'willDue'>[] = [];
  #view: View | undefined;
  /** The last view, as it would be without this node. */
  #without: View | undefined;

  constructor(options: WillsOptions) {
    this.#options = options;
  }

  /** A client of this node has this will from now on. */
  set(clientId: string, will: ToldWill): void {
    const before = this.#own.get(clientId);
    const keeper = this.#keeperOf(clientId);
    this.#own.set(clientId, { will, keeper });
    if (before !== undefined && before.keeper !== keeper) this.#tellOver(clientId, before.keeper);
    this.#tell(clientId, will, keeper);
  }

  /** Its will has been published, or never will be. */
  clear(clientId: string): void {
    const own = this.#own.get(clientId);
    if (own === undefined) return;
    this.#own.delete(clientId);
    this.#tellOver(clientId, own.keeper);
  }

  /** Of a client of this node. */
  of(clientId: string): ToldWill | undefined {
    return this.#own.get(clientId)?.will;
  }

  /** This node is stopping, and a stopping broker publishes no wills. */
  leave(): void {
    for (const clientId of [...this.#own.keys()]) this.clear(clientId);
  }

  stop(): void {
    for (const { timer } of this.#due.values()) timer.cancel();
    this.#due.clear();
  }

  /** A client has reconnected, to any node: its delayed will is cancelled [MQTT-3.1.3-9]. */
  claimed(clientId: string): void {
    const due = this.#due.get(clientId);
    if (due === undefined) return;
    due.timer.cancel();
    this.#due.delete(clientId);
    this.#tellOver(clientId, due.keeper);
  }

  onMessage(from: number, message: MessageOf<'will' | 'willOver' | 'willDue'>): void {
    const { clientId } = message;
    if (message.type === 'willDue') {
      if ((message.epoch ?? 0) > (this.#view?.epoch ?? 0)) this.#early.push(message);
      else this.#await(clientId, message.will, message.inMs);
      return;
    }
    const kept = this.#kept.get(from) ?? new Map<string, Kept>();
    this.#kept.set(from, kept);
    if (message.type === 'willOver') kept.delete(clientId);
    else {
      const { will, inMs } = message;
      kept.set(clientId, { will, atMs: inMs === undefined ? undefined : this.#nowMs + inMs });
    }
  }

  /** Called after the directory, which by then knows which nodes are lost. */
  onView(view: View): void {
    const { incarnation } = this.#options;
    this.#view = view;
    this.#without = liveNodes(view).length > 1 ? withoutNode(view, incarnation) : undefined;
    for (const [clientId, own] of this.#own) {
      if (own.keeper !== undefined && this.#isServing(own.keeper)) continue;
      const keeper = this.#keeperOf(clientId);
      if (keeper === own.keeper) continue;
      this.#tellOver(clientId, own.keeper);
      own.keeper = keeper;
      this.#tell(clientId, own.will, keeper);
    }
    for (const [node, kept] of this.#kept) {
      if (nodeOf(view, node) !== undefined) continue;
      this.#kept.delete(node);
      const isTakenOver = liveNodes(view).some(({ standsFor }) => standsFor === node);
      for (const [clientId, { will, atMs }] of kept)
        if (!isTakenOver || will.isStored !== true)
          this.#await(clientId, will, atMs === undefined ? will.delayMs : atMs - this.#nowMs);
    }
    for (const [clientId, due] of this.#due) this.#hold(clientId, due);
    const early = this.#early;
    this.#early = [];
    for (const message of early) this.onMessage(0, message);
  }

  get kept(): number {
    let sum = 0;
    for (const kept of this.#kept.values()) sum += kept.size;
    return sum;
  }

  #await(clientId: string, will: ToldWill, inMs: number): void {
    if (will.delayMs > 0 && this.#options.isClaimed(clientId)) return;
    if (inMs <= 0) {
      this.#options.publish(will);
      return;
    }
    this.claimed(clientId);
    const { clock } = this.#options;
    const timer = clock.after(inMs, () => {
      this.claimed(clientId);
      this.#options.publish(will);
    });
    const due: Due = { will, atMs: this.#nowMs + inMs, timer, keeper: undefined };
    this.#due.set(clientId, due);
    this.#hold(clientId, due);
  }

  /** Or passes it on to the directory of the client identifier, if that is another node. */
  #hold(clientId: string, due: Due): void {
    const { send, incarnation } = this.#options;
    const owner = this.#view && ownerOfSlot(this.#view, this.#slotOf(clientId))?.incarnation;
    const inMs = Math.max(0, Math.round(due.atMs - this.#nowMs));
    if (owner !== undefined && owner !== incarnation) {
      this.claimed(clientId);
      send(owner, { type: 'willDue', epoch: this.#view?.epoch ?? 0, clientId, will: due.will, inMs });
      return;
    }
    if (due.keeper !== undefined && this.#isServing(due.keeper)) return;
    const keeper = this.#keeperOf(clientId);
    if (keeper === due.keeper) return;
    this.#tellOver(clientId, due.keeper);
    due.keeper = keeper;
    // It is in no log that a stand-in of this node would have.
    const will: ToldWill = { ...due.will, isStored: false };
    if (keeper !== undefined) send(keeper, { type: 'will', clientId, will, inMs });
  }

  get #nowMs(): number {
    return this.#options.clock.nowMs();
  }

  #isServing(incarnation: number): boolean {
    return this.#view !== undefined && nodeOf(this.#view, incarnation)?.state === 'serving';
  }

  #tell(clientId: string, will: ToldWill, keeper: number | undefined): void {
    if (keeper === undefined) return;
    // A keeper of an earlier version would also publish what this node's stand-in publishes.
    const isForStandIn = will.isStored === true && !this.#knowsStored(keeper);
    if (!isForStandIn) this.#options.send(keeper, { type: 'will', clientId, will });
  }

  #knowsStored(keeper: number): boolean {
    const node = this.#view && nodeOf(this.#view, keeper);
    return (node?.links?.[1] ?? 0) >= firstLinkWithStored;
  }

  #tellOver(clientId: string, keeper: number | undefined): void {
    if (keeper !== undefined) this.#options.send(keeper, { type: 'willOver', clientId });
  }

  /** Undefined: this node is alone. */
  #keeperOf(clientId: string): number | undefined {
    return this.#without && ownerOfSlot(this.#without, this.#slotOf(clientId))?.incarnation;
  }

  #slotOf(clientId: string): number {
    return slotOfClientId(clientId, this.#options.key);
  }
}
