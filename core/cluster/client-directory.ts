/**
 * Which node has which client identifier (main thread). The node that owns the slot of an identifier is its
 * directory; all nodes claim identifiers there. The directory is not stored: all nodes report what they have to
 * a new owner.
 *
 *   A  --claim--> owner: no node has it ----------------------------------> granted
 *                        B has it  --yield--> B ends its connection there
 *                                  <--yielded, with its session, which B has lent
 *                 <--granted, with the session--
 *   A moves the session over the lanes, and sends `taken` to B
 *
 * The data planes ensure that at every moment either B has the whole session, or A alone has it (session-moves.h).
 *
 *   A is lost before `taken`: if B's data plane has the session, it belongs to B again
 *   B  --unclaimed--> owner: no other node has it, or only an older one from a disk --returned--> B
 *                            it has been passed on to C ------------------------------- (`passed`, earlier)
 *                            another node has begun a new one ----------------unwanted--> B ends it
 *
 *   B is lost before A has sent `taken`: A checks what has arrived before it reports for the view without B
 *   A  everything arrived: the session belongs to A
 *   A  --release--> owner: a stand-in, or B restarted from its disk, has reported it (`held`), and is asked
 *
 *   a view changes the owner: everyone --held, held, heldAll--> the new owner, which answers once all have reported;
 *   claims without an answer are repeated there
 *
 * A node that starts with a data directory has sessions of which other nodes may have newer versions. Of two
 * sessions of an identifier, one that a client has used since its node started wins, otherwise the one used
 * later; the owner tells the holder of the other that it is `outdated`. A node accepts no clients until all
 * nodes have `heard` what it brought.
 *
 * There is one owner at a time: a claiming node believes only the owner in its own view, and a new owner
 * waits for all nodes of its view, so no answer of the previous owner can still be in transit.
 */
import type { SessionRow } from '../data-plane/session-row.ts';
import type { Claimed, Directory } from '../sessions/directory.ts';
import { type LentSession, type NodeMessage, usedStamp } from './node-messages.ts';
import { slotCount, slotOfClientId } from './slots.ts';
import { liveNodes, nodeOf, ownerOfSlot, type View } from './view.ts';

/** The sessions of this node: session-directory.ts. */
export interface SessionHolder {
  /**
   * Gives up a client identifier, now or later: ends its connection, and also its session if it is clean.
   * Otherwise the session stays in place and belongs to the node that is told of it, unless `done` returns
   * false: then it continues here. Undefined: there is none.
   */
  yield(clientId: string, isClean: boolean, done: (session: LentSession | undefined) => boolean): void;
  /**
   * The state of a session lent to a lost node; never answered synchronously. Undefined: it has left, so only logs
   * contain it.
   */
  lookAtLent(session: LentSession, answer: (row: SessionRow | undefined) => void): void;
  /** It belongs to this node again. */
  takeBack(clientId: string, session: LentSession, row: SessionRow): void;
  /** Ends it: no node wants it. */
  endLent(session: LentSession): void;
  /**
   * Another node is stopping: its session of this client moves to this worker (counted from 0), to wait for
   * its client.
   */
  adopt(clientId: string, worker: number): void;
  /** All its sessions, including sessions being claimed. */
  clientIds(): Iterable<string>;
  /** As in the message `held`. */
  stampOf(clientId: string): number;
  /** Ends a session and its connection: another node has a newer one. */
  endOutdated(clientId: string): void;
}

export interface ClientDirectoryOptions {
  readonly incarnation: number;
  readonly key: Uint8Array;
  /** In order; to this node itself too, but never synchronously. */
  send(to: number, message: NodeMessage): void;
  /** False: cut off from the others, so no node can be asked. */
  isReached(): boolean;
  /** A new epoch has been applied. */
  onApplied(): void;
  /** Another node wants an identifier that this node is the directory of. */
  onClaimed(clientId: string): void;
  /** All nodes have heard what this node brought; called once. */
  onHeard(): void;
}

/** What the owner knows of a client identifier. */
interface Entry {
  holder: number;
  /** The stamp of its session, as in the message `held`. */
  stamp: number;
  /** The holder has lent its session, and no node has confirmed receipt. */
  isLent: boolean;
  /** The last yield request before the holder got it: answers to earlier ones are outdated. */
  readonly since: number;
  /** The node that lent the session to the holder, and still has it if the holder never got it; and the session. */
  lender: number | undefined;
  session: LentSession | undefined;
  waiter: Claim | undefined;
  /** The node for which the holder was asked to yield; undefined: none. */
  askedFor: number | undefined;
}

interface Claim {
  readonly from: number;
  readonly claim: number;
  readonly isClean: boolean;
}

/** Of this node. */
interface Pending {
  claim: number;
  readonly isClean: boolean;
  /** Not until the fate of a session that this node lent to a lost node is known. */
  isAsked: boolean;
  later(outcome: Claimed): void;
}

