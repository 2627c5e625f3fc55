/**
 * A post and a register for nodes in one process: messages take random times but keep each sender's order, and those to
 * and from a node that is cut off are lost; the node does not know whether its write at that moment succeeded.
 */
import type { Post, Register, Written } from '../../../core/cluster/ports.ts';
import type { Random } from '../random.ts';
import type { Actor, SimulatedTime } from './simulated-time.ts';

interface Listener {
  readonly actor: Actor;
  readonly subject: string;
  readonly onMessage: (bytes: Uint8Array, subject: string) => void;
}

export class SimulatedNats {
  readonly #time: SimulatedTime;
  readonly #random: Random;
  readonly #cut = new Set<Actor>();
  #listeners: Listener[] = [];
  #written: Written = { revision: 0, bytes: new Uint8Array() };
  /** Earlier values: followers may answer with them. */
  #stale: Written = this.#written;
  #lastRevision = 0;
  /** When the last message from one node to another arrives. */
  readonly #lines = new Map<Actor, Map<Actor, number>>();
  /** So many answers of the register are lost although it has carried out what was asked for. */
  latePercent = 0;

  constructor(time: SimulatedTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  /** The value of the register. */
  get written(): Uint8Array {
    return this.#written.bytes;
  }

  /** Its disks are wiped, or somebody deletes the bucket. */
  loseRegister(): void {
    this.#written = { revision: 0, bytes: new Uint8Array() };
    this.#stale = this.#written;
    this.#lastRevision = 0;
  }
  /** Somebody deletes the value, which leaves a mark, or purges the bucket. Revisions go on. */
  emptyRegister(leavesMark: boolean): void {
    this.#written = { revision: leavesMark ? ++this.#lastRevision : 0, bytes: new Uint8Array() };
    this.#stale = this.#written;
  }

  cut(actor: Actor): void {
    this.#cut.add(actor);
  }
  isCut(actor: Actor): boolean {
    return this.#cut.has(actor);
  }
  heal(actor: Actor): void {
    this.#cut.delete(actor);
  }
  forget(actor: Actor): void {
    this.#listeners = this.#listeners.filter((each) => each.actor !== actor);
    this.#cut.delete(actor);
  }

  postOf(actor: Actor): Post {
    return {
      subscribe: (subject, onMessage) => void this.#listeners.push({ actor, subject, onMessage }),
      publish: (subject, bytes) => {
        if (this.#cut.has(actor) || actor.isGone) return;
        for (const listener of this.#listeners)
          if (listener.subject === subject) this.#carry(actor, listener, subject, bytes);
      },
    };
  }

  #carry(from: Actor, { actor, onMessage }: Listener, subject: string, bytes: Uint8Array): void {
    const lines = this.#lines.get(from) ?? new Map<Actor, number>();
    this.#lines.set(from, lines);
    const atMs = Math.max(this.#time.nowMs + this.#delayMs(), lines.get(actor) ?? 0);
    lines.set(actor, atMs);
    const arrive = (): void => {
      if (!this.#cut.has(actor)) this.#time.after(0, () => onMessage(bytes, subject), actor);
    };
    this.#time.after(atMs - this.#time.nowMs, arrive);
  }

  registerOf(actor: Actor): Register {
    const answer = (action: () => void): void => {
      this.#time.after(this.#delayMs(), action, actor);
    };
    const timeOut = (action: () => void): void => void this.#time.after(2_000, action, actor);
    return {
      read: (told) => {
        this.#time.after(this.#delayMs(), () => {
          const written = this.#random.below(10) === 0 ? this.#stale : this.#written;
          if (this.#cut.has(actor) || this.#isLate()) timeOut(() => told(undefined));
          else answer(() => told(written));
        });
      },
      write: (bytes, revision, told) => {
        if (this.#cut.has(actor)) {
          timeOut(() => told('unknown'));
          return;
        }
        this.#time.after(this.#delayMs(), () => {
          const isFirst = revision === this.#written.revision;
          if (isFirst) {
            this.#stale = this.#written;
            this.#written = { revision: ++this.#lastRevision, bytes };
          }
          if (this.#cut.has(actor) || this.#isLate()) timeOut(() => told('unknown'));
          else answer(() => told(isFirst ? 'written' : 'outrun'));
        });
      },
    };
  }

  #isLate(): boolean {
    return this.latePercent > 0 && this.#random.below(100) < this.latePercent;
  }

  #delayMs(): number {
    return this.#random.below(100) === 0 ? this.#random.below(400) : 1 + this.#random.below(5);
  }
}
