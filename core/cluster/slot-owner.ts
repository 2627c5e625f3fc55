/**
 * Which node has which client identifier, for the slots that this node owns (main thread): their directory, with
 * which all nodes claim identifiers. The protocol, and a node's own part in it: client-directory.ts.
 */
import { type LentSession, type MessageOf, type NodeMessage, usedStamp } from './node-messages.ts';
import { slotCount, slotOfClientId } from './slots.ts';
import { liveNodes, type NodeEntry, nodeOf, ownerOfSlot, type View } from './view.ts';

export interface SlotOwnerOptions {
  readonly incarnation: number;
  readonly key: Uint8Array;
  /** In order; to this node itself too, but never synchronously. */
  send(to: number, message: NodeMessage): void;
  /** A new epoch has been applied. */
  onApplied(): void;
  /** A client has come with an identifier that this node is the directory of. */
  onClaimed(clientId: string): void;
}

/** What the owner knows of a client identifier. */
interface Entry {
  holder: number;
  /** The stamp of its session, as in the message `held`. */
  stamp: number;
  /** The holder has lent its session, and no node has confirmed receipt. */
  isLent: boolean;
  /** The last yield request before the holder got it: answers to earlier ones are outdated. */
  since: number;
  /** The node that lent the session to the holder, and still has it if the holder never got it; and the session. */
  lender: number | undefined;
  session: LentSession | undefined;
  waiter: Claim | undefined;
  /** The node for which the holder was asked to yield; undefined: none. */
  askedFor: number | undefined;
}

export interface Claim {
  readonly from: number;
  readonly claim: number;
  readonly isClean: boolean;
}

/** A node has a session of an identifier that another node may have too. */
interface Rival {
  readonly from: number;
  readonly clientId: string;
  readonly stamp: number;
}

type Unclaimed = readonly [from: number, message: MessageOf<'unclaimed'>];

export class SlotOwner {
  readonly #options: SlotOwnerOptions;
  #view: View | undefined;
  /** By slot, for the slots that this node owns. */
  readonly #entries: (Map<string, Entry> | undefined)[] = new Array(slotCount).fill(undefined);
  /** By node: the epoch for which it has reported everything it holds. */
  readonly #told = new Map<number, number>();
  /** The lowest of all nodes in the view. */
  #toldByAll = 0;
  /** By client identifier, in order: claims for slots that some nodes have not reported on yet. The last one of each node. */
  #held = new Map<string, Claim[]>();
  /** For such slots too: sessions lent to lost nodes. */
  #unclaimed: Unclaimed[] = [];
  /**
   * Identifiers whose holder is lost and may not have received the session, or is back with it, or whose lender is lost. The
   * surviving one reports what it has before it has reported everything for this epoch.
   */
  readonly #returning = new Map<string, number>();
  /** For these identifiers. */
  #rivals: Rival[] = [];
  /** Sessions that were lent when their slots changed owners: the borrower may be lost, or have been refused. */
  #strays: { readonly from: number; readonly clientId: string }[] = [];
  #turns = 0;
  #applied = 0;

  constructor(options: SlotOwnerOptions) {
    this.#options = options;
  }

  /** The epoch for which everyone has reported everything to this node. */
  get applied(): number {
    return this.#applied;
  }
  /** Client identifiers in the slots of this node. */
  get size(): number {
    return this.#entries.reduce((sum, entries) => sum + (entries?.size ?? 0), 0);
  }
  /**
   * Whether a client has come with the identifier, on any node, if its slot is this node's. None has for a session that
   * a node has brought from its disk, until the session is used.
   */
  isClaimed(clientId: string): boolean {
    const entry = this.#entryOf(clientId);
    return this.#held.has(clientId) || entry?.stamp === usedStamp || entry?.waiter !== undefined;
  }

  // --- claims ---------------------------------------------------------------------------------------------