interface Lent extends LentSession {
  to: number;
  /** Another node, which has said that it has taken it. */
  takenBy?: number;
  /** Set once `to` is known to be lost without having received it. */
  row: SessionRow | undefined;
}

/** A node has a session of an identifier that another node may have too. */
interface Rival {
  readonly from: number;
  readonly clientId: string;
  readonly stamp: number;
}

type Held = readonly [slot: number, clientId: string, claim: Claim];
type Early = readonly [from: number, message: NodeMessage];

/** The most identifiers in one message. */
const heldBytesMax = 64 * 1_024;

export class ClientDirectory implements Directory {
  readonly #options: ClientDirectoryOptions;
  #sessions: SessionHolder | undefined;
  #view: View | undefined;
  /** By slot, for the slots that this node owns. */
  readonly #entries: (Map<string, Entry> | undefined)[] = new Array(slotCount).fill(undefined);
  /** By node: the epoch for which it has reported everything it holds. */
  readonly #told = new Map<number, number>();
  /** The lowest of all nodes in the view. */
  #toldByAll = 0;
  /** By node: the epoch for which it has heard everything this node holds. */
  readonly #heard = new Map<number, number>();
  #isHeard = false;
  /** Claims for slots that some nodes have not reported on yet. */
  #held: Held[] = [];
  /** For such slots too: sessions lent to lost nodes. */
  #unclaimed: (readonly [from: number, message: Extract<NodeMessage, { type: 'unclaimed' }>])[] = [];
  /**
   * Identifiers whose holder is lost and may not have received the session, or whose lender is lost. The
   * surviving one reports what it has before it has reported everything for this epoch.
   */
  readonly #returning = new Map<string, number>();
  /** For these identifiers. */
  #rivals: Rival[] = [];
  /** Sessions that were lent when their slots changed owners: the borrower may be lost, or have been refused. */
  #strays: { readonly from: number; readonly clientId: string }[] = [];
  /** Sessions on their way to this node, with their lenders, ... */
  readonly #coming = new Map<string, number>();
  /** ... and those whose lender is lost; until it is known what has arrived, this node has not reported everything. */
  readonly #stranded = new Set<string>();
  /** Lent sessions being checked; until then this node has not reported everything. */
  #looking = 0;
  /** Messages for a view that has not arrived here, with everything their senders sent after them. */
  #early: Early[] = [];
  readonly #pending = new Map<string, Pending>();
  readonly #lent = new Map<string, Lent>();
  #claims = 0;
  #turns = 0;
  #applied = 0;

  constructor(options: ClientDirectoryOptions) {
    this.#options = options;
  }

  /** Before the first view. */
  serve(sessions: SessionHolder): void {
    this.#sessions = sessions;
  }

  /** The epoch for which everyone has reported everything to this node. */
  get applied(): number {
    return this.#applied;
  }
  /** Whether a node has the identifier or has claimed it, if this node is its directory. */
  isClaimed(clientId: string): boolean {
    const isHeld = this.#held.some(([, held]) => held === clientId);
    return isHeld || this.#entries[this.#slotOf(clientId)]?.has(clientId) === true;
  }
  /** Sessions given to other nodes that they have not received yet. */
  get lent(): number {
    return this.#lent.size;
  }
  /** Client identifiers that this node is the directory of. */
  get size(): number {
    return this.#entries.reduce((sum, entries) => sum + (entries?.size ?? 0), 0);
  }

  // --- claiming an identifier ----------------------------------------------------------------------------

  claim(clientId: string, isClean: boolean, later: (outcome: Claimed) => void): boolean | undefined {
    if (!this.#options.isReached() || this.#view === undefined) return false;
    const slot = this.#slotOf(clientId);
    const entries = this.#entries[slot];
    const isFree = entries !== undefined && this.#isReady(slot, clientId) && !entries.has(clientId);
    if (isFree && !this.#mayReturn(clientId)) {
      this.#options.onClaimed(clientId);
      entries.set(clientId, this.#newEntry(this.#options.incarnation));
      this.#endLent(clientId);
      return true;
    }
    const pending: Pending = { claim: ++this.#claims, isClean, isAsked: false, later };
    this.#pending.set(clientId, pending);
    this.#askWhenKnown(clientId);
    return undefined;
  }

  /** This node lent the session to a lost node, and may get it back. */
  #mayReturn(clientId: string): boolean {
    const lent = this.#lent.get(clientId);
    return lent !== undefined && !this.#isThere(lent.to);
  }

  #askWhenKnown(clientId: string): void {
    const pending = this.#pending.get(clientId);
    if (pending === undefined || pending.isAsked || this.#mayReturn(clientId)) return;
    pending.isAsked = true;
    this.#ask(clientId, pending);
  }

  used(clientId: string): void {
    this.#toOwner(clientId, { type: 'used', epoch: this.#epoch, clientId });
  }

  release(clientId: string): void {
    const { incarnation } = this.#options;
    // Immediately: it must not undo a claim that follows.
    if (this.#ownerOf(clientId) === incarnation) this.#onRelease(incarnation, clientId);
    else this.#toOwner(clientId, { type: 'release', epoch: this.#epoch, clientId });
    this.#hasCome(clientId);
  }

  #ask(clientId: string, { claim, isClean }: Pending): void {
    this.#toOwner(clientId, { type: 'claim', epoch: this.#epoch, clientId, claim, isClean });
  }

  #toOwner(clientId: string, message: NodeMessage): void {
    const owner = this.#ownerOf(clientId);
    if (owner !== undefined) this.#options.send(owner, message);
  }

  #ownerOf(clientId: string): number | undefined {
    return this.#view && ownerOfSlot(this.#view, this.#slotOf(clientId))?.incarnation;
  }

