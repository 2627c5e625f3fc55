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
import { type LentSession, type MessageOf, type NodeMessage, usedStamp } from './node-messages.ts';
import { SlotOwner, type SlotOwnerOptions } from './slot-owner.ts';
import { slotOfClientId } from './slots.ts';
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
   * its client. `isWillKept`: other nodes keep its will from then on. False: it does not come.
   */
  adopt(clientId: string, worker: number, isWillKept: boolean): boolean;
  /** All its sessions, including sessions being claimed. */
  clientIds(): Iterable<string>;
  /** As in the message `held`. */
  stampOf(clientId: string): number;
  /** Ends a session and its connection: another node has a newer one. */
  endOutdated(clientId: string): void;
}

export interface ClientDirectoryOptions extends SlotOwnerOptions {
  /** False: cut off from the others, so no node can be asked. */
  isReached(): boolean;
  /** All nodes have heard what this node brought; called once. */
  onHeard(): void;
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

type Early = readonly [from: number, message: NodeMessage];

/** The most identifiers in one message. */
const heldBytesMax = 64 * 1_024;

export class ClientDirectory implements Directory {
  readonly #options: ClientDirectoryOptions;
  readonly #owner: SlotOwner;
  #sessions: SessionHolder | undefined;
  #view: View | undefined;
  /** By node: the epoch for which it has heard everything this node holds. */
  readonly #heard = new Map<number, number>();
  #isHeard = false;
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

  constructor(options: ClientDirectoryOptions) {
    this.#options = options;
    this.#owner = new SlotOwner(options);
  }

  /** Before the first view. */
  serve(sessions: SessionHolder): void {
    this.#sessions = sessions;
  }

  /** The epoch for which everyone has reported everything to this node. */
  get applied(): number {
    return this.#owner.applied;
  }
  /** Whether a client has come with the identifier, on any node, if this node is its directory. */
  isClaimed(clientId: string): boolean {
    return this.#owner.isClaimed(clientId);
  }
  /** Sessions given to other nodes that they have not received yet. */
  get lent(): number {
    return this.#lent.size;
  }
  /** Client identifiers that this node is the directory of. */
  get size(): number {
    return this.#owner.size;
  }

  // --- claiming an identifier ----------------------------------------------------------------------------

  claim(clientId: string, isClean: boolean, later: (outcome: Claimed) => void): boolean | undefined {
    if (!this.#options.isReached() || this.#view === undefined) return false;
    if (!this.#mayReturn(clientId) && this.#owner.claimFree(clientId)) {
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
    if (this.#ownerOf(clientId) === incarnation) this.#owner.onRelease(incarnation, clientId);
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

  #onGranted(from: number, message: MessageOf<'granted' | 'denied'>): void {
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

  #onYield(from: number, { clientId, turn, to, isClean }: MessageOf<'yield'>): void {
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

  #onPassed({ clientId, key, to }: MessageOf<'passed'>): void {
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

  #onReturned(from: number, { clientId, key }: MessageOf<'returned'>): void {
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

  #onTaken(from: number, { clientId, key }: MessageOf<'taken'>): void {
    const lent = this.#lent.get(clientId);
    if (lent?.key !== key) return;
    if (lent.to === from) this.#lent.delete(clientId);
    else lent.takenBy = from; // late, of an earlier time that it was lent, or earlier than `passed`
  }

  #onUnwanted(from: number, { clientId, key }: MessageOf<'unwanted'>): void {
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

  // --- views --------------------------------------------------------------------------------------------

  onView(view: View): void {
    const before = this.#view;
    this.#view = view;
    const isAnyLost =
      before !== undefined && liveNodes(before).some((node) => !this.#isThere(node.incarnation));
    this.#owner.onView(view, isAnyLost);
    this.#early = this.#early.filter(([from]) => this.#isThere(from));
    for (const [clientId, lender] of this.#coming) if (!this.#isThere(lender)) this.#stranded.add(clientId);
    for (const [clientId, lent] of this.#lent) this.#askIfUnclaimed(clientId, lent);
    this.#tellHeld(view, before);
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
    this.#owner.goOn();
  }

  #isThere(incarnation: number): boolean {
    return this.#view !== undefined && nodeOf(this.#view, incarnation) !== undefined;
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
        this.#owner.onClaim(message.clientId, { from, claim: message.claim, isClean: message.isClean });
        break;
      case 'granted':
      case 'denied':
        this.#onGranted(from, message);
        break;
      case 'release':
        this.#owner.onRelease(from, message.clientId);
        break;
      case 'yield':
        this.#onYield(from, message);
        break;
      case 'yielded':
        this.#owner.onYielded(from, message);
        break;
      case 'passed':
        this.#onPassed(message);
        break;
      case 'taken':
        this.#onTaken(from, message);
        break;
      case 'unclaimed':
        this.#owner.onUnclaimed(from, message);
        break;
      case 'returned':
        this.#onReturned(from, message);
        break;
      case 'unwanted':
        this.#onUnwanted(from, message);
        break;
      case 'held':
        this.#owner.onHeld(from, message);
        break;
      case 'heldAll':
        this.#owner.onHeldAll(from, message.epoch);
        break;
      case 'heard':
        this.#onHeard(from, message.epoch);
        break;
      case 'used':
        this.#owner.onUsed(from, message.clientId);
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