  /** For this node itself: true if the slot is its own and no node has the identifier. */
  claimFree(clientId: string): boolean {
    const entries = this.#entriesOf(clientId);
    if (entries === undefined || !this.#isReady(clientId) || entries.has(clientId)) return false;
    this.#options.onClaimed(clientId);
    entries.set(clientId, this.#newEntry(this.#options.incarnation));
    return true;
  }

  onClaim(clientId: string, claim: Claim): void {
    const entries = this.#entriesOf(clientId);
    if (entries === undefined) return; // the sender will notice, and claim it again
    this.#options.onClaimed(clientId);
    const entry = entries.get(clientId);
    const isWaiting = entry?.waiter?.from === claim.from;
    const isHolder = entry?.holder === claim.from && !entry.isLent;
    if (isWaiting && (entry.waiter?.claim ?? 0) > claim.claim) return; // it has claimed it again since
    if (isHolder) entry.since = this.#turns; // it has not received what it was granted, and so cannot yield it
    const isReady = this.#isReady(clientId);
    if (!isReady && isWaiting) {
      entry.waiter = claim;
      return;
    }
    if (!isReady || this.#held.has(clientId)) {
      this.#hold(clientId, claim); // also behind earlier ones, which are about to be served
      return;
    }
    if (entry === undefined || isHolder) {
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

  #hold(clientId: string, claim: Claim): void {
    const held = this.#held.get(clientId) ?? [];
    const [earlier] = held.filter(({ from }) => from === claim.from);
    if (earlier !== undefined && earlier.claim > claim.claim) return;
    this.#held.set(clientId, [...held.filter((each) => each !== earlier), claim]);
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

  onYielded(from: number, { clientId, turn, session }: MessageOf<'yielded'>): void {
    const entry = this.#entryOf(clientId);
    if (entry?.holder !== from || turn <= entry.since) return;
    if (session === undefined) this.onRelease(from, clientId);
    else this.#passOn(clientId, entry, session);
  }

  onRelease(from: number, clientId: string): void {
    const entries = this.#entriesOf(clientId);
    const entry = entries?.get(clientId);
    if (entry?.holder !== from) return;
    if (!this.#isToldByAll) this.#returning.set(clientId, this.#epoch); // another node may have it
    if (entry.waiter === undefined) entries?.delete(clientId);
    else if (this.#isReady(clientId)) this.#passOn(clientId, entry, undefined);
    else this.#wait(clientId, entry);
  }

  /** The waiting node is served once all nodes have reported. */
  #wait(clientId: string, { waiter }: Entry): void {
    this.#entriesOf(clientId)?.delete(clientId);
    if (waiter !== undefined) this.#hold(clientId, waiter);
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
    this.#entriesOf(clientId)?.set(clientId, entry);
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

  // --- sessions lent to lost nodes ------------------------------------------------------------------------

  onUnclaimed(from: number, message: MessageOf<'unclaimed'>, areClaimsHeld = false): void {
    const { clientId } = message;
    const entries = this.#entriesOf(clientId);
    if (entries === undefined) return; // the sender will notice, and ask again
    if (!this.#isReady(clientId)) {
      this.#unclaimed.push([from, message]);
      return;
    }
    this.#noteUnclaimed(from, message, entries);
    if (!areClaimsHeld) this.#giveBack(from, message);
  }

  /** The node waiting for the identifier gets the session, or will get it. */
  #noteUnclaimed(
    from: number,
    { clientId, key, isWhole }: MessageOf<'unclaimed'>,
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
    const entry = this.#entryOf(clientId);
    if (entry?.holder !== from || !entry.isLent || entry.waiter !== undefined) return;
    entry.isLent = false;
    this.#options.send(from, { type: 'returned', clientId, ...(key !== undefined && { key }) });
  }

  // --- what the nodes report --------------------------------------------------------------------------------

  onHeld(from: number, { clientIds, stamps, lent }: MessageOf<'held'>): void {
    for (const [index, clientId] of clientIds.entries())
      this.#onHeldOne({ from, clientId, stamp: stamps[index] ?? usedStamp });
    for (const clientId of lent) this.#onHeldLent(from, clientId);
  }

  #onHeldOne(rival: Rival): void {
    const { from, clientId } = rival;
    const entries = this.#entriesOf(clientId);
    if (entries === undefined) return; // the sender will notice, and tell the new owner
    const entry = entries.get(clientId);
    const isOther = entry !== undefined && entry.holder !== from;
    if (isOther && !isBetter(rival, entry) && !this.#isToldByAll) this.#returning.set(clientId, this.#epoch); // its holder may miss it
    if (isOther && this.#returning.has(clientId)) this.#rivals.push(rival);
    else this.#settleRival(rival, new Map());
  }

  #onHeldLent(from: number, clientId: string): void {
    const entries = this.#entriesOf(clientId);
    const entry = entries?.get(clientId);
    if (entries === undefined || entry?.holder === from) return;
    if (entry?.stamp === usedStamp) {
      entry.lender = from;
      return;
    }
    this.#strays.push({ from, clientId });
    entries.set(clientId, this.#newEntry(from, true));
    // That one is from a disk: `from` has not lent it.
    if (entry !== undefined) this.#onHeldOne({ from: entry.holder, clientId, stamp: entry.stamp });
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
    this.#entriesOf(clientId)?.set(clientId, chosen);
    if (chosen.waiter !== undefined) this.#askToYield(clientId, chosen, chosen.waiter);
  }

  /** The holder or its lender has the session, unless it is lost and claimed again: by one of `held`. */
  #settleRival(rival: Rival, held: ReadonlyMap<string, readonly Claim[]>): void {
    const { from, clientId, stamp } = rival;
    const entries = this.#entriesOf(clientId);
    const entry = entries?.get(clientId);
    const isClaimed = held.get(clientId)?.some((claim) => claim.from === entry?.holder) === true;
    const isWithLender = entry?.lender !== undefined || entry?.isLent === true;
    if (entry !== undefined && isBetter(rival, entry))
      entries?.set(clientId, this.#newEntry(from, false, stamp, entry.holder));
    else if (entry === undefined || (isClaimed && !isWithLender))
      entries?.set(clientId, this.#newEntry(from, false, stamp));
    else this.#choose(clientId, entry, from, stamp);
  }

  onUsed(from: number, clientId: string): void {
    const entry = this.#entryOf(clientId);
    if (entry?.holder !== from) return;
    entry.stamp = usedStamp;
    this.#options.onClaimed(clientId);
  }

  onHeldAll(from: number, epoch: number): void {
    this.#told.set(from, Math.max(this.#toldBy(from), epoch));
    this.#noteTold();
    this.#options.send(from, { type: 'heard', epoch: this.#epoch });
    this.goOn();
  }

  /** All nodes have reported what they hold of the slot, and of the identifier. */
  #isReady(clientId: string): boolean {
    const slotSince = this.#view?.since[slotOfClientId(clientId, this.#options.key)] ?? 0;
    const since = Math.max(slotSince, this.#returning.get(clientId) ?? 0);
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

  // --- views ------------------------------------------------------------------------------------------------

  /** goOn() follows, once this node has reported what it has. `isAnyLost`: of the view before. */
  onView(view: View, isAnyLost: boolean): void {
    const before = this.#view;
    this.#view = view;
    this.#noteTold();
    for (let slot = 0; slot < slotCount; slot++) {
      const isOurs = ownerOfSlot(view, slot)?.incarnation === this.#options.incarnation;
      const isNew = before?.since[slot] !== view.since[slot];
      if (isOurs && (isNew || this.#entries[slot] === undefined)) this.#entries[slot] = new Map();
      else if (!isOurs) this.#entries[slot] = undefined;
    }
    const isOver = (from: number, clientId: string): boolean =>
      !this.#isThere(from) || this.#entriesOf(clientId) === undefined;
    for (const [from] of this.#told) if (!this.#isThere(from)) this.#told.delete(from);
    for (const [clientId, claims] of this.#held) {
      const left = claims.filter(({ from }) => !isOver(from, clientId));
      if (left.length > 0) this.#held.set(clientId, left);
      else this.#held.delete(clientId);
    }
    this.#rivals = this.#rivals.filter(({ from, clientId }) => !isOver(from, clientId));
    this.#unclaimed = this.#unclaimed.filter(([from]) => this.#isThere(from));
    this.#strays = this.#strays.filter(({ from }) => this.#isThere(from));
    this.#forgetLost(view, isAnyLost, restartedNodes(view, before));
  }

  /** Nodes that held identifiers, or waited for or lent them, and have left the cluster. */
  #forgetLost(view: View, isAnyLost: boolean, restarted: ReadonlySet<number>): void {
    const heirs = new Map<number, number>();
    for (const { incarnation, standsFor } of liveNodes(view))
      if (standsFor !== undefined) heirs.set(standsFor, incarnation);
    for (const entries of this.#entries)
      for (const [clientId, entry] of entries ?? []) {
        if (entry.waiter !== undefined && !this.#isThere(entry.waiter.from))
          entry.waiter = entry.askedFor = undefined;
        const isLenderLost = entry.lender !== undefined && !this.#isThere(entry.lender);
        if (isLenderLost) entry.lender = entry.session = undefined;
        const isLender = entry.lender !== undefined || isLenderLost;
        if (!this.#isThere(entry.holder)) {
          const isOpen = isLender || restarted.has(entry.holder);
          this.#loseHolder(clientId, entry, isOpen, heirs);
          continue;
        }
        // A node that is lost may have what was lent to it in its log, and the lender no more.
        if (isLenderLost || (entry.isLent && isAnyLost)) this.#returning.set(clientId, view.epoch);
        // A holder that knows already that the node is lost for which it was asked does not answer.
        const isAskedInVain = entry.askedFor !== undefined && !this.#isThere(entry.askedFor);
        if (isAskedInVain && entry.waiter !== undefined) this.#askToYield(clientId, entry, entry.waiter);
      }
  }

  /** `isOpen`: a node that is there may have the session, and reports it then. */
  #loseHolder(clientId: string, entry: Entry, isOpen: boolean, heirs: ReadonlyMap<number, number>): void {
    const heir = heirs.get(entry.holder);
    if (isOpen || this.#returning.has(clientId)) {
      this.#returning.set(clientId, this.#epoch);
      this.#wait(clientId, entry);
    } else if (heir !== undefined) {
      entry.holder = heir;
      entry.askedFor = undefined;
      if (entry.waiter !== undefined) this.#askToYield(clientId, entry, entry.waiter);
    } else if (entry.waiter === undefined) this.#entriesOf(clientId)?.delete(clientId);
    else this.#passOn(clientId, entry, undefined);
  }

  /** Serves claims that were waiting, and reports the view as applied. */
  goOn(): void {
    const view = this.#view;
    if (view === undefined) return;
    const held = this.#held;
    this.#held = new Map();
    const unclaimed = this.#unclaimed;
    this.#unclaimed = [];
    for (const [clientId, epoch] of this.#returning)
      if (this.#toldByAll >= epoch) this.#returning.delete(clientId);
    for (const [from, message] of unclaimed)
      if (message.isWhole !== true) this.onUnclaimed(from, message, true);
    const rivals = this.#rivals;
    this.#rivals = [];
    for (const rival of rivals)
      if (this.#returning.has(rival.clientId)) this.#rivals.push(rival);
      else this.#settleRival(rival, held);
    for (const [from, message] of unclaimed)
      if (message.isWhole === true) this.onUnclaimed(from, message, true);
    for (const [clientId, claims] of held) for (const claim of claims) this.onClaim(clientId, claim);
    for (const [from, message] of unclaimed)
      if (this.#isReady(message.clientId)) this.#giveBack(from, message);
    const strays = this.#strays;
    this.#strays = [];
    for (const stray of strays)
      if (this.#isReady(stray.clientId)) this.#giveBack(stray.from, stray);
      else this.#strays.push(stray);
    const applied = Math.min(view.epoch, this.#toldByAll);
    if (applied <= this.#applied) return;
    this.#applied = applied;
    this.#options.onApplied();
  }

  get #epoch(): number {
    return this.#view?.epoch ?? 0;
  }

  #isThere(incarnation: number): boolean {
    return this.#view !== undefined && nodeOf(this.#view, incarnation) !== undefined;
  }

  #entriesOf(clientId: string): Map<string, Entry> | undefined {
    return this.#entries[slotOfClientId(clientId, this.#options.key)];
  }
  #entryOf(clientId: string): Entry | undefined {
    return this.#entriesOf(clientId)?.get(clientId);
  }
}

/** Nodes that are lost, and back in the same view: under the same name, or with the same log. */
function restartedNodes(view: View, before: View | undefined): ReadonlySet<number> {
  const come = liveNodes(view).filter(
    ({ incarnation, standsFor }) =>
      standsFor === undefined && (before === undefined || nodeOf(before, incarnation) === undefined),
  );
  const isBack = (lost: NodeEntry): boolean =>
    come.some(({ name, stream }) => name === lost.name || (stream !== undefined && stream === lost.stream));
  const lost = before === undefined ? [] : liveNodes(before).filter(isBack);
  return new Set(lost.map(({ incarnation }) => incarnation));
}

/** A node that has a session knows more than the one that lent it. */
function isBetter({ stamp }: Rival, { isLent }: Entry): boolean {
  return isLent && stamp === usedStamp;
}