  #onGranted(from: number, message: Extract<NodeMessage, { type: 'granted' | 'denied' }>): void {
    const { clientId, claim } = message;
    const pending = this.#pending.get(clientId);
    if (pending?.claim !== claim || this.#ownerOf(clientId) !== from) return; // it has been claimed again
    this.#pending.delete(clientId);
    if (message.type === 'granted') this.#endLent(clientId);
    if (message.type === 'denied') pending.later('denied');
    else pending.later(this.#sessionOf(clientId, message.session));
  }

  /** It is lost if the lender is lost. */
  #sessionOf(clientId: string, session: LentSession | undefined): Claimed {
    const lender =
      session && this.#view && liveNodes(this.#view).find((node) => hasWorker(node, session.worker));
    if (session === undefined || lender === undefined) return 'ours';
    const { key, worker } = session;
    const { incarnation } = lender;
    this.#coming.set(clientId, incarnation);
    return {
      key,
      worker,
      taken: () => {
        this.#options.send(incarnation, { type: 'taken', clientId, key });
        if (this.#stranded.has(clientId)) this.#tellOne(clientId);
        this.#hasCome(clientId);
      },
    };
  }

  /** The fate of a session on its way here is known, and the owner has been told. */
  #hasCome(clientId: string): void {
    this.#coming.delete(clientId);
    if (this.#stranded.delete(clientId)) this.#tellAll();
  }

  #tellOne(clientId: string): void {
    const { epoch } = this.#view ?? { epoch: 0 };
    this.#toOwner(clientId, { type: 'held', epoch, clientIds: [clientId], stamps: [usedStamp], lent: [] });
  }

  // --- holding an identifier ------------------------------------------------------------------------------

  #onYield(from: number, { clientId, turn, to, isClean }: Extract<NodeMessage, { type: 'yield' }>): void {
    const answer = (session: LentSession | undefined): boolean => {
      if (this.#ownerOf(clientId) !== from) {
        if (session === undefined) this.release(clientId); // the new owner was told that it is here
        return false;
      }
      if (session !== undefined && !this.#isThere(to)) return false; // the node that wanted it is lost
      if (session !== undefined) this.#lent.set(clientId, { ...session, to, row: undefined });
      const epoch = this.#epoch;
      this.#options.send(from, { type: 'yielded', epoch, clientId, turn, ...(session && { session }) });
      this.#askWhenKnown(clientId);
      this.#hasCome(clientId);
      return true;
    };
    if (this.#ownerOf(clientId) !== from) return; // the claiming node asks the new owner
    const lent = this.#lent.get(clientId);
    if (lent === undefined) this.#sessions?.yield(clientId, isClean, answer);
    else if (!isClean) answer({ key: lent.key, worker: lent.worker });
    else {
      this.#lent.delete(clientId);
      this.#sessions?.endLent(lent);
      answer(undefined);
    }
  }

  /** Whether a session belongs to another node although it is still with a worker here. */
  isLent(key: number): boolean {
    for (const lent of this.#lent.values()) if (lent.key === key) return true;
    return false;
  }

  #onPassed({ clientId, key, to }: Extract<NodeMessage, { type: 'passed' }>): void {
    const lent = this.#lent.get(clientId);
    if (lent?.key !== key) return;
    lent.to = to;
    if (lent.takenBy === to) this.#lent.delete(clientId);
    this.#askIfUnclaimed(clientId, lent);
    this.#askWhenKnown(clientId);
  }

  /**
   * For when the borrower is lost. If it did not receive the session, the owner decides, since it may have passed
   * it on, or be about to.
   */
  #askIfUnclaimed(clientId: string, lent: Lent): void {
    const sessions = this.#sessions;
    if (this.#isThere(lent.to) || sessions === undefined) return;
    const { key } = lent;
    this.#looking++;
    sessions.lookAtLent(lent, (row) => {
      this.#looking--;
      if (this.#lent.get(clientId) === lent && !this.#isThere(lent.to)) {
        lent.row = row;
        if (row === undefined) this.#forgetLent(clientId);
        else this.#toOwner(clientId, { type: 'unclaimed', epoch: this.#epoch, clientId, key, isWhole: true });
      }
      this.#tellAll();
    });
  }

  #forgetLent(clientId: string): void {
    const key = this.#lent.get(clientId)?.key ?? 0;
    this.#lent.delete(clientId);
    // It may be this node's still, for the owner.
    if (!this.#pending.has(clientId)) this.release(clientId);
    else this.#toOwner(clientId, { type: 'unclaimed', epoch: this.#epoch, clientId, key });
    this.#askWhenKnown(clientId);
  }

  #onReturned(from: number, { clientId, key }: Extract<NodeMessage, { type: 'returned' }>): void {
    const lent = this.#lent.get(clientId);
    if (lent === undefined || this.#ownerOf(clientId) !== from) return;
    if (key === undefined) {
      this.#sessions?.lookAtLent(lent, (row) => {
        if (this.#lent.get(clientId) !== lent || this.#ownerOf(clientId) !== from) return;
        if (row !== undefined) this.#takeBack(clientId, lent, row);
        else this.#forgetLent(clientId);
      });
    } else if (lent.key === key && !this.#isThere(lent.to) && lent.row !== undefined)
      this.#takeBack(clientId, lent, lent.row);
  }

  #takeBack(clientId: string, lent: Lent, row: SessionRow): void {
    const { key } = lent;
    this.#lent.delete(clientId);
    const pending = this.#pending.get(clientId);
    if (pending === undefined) {
      this.#sessions?.takeBack(clientId, lent, row);
      return;
    }
    this.#pending.delete(clientId); // its client has returned to this node
    pending.later({ key, worker: lent.worker, taken: () => {} });
  }

