/**
 * The wills of clients whose node is lost (main thread). A node tells each will to another one, its keeper: the node that
 * owns the slot of the client identifier, or would if this one were lost. So when it is lost, the keeper has the will and
 * is the directory of the identifier: it sees whether the client comes back within the will's delay.
 *
 *   A  --will--> keeper      a client has connected with a will
 *      --willOver-->         its will has gone out, or never will
 *   a view has no A any more: the keeper publishes what it keeps of A, each after its delay
 *   a view gives a slot to another node: A tells the new keeper, and wills that are due later go there too
 *
 * A will goes out once as far as nodes see each other's ends: where a node is lost in the moment in which it publishes a
 * will, or tells it to another keeper, the will may come twice, or be lost.
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import type { NodeMessage, ToldWill } from './node-messages.ts';
import { slotOfClientId } from './slots.ts';
import { liveNodes, nodeOf, ownerOfSlot, type View, withoutNode } from './view.ts';

export interface WillsOptions {
  readonly clock: Clock;
  readonly incarnation: number;
  readonly key: Uint8Array;
  send(to: number, message: NodeMessage): void;
  publish(will: ToldWill): void;
  /** Somebody has the client identifier, or is about to have it. */
  isClaimed(clientId: string): boolean;
}

interface Own {
  readonly will: ToldWill;
  keeper: number | undefined;
}

interface Due {
  readonly will: ToldWill;
  readonly atMs: number;
  readonly timer: Timer;
}

export class Wills {
  readonly #options: WillsOptions;
  /** Of clients that are here. */
  readonly #own = new Map<string, Own>();
  /** By incarnation of the node that has the client. */
  readonly #kept = new Map<number, Map<string, ToldWill>>();
  /** Of nodes that are lost. */
  readonly #due = new Map<string, Due>();
  #view: View | undefined;
  /** The last view as it would be if this node were lost. */
  #without: View | undefined;

  constructor(options: WillsOptions) {
    this.#options = options;
  }

  /** A client that is here has this will from now on. */
  set(clientId: string, will: ToldWill): void {
    const before = this.#own.get(clientId);
    const keeper = this.#keeperOf(clientId);
    this.#own.set(clientId, { will, keeper });
    if (before !== undefined && before.keeper !== keeper) this.#tellOver(clientId, before.keeper);
    this.#tell(clientId, will, keeper);
  }

  /** Its will has gone out, or never will. */
  clear(clientId: string): void {
    const own = this.#own.get(clientId);
    if (own === undefined) return;
    this.#own.delete(clientId);
    this.#tellOver(clientId, own.keeper);
  }

  /** This node leaves in order, and a broker that stops publishes no wills. */
  leave(): void {
    for (const clientId of [...this.#own.keys()]) this.clear(clientId);
  }

  stop(): void {
    for (const { timer } of this.#due.values()) timer.cancel();
    this.#due.clear();
  }

  /** A client has come back, to any node: a will that is due later is no more [MQTT-3.1.3-9]. */
  claimed(clientId: string): void {
    const due = this.#due.get(clientId);
    due?.timer.cancel();
    this.#due.delete(clientId);
  }

  onMessage(from: number, message: Extract<NodeMessage, { type: 'will' | 'willOver' | 'willDue' }>): void {
    const { clientId } = message;
    if (message.type === 'willDue') {
      this.#await(clientId, message.will, message.inMs);
      return;
    }
    const kept = this.#kept.get(from) ?? new Map<string, ToldWill>();
    this.#kept.set(from, kept);
    if (message.type === 'will') kept.set(clientId, message.will);
    else kept.delete(clientId);
  }

  /** Behind the directory, which knows then who is lost. */
  onView(view: View): void {
    const { incarnation } = this.#options;
    this.#view = view;
    this.#without = liveNodes(view).length > 1 ? withoutNode(view, incarnation) : undefined;
    for (const [clientId, own] of this.#own) {
      const keeper = this.#keeperOf(clientId);
      if (keeper === own.keeper) continue;
      this.#tellOver(clientId, own.keeper);
      own.keeper = keeper;
      this.#tell(clientId, own.will, keeper);
    }
    for (const [node, kept] of this.#kept) {
      if (nodeOf(view, node) !== undefined) continue;
      this.#kept.delete(node);
      for (const [clientId, will] of kept) this.#await(clientId, will, will.delayMs);
    }
    for (const [clientId, due] of this.#due) this.#passOn(clientId, due);
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
      this.#due.delete(clientId);
      this.#options.publish(will);
    });
    const due = { will, atMs: clock.nowMs() + inMs, timer };
    this.#due.set(clientId, due);
    this.#passOn(clientId, due);
  }

  /** To the directory of the client identifier, if that is another node. */
  #passOn(clientId: string, { will, atMs }: Due): void {
    const owner = this.#view && ownerOfSlot(this.#view, this.#slotOf(clientId))?.incarnation;
    if (owner === undefined || owner === this.#options.incarnation) return;
    const inMs = Math.max(0, Math.round(atMs - this.#options.clock.nowMs()));
    this.claimed(clientId);
    this.#options.send(owner, { type: 'willDue', clientId, will, inMs });
  }

  #tell(clientId: string, will: ToldWill, keeper: number | undefined): void {
    if (keeper !== undefined) this.#options.send(keeper, { type: 'will', clientId, will });
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