  #onTaken(from: number, { clientId, key }: Extract<NodeMessage, { type: 'taken' }>): void {
    const lent = this.#lent.get(clientId);
    if (lent?.key !== key) return;
    if (lent.to === from) this.#lent.delete(clientId);
    else lent.takenBy = from; // late, of an earlier time that it was lent, or earlier than `passed`
  }

  #onUnwanted(from: number, { clientId, key }: Extract<NodeMessage, { type: 'unwanted' }>): void {
    const lent = this.#lent.get(clientId);
    if (lent?.key !== key || this.#isThere(lent.to) || this.#ownerOf(clientId) !== from) return;
    this.#endLent(clientId);
    this.#askWhenKnown(clientId);
  }

  /** Another session has the identifier now. The borrower of this one has received it, unless that node is lost. */
  #endLent(clientId: string): void {
    const lent = this.#lent.get(clientId);
    if (lent === undefined) return;
    this.#lent.delete(clientId);
    if (!this.#isThere(lent.to)) this.#sessions?.endLent(lent);
  }

  // --- owning slots --------------------------------------------------------------------------------------

  #onClaim(clientId: string, claim: Claim): void {
    const slot = this.#slotOf(clientId);
    const entries = this.#entries[slot];
    if (entries === undefined) return; // the sender will notice, and claim it again
    this.#options.onClaimed(clientId);
    const entry = entries.get(clientId);
    const isWaiting = entry?.waiter?.from === claim.from;
    if (isWaiting && (entry.waiter?.claim ?? 0) > claim.claim) return; // it has claimed it again since
    if (!this.#isReady(slot, clientId)) {
      if (isWaiting) entry.waiter = claim;
      else this.#held.push([slot, clientId, claim]);
      return;
    }
    if (entry === undefined || (entry.holder === claim.from && !entry.isLent)) {
      const turned = entry?.waiter;
      const again = this.#newEntry(claim.from, false, usedStamp, entry?.lender, entry?.session);
      entries.set(clientId, again);
      if (turned !== undefined) this.#deny(clientId, turned);
      this.#grant(clientId, claim, again.session); // it has not received what it was granted before
      return;
    }
    if (entry.waiter !== undefined && !isWaiting) this.#deny(clientId, entry.waiter);
    entry.waiter = claim;
    if (entry.askedFor === undefined) this.#askToYield(clientId, entry, claim);
  }

  #askToYield(clientId: string, entry: Entry, { from: to, isClean }: Claim): void {
    entry.askedFor = to;
    this.#options.send(entry.holder, { type: 'yield', clientId, turn: ++this.#turns, to, isClean });
  }

  #newEntry(
    holder: number,
    isLent = false,
    stamp = usedStamp,
    lender?: number,
    session?: LentSession,
  ): Entry {
    const since = this.#turns;
    return { holder, stamp, isLent, since, lender, session, waiter: undefined, askedFor: undefined };
  }

  #onYielded(from: number, { clientId, turn, session }: Extract<NodeMessage, { type: 'yielded' }>): void {
    const entry = this.#entries[this.#slotOf(clientId)]?.get(clientId);
    if (entry?.holder !== from || turn <= entry.since) return;
    if (session === undefined) this.#onRelease(from, clientId);
    else this.#passOn(clientId, entry, session);
  }

  #onRelease(from: number, clientId: string): void {
    const slot = this.#slotOf(clientId);
    const entries = this.#entries[slot];
    const entry = entries?.get(clientId);
    if (entry?.holder !== from) return;
    if (!this.#isToldByAll) this.#returning.set(clientId, this.#epoch); // another node may have it
    if (entry.waiter === undefined) entries?.delete(clientId);
    else if (this.#isReady(slot, clientId)) this.#passOn(clientId, entry, undefined);
    else this.#wait(slot, clientId, entry);
  }

  /** The waiting node is served once all nodes have reported. */
  #wait(slot: number, clientId: string, { waiter }: Entry): void {
    this.#entries[slot]?.delete(clientId);
    if (waiter !== undefined) this.#held.push([slot, clientId, waiter]);
  }

  /** No node has it any more, except the one waiting for it. */
  #passOn(clientId: string, from: Entry, session: LentSession | undefined): void {
    const { waiter, holder, askedFor } = from;
    if (waiter === undefined) {
      from.isLent = true; // the waiting node is lost
      return;
    }
    const lender = session === undefined ? undefined : holder;
    const entry = this.#newEntry(waiter.from, false, usedStamp, lender, session);
    this.#entries[this.#slotOf(clientId)]?.set(clientId, entry);
    if (session !== undefined && askedFor !== waiter.from)
      this.#options.send(holder, { type: 'passed', clientId, key: session.key, to: waiter.from });
    this.#grant(clientId, waiter, session);
  }

  #grant(clientId: string, { from, claim }: Claim, session: LentSession | undefined): void {
    const sent: NodeMessage = {
      type: 'granted',
      epoch: this.#epoch,
      clientId,
      claim,
      ...(session && { session }),
    };
    this.#options.send(from, sent);
  }

  #deny(clientId: string, { from, claim }: Claim): void {
    this.#options.send(from, { type: 'denied', clientId, claim });
  }

  #onUnclaimed(
    from: number,
    message: Extract<NodeMessage, { type: 'unclaimed' }>,
    areClaimsHeld = false,
  ): void {
    const { clientId } = message;
    const slot = this.#slotOf(clientId);
    const entries = this.#entries[slot];
    if (entries === undefined) return; // the sender will notice, and ask again
    if (!this.#isReady(slot, clientId)) {
      this.#unclaimed.push([from, message]);
      return;
    }
    this.#noteUnclaimed(from, message, entries);
    if (!areClaimsHeld) this.#giveBack(from, message);
  }

  /** The node waiting for the identifier gets the session, or will get it. */
  #noteUnclaimed(
    from: number,
    { clientId, key, isWhole }: Extract<NodeMessage, { type: 'unclaimed' }>,
    entries: Map<string, Entry>,
  ): void {
    const entry = entries.get(clientId);
    const isHolder = entry?.holder === from && entry.isLent;
    if (isHolder && entry.waiter !== undefined) return; // the holder is asked to yield, and lends it again
    if (isHolder && isWhole === true) return;
    if (entry !== undefined && entry.holder !== from && entry.lender === from) return; // it was passed on
    // Any session from a disk is older.
    const isLast = entry === undefined || (entry.holder !== from && entry.stamp !== usedStamp);
    if (isWhole !== true || !isLast) {
      if (isHolder) entries.delete(clientId);
      this.#options.send(from, { type: 'unwanted', clientId, key });
      return;
    }
    const last = this.#newEntry(from, true);
    entries.set(clientId, last);
    if (entry === undefined) return;
    this.#options.send(entry.holder, { type: 'outdated', epoch: this.#epoch, clientId });
    last.waiter = entry.waiter;
    if (last.waiter !== undefined) this.#askToYield(clientId, last, last.waiter);
  }

  /** No node waits for it: it belongs to its lender again. */
  #giveBack(from: number, { clientId, key }: { readonly clientId: string; readonly key?: number }): void {
    const entry = this.#entries[this.#slotOf(clientId)]?.get(clientId);
    if (entry?.holder !== from || !entry.isLent || entry.waiter !== undefined) return;
    entry.isLent = false;
    this.#options.send(from, { type: 'returned', clientId, ...(key !== undefined && { key }) });
  }

  #onHeld(
    from: number,
    clientIds: readonly string[],
    areLent: boolean,
    stamps: readonly number[] = [],
  ): void {
    for (const [index, clientId] of clientIds.entries()) {
      const entries = this.#entries[this.#slotOf(clientId)];
      if (entries === undefined) continue;
      if (areLent) this.#onHeldLent(from, clientId, entries);
      else this.#onHeldOne({ from, clientId, stamp: stamps[index] ?? usedStamp }, entries.get(clientId));
    }
  }

  #onHeldOne(rival: Rival, entry: Entry | undefined): void {
    const { from, clientId } = rival;
    const isOther = entry !== undefined && entry.holder !== from;
    if (isOther && !isBetter(rival, entry) && !this.#isToldByAll)
      this.#returning.set(clientId, this.#epoch); // its holder may miss it
    if (isOther && this.#returning.has(clientId)) this.#rivals.push(rival);
    else this.#settleRival(rival, []);
  }

  #onHeldLent(from: number, clientId: string, entries: Map<string, Entry>): void {
    const entry = entries.get(clientId);
    if (entry?.holder === from) return;
    if (entry?.stamp === usedStamp) {
      entry.lender = from;
      return;
    }
    const lent = this.#newEntry(from, true);
    this.#strays.push({ from, clientId });
    entries.set(clientId, lent);
    // That one is from a disk: it has not been lent by `from`.
    if (entry !== undefined) this.#onHeldOne({ from: entry.holder, clientId, stamp: entry.stamp }, lent);
  }

  /** Two nodes have a session of the identifier. */
  #choose(clientId: string, entry: Entry, from: number, stamp: number): void {
    const { holder } = entry;
    if (holder === from) {
      entry.stamp = Math.max(entry.stamp, stamp);
      return;
    }
    const isLater = !entry.isLent && stamp > entry.stamp;
    this.#options.send(isLater ? holder : from, { type: 'outdated', epoch: this.#epoch, clientId });
    if (!isLater) return;
    const chosen = this.#newEntry(from, false, stamp);
    chosen.waiter = entry.waiter;
    this.#entries[this.#slotOf(clientId)]?.set(clientId, chosen);
    if (chosen.waiter !== undefined) this.#askToYield(clientId, chosen, chosen.waiter);
  }

  /** The holder or its lender has the session, unless it is lost and claimed again: by one of `held`. */
  #settleRival(rival: Rival, held: readonly Held[]): void {
    const { from, clientId, stamp } = rival;
    const entries = this.#entries[this.#slotOf(clientId)];
    const entry = entries?.get(clientId);
    const isClaimed = held.some(([, each, claim]) => each === clientId && claim.from === entry?.holder);
    const isWithLender = entry?.lender !== undefined || entry?.isLent === true;
    if (entry !== undefined && isBetter(rival, entry))
      entries?.set(clientId, this.#newEntry(from, false, stamp, entry.holder));
    else if (entry === undefined || (isClaimed && !isWithLender))
      entries?.set(clientId, this.#newEntry(from, false, stamp));
    else this.#choose(clientId, entry, from, stamp);
  }

  #onUsed(from: number, clientId: string): void {
    const entry = this.#entries[this.#slotOf(clientId)]?.get(clientId);
    if (entry?.holder === from) entry.stamp = usedStamp;
  }

  #onHeldAll(from: number, epoch: number): void {
    this.#told.set(from, Math.max(this.#toldBy(from), epoch));
    this.#noteTold();
    this.#options.send(from, { type: 'heard', epoch: this.#epoch });
    this.#goOn();
  }

  #onHeard(from: number, epoch: number): void {
    this.#heard.set(from, epoch);
    this.#noteHeard();
  }
  #noteHeard(): void {
    const view = this.#view;
    if (this.#isHeard || view === undefined) return;
    if (!liveNodes(view).every(({ incarnation }) => this.#heard.has(incarnation))) return;
    this.#isHeard = true;
    this.#options.onHeard();
  }

  #onOutdated(from: number, clientId: string): void {
    if (this.#ownerOf(clientId) === from) this.#sessions?.endOutdated(clientId);
  }

  /** All nodes have reported what they hold of the slot, and of the identifier. */
  #isReady(slot: number, clientId?: string): boolean {
    const returning = clientId === undefined ? undefined : this.#returning.get(clientId);
    const since = Math.max(this.#view?.since[slot] ?? 0, returning ?? 0);
    return this.#view !== undefined && this.#toldByAll >= since;
  }

  /** Everyone has reported what it has since the last node came or was lost. */
  get #isToldByAll(): boolean {
    return this.#toldByAll >= this.#epoch;
  }

  #noteTold(): void {
    const nodes = this.#view === undefined ? [] : liveNodes(this.#view);
    this.#toldByAll = Math.min(...nodes.map((node) => this.#toldBy(node.incarnation)));
  }

  #toldBy(incarnation: number): number {
    return this.#told.get(incarnation) ?? 0;
  }

  // --- views --------------------------------------------------------------------------------------------

  onView(view: View): void {
    const before = this.#view;
    this.#view = view;
    this.#noteTold();
    for (let slot = 0; slot < slotCount; slot++) {
      const isOurs = ownerOfSlot(view, slot)?.incarnation === this.#options.incarnation;
      const isNew = before?.since[slot] !== view.since[slot];
      if (isOurs && (isNew || this.#entries[slot] === undefined)) this.#entries[slot] = new Map();
      else if (!isOurs) this.#entries[slot] = undefined;
    }
    const isAnyLost =
      before !== undefined && liveNodes(before).some((node) => !this.#isThere(node.incarnation));
    this.#forgetLost(view, isAnyLost);
    this.#tellHeld(view, before);
    this.#held = this.#held.filter(([slot]) => this.#entries[slot] !== undefined);
    this.#rivals = this.#rivals.filter(({ clientId }) => this.#entries[this.#slotOf(clientId)] !== undefined);
    for (const [clientId, pending] of this.#pending) {
      const slot = this.#slotOf(clientId);
      if (before?.since[slot] !== view.since[slot]) pending.isAsked = false; // the new owner is asked
      if (isAnyLost && pending.isAsked) {
        pending.isAsked = false; // what was granted may have been the lost node's
        pending.claim = ++this.#claims;
      }
      this.#askWhenKnown(clientId);
    }
    this.#tellAll();
    const early = this.#early;
    this.#early = [];
    for (const [from, message] of early) this.onMessage(from, message);
    this.#noteHeard();
    this.#goOn();
  }

  #isThere(incarnation: number): boolean {
    return this.#view !== undefined && nodeOf(this.#view, incarnation) !== undefined;
  }

  /** Nodes that held identifiers, waited for them or borrowed sessions, and have left the cluster. */
  #forgetLost(view: View, isAnyLost: boolean): void {
    const isLost = (incarnation: number): boolean => !this.#isThere(incarnation);
    const heirs = new Map<number, number>();
    for (const { incarnation, standsFor } of liveNodes(view))
      if (standsFor !== undefined) heirs.set(standsFor, incarnation);
    for (const [from] of this.#told) if (isLost(from)) this.#told.delete(from);
    this.#early = this.#early.filter(([from]) => !isLost(from));
    this.#held = this.#held.filter(([, , { from }]) => !isLost(from));
    this.#unclaimed = this.#unclaimed.filter(([from]) => !isLost(from));
    this.#rivals = this.#rivals.filter(({ from }) => !isLost(from));
    this.#strays = this.#strays.filter(({ from }) => !isLost(from));
    for (const [clientId, lender] of this.#coming) if (isLost(lender)) this.#stranded.add(clientId);
    for (const [slot, entries] of this.#entries.entries()) {
      for (const [clientId, entry] of entries ?? []) {
        if (entry.waiter !== undefined && isLost(entry.waiter.from)) {
          entry.waiter = undefined;
          entry.askedFor = undefined;
        }
        const isLenderLost = entry.lender !== undefined && isLost(entry.lender);
        if (isLenderLost) entry.lender = entry.session = undefined;
        if (!isLost(entry.holder)) {
          // A node that is lost may have what was lent to it in its log, and the lender no more.
          if (isLenderLost || (entry.isLent && isAnyLost)) this.#returning.set(clientId, view.epoch);
          continue;
        }
        if (entry.lender !== undefined || isLenderLost || this.#returning.has(clientId)) {
          this.#returning.set(clientId, view.epoch);
          this.#wait(slot, clientId, entry);
          continue;
        }
        const heir = heirs.get(entry.holder);
        if (heir !== undefined) {
          entry.holder = heir;
          entry.askedFor = undefined;
          if (entry.waiter !== undefined) this.#askToYield(clientId, entry, entry.waiter);
          continue;
        }
        if (entry.waiter === undefined) entries?.delete(clientId);
        else this.#passOn(clientId, entry, undefined);
      }
    }
    for (const [clientId, lent] of this.#lent) this.#askIfUnclaimed(clientId, lent);
  }

  /**
   * Reports what this node has to the new owners of slots. Sessions lent to lost nodes that did not receive them
   * are reported as `unclaimed`.
   */
  #tellHeld(view: View, before: View | undefined): void {
    const isNew = (clientId: string): boolean => {
      const slot = this.#slotOf(clientId);
      return before?.since[slot] !== view.since[slot];
    };
    const held = new Map<number, Batch>();
    const add = (clientId: string, list: 'clientIds' | 'lent'): void => {
      const owner = isNew(clientId) ? ownerOfSlot(view, this.#slotOf(clientId))?.incarnation : undefined;
      if (owner === undefined) return;
      const batch = held.get(owner) ?? newBatch();
      held.set(owner, batch);
      batch[list].push(clientId);
      if (list === 'clientIds') batch.stamps.push(this.#sessions?.stampOf(clientId) ?? usedStamp);
      batch.bytes += clientId.length;
      if (batch.bytes < heldBytesMax) return;
      this.#sendHeld(view, owner, batch);
      held.delete(owner);
    };
    for (const clientId of this.#sessions?.clientIds() ?? [])
      if (!this.#pending.has(clientId) && !this.#stranded.has(clientId)) add(clientId, 'clientIds');
    for (const [clientId, { to }] of this.#lent) if (this.#isThere(to)) add(clientId, 'lent');
    for (const [owner, batch] of held) this.#sendHeld(view, owner, batch);
  }

  #tellAll(): void {
    const view = this.#view;
    if (view === undefined || this.#looking > 0 || this.#stranded.size > 0) return;
    for (const { incarnation } of liveNodes(view))
      this.#options.send(incarnation, { type: 'heldAll', epoch: view.epoch });
  }

  #sendHeld(view: View, owner: number, { clientIds, stamps, lent }: Batch): void {
    this.#options.send(owner, { type: 'held', epoch: view.epoch, clientIds, stamps, lent });
  }

  /** Serves claims that were waiting, and reports the view as applied. */
  #goOn(): void {
    const view = this.#view;
    if (view === undefined) return;
    const held = this.#held;
    this.#held = [];
    const unclaimed = this.#unclaimed;
    this.#unclaimed = [];
    for (const [clientId, epoch] of this.#returning)
      if (this.#toldByAll >= epoch) this.#returning.delete(clientId);
    for (const [from, message] of unclaimed)
      if (message.isWhole !== true) this.#onUnclaimed(from, message, true);
    const rivals = this.#rivals;
    this.#rivals = [];
    for (const rival of rivals)
      if (this.#returning.has(rival.clientId)) this.#rivals.push(rival);
      else this.#settleRival(rival, held);
    for (const [from, message] of unclaimed)
      if (message.isWhole === true) this.#onUnclaimed(from, message, true);
    for (const [, clientId, claim] of held) this.#onClaim(clientId, claim);
    for (const [from, message] of unclaimed)
      if (this.#isReady(this.#slotOf(message.clientId), message.clientId)) this.#giveBack(from, message);
    const strays = this.#strays;
    this.#strays = [];
    for (const stray of strays)
      if (this.#isReady(this.#slotOf(stray.clientId))) this.#giveBack(stray.from, stray);
      else this.#strays.push(stray);
    const applied = Math.min(view.epoch, this.#toldByAll);
    if (applied <= this.#applied) return;
    this.#applied = applied;
    this.#options.onApplied();
  }

  // --- messages -----------------------------------------------------------------------------------------

  get #epoch(): number {
    return this.#view?.epoch ?? 0;
  }

  #slotOf(clientId: string): number {
    return slotOfClientId(clientId, this.#options.key);
  }

  /** News, questions, answers and wills are handled elsewhere. */
  onMessage(from: number, message: NodeMessage): void {
    const isEarly = 'epoch' in message && (message.epoch ?? 0) > this.#epoch;
    if (isEarly || this.#early.some(([sender]) => sender === from)) {
      this.#early.push([from, message]);
      return;
    }
    switch (message.type) {
      case 'claim':
        this.#onClaim(message.clientId, { from, claim: message.claim, isClean: message.isClean });
        break;
      case 'granted':
      case 'denied':
        this.#onGranted(from, message);
        break;
      case 'release':
        this.#onRelease(from, message.clientId);
        break;
      case 'yield':
        this.#onYield(from, message);
        break;
      case 'yielded':
        this.#onYielded(from, message);
        break;
      case 'passed':
        this.#onPassed(message);
        break;
      case 'taken':
        this.#onTaken(from, message);
        break;
      case 'unclaimed':
        this.#onUnclaimed(from, message);
        break;
      case 'returned':
        this.#onReturned(from, message);
        break;
      case 'unwanted':
        this.#onUnwanted(from, message);
        break;
      case 'held':
        this.#onHeld(from, message.clientIds, false, message.stamps);
        this.#onHeld(from, message.lent, true);
        break;
      case 'heldAll':
        this.#onHeldAll(from, message.epoch);
        break;
      case 'heard':
        this.#onHeard(from, message.epoch);
        break;
      case 'used':
        this.#onUsed(from, message.clientId);
        break;
      case 'outdated':
        this.#onOutdated(from, message.clientId);
        break;
      case 'adopt':
      case 'will':
      case 'willOver':
      case 'willDue':
      case 'asked':
      case 'answered':
      case 'news':
        break;
    }
  }
}

/** A node that has a session knows more than the one that lent it. */
function isBetter({ stamp }: Rival, { isLent }: Entry): boolean {
  return isLent && stamp === usedStamp;
}

interface Batch {
  readonly clientIds: string[];
  readonly stamps: number[];
  readonly lent: string[];
  bytes: number;
}

function newBatch(): Batch {
  return { clientIds: [], stamps: [], lent: [], bytes: 0 };
}

function hasWorker(
  node: { readonly firstWorker: number; readonly workers: number },
  worker: number,
): boolean {
  return worker >= node.firstWorker && worker < node.firstWorker + node.workers;
}
