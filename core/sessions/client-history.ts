/**
 * The recent events of each client (main thread), so that an operator can see why one was disconnected:
 *
 *     client identifier -> [ connected | subscription refused | disconnected, with the reason | ... ]   the last 32
 *
 * A client that has left is remembered for an hour. The number of all events is limited (`clientEventsMax`); beyond it, those
 * of the client with the oldest last event are removed first. Clients are in the order of their last event. Messages
 * that a client does not get for the same reason are one event, until something else happens to it.
 */
import type { Limits } from '../config/limits.ts';
import type { Clock } from './timers.ts';

export const clientEventKinds = [
  'connected',
  'refused',
  'reauthenticated',
  'subscriptionRefused',
  'dropped',
  'disconnectAsked',
  'subscribeAsked',
  'unsubscribeAsked',
  'disconnected',
] as const;
export type ClientEventKind = (typeof clientEventKinds)[number];

export interface ClientEvent {
  /** Wall-clock time. */
  readonly atMs: number;
  readonly kind: ClientEventKind;
  /** The specification's name of the reason code, or why messages were dropped; undefined if there is none. */
  readonly reason?: string | undefined;
  /** A sentence for people. */
  readonly detail: string;
  /** For `dropped`: the number, and since when, in wall-clock time. */
  readonly messages?: number;
  readonly sinceMs?: number;
}

/** A client that missed messages, while its events are kept. */
export interface DropsOfClient {
  readonly messages: number;
  /** Of the last one, in wall-clock time. */
  readonly atMs: number;
  readonly reason: string;
}

export interface ClientHistoryOptions {
  readonly clock: Clock;
  /** The wall clock. */
  now(): number;
  readonly limits: Pick<Limits, 'clientEventsMax'>;
}

/** A client, in a list that begins with the one whose last event is oldest. */
interface Remembered {
  readonly clientId: string;
  events: ClientEvent[];
  /** On the clock; undefined while the client is connected. */
  leftAtMs: number | undefined;
  drops: DropsOfClient | undefined;
  before: Remembered | undefined;
  behind: Remembered | undefined;
}

const eventsPerClientMax = 32;
const rememberedMs = 3_600_000;

export class ClientHistory {
  readonly #options: ClientHistoryOptions;
  readonly #byClient = new Map<string, Remembered>();
  // A Map has an order too, but finding its first entry means skipping all deleted ones.
  #first: Remembered | undefined;
  #last: Remembered | undefined;
  #count = 0;

  constructor(options: ClientHistoryOptions) {
    this.#options = options;
  }

  get eventCount(): number {
    return this.#count;
  }

  /** Undefined: the client has no events. */
  of(clientId: string): readonly ClientEvent[] | undefined {
    const remembered = this.#byClient.get(clientId);
    return remembered === undefined || this.#isOld(remembered) ? undefined : remembered.events;
  }

  /** Undefined: it received all messages, as far as its events go back. */
  dropsOf(clientId: string): DropsOfClient | undefined {
    const remembered = this.#byClient.get(clientId);
    return remembered === undefined || this.#isOld(remembered) ? undefined : remembered.drops;
  }

  /** Those with the most first, at most `max`. */
  mostDrops(max: number): (DropsOfClient & { readonly clientId: string })[] {
    const all = [];
    for (const remembered of this.#byClient.values()) {
      const { clientId, drops } = remembered;
      if (drops !== undefined && !this.#isOld(remembered)) all.push({ ...drops, clientId });
    }
    return all.sort((a, b) => b.messages - a.messages).slice(0, max);
  }

  /** `isHere`: whether the client is connected after the event. */
  add(clientId: string, kind: ClientEventKind, isHere: boolean, detail: string, reason?: string): void {
    this.#push(this.#noticed(clientId, isHere), { atMs: this.#options.now(), kind, reason, detail });
  }

  /** The client did not get messages. `detailOf`: makes a sentence about their number. */
  dropped(
    clientId: string,
    isHere: boolean,
    messages: number,
    reason: string,
    detailOf: (messages: number) => string,
  ): void {
    const remembered = this.#noticed(clientId, isHere);
    const { events, drops } = remembered;
    const atMs = this.#options.now();
    remembered.drops = { messages: (drops?.messages ?? 0) + messages, atMs, reason };
    const last = events.findLastIndex((event) => event.kind !== 'dropped' || event.reason === reason);
    const before = events[last]?.kind === 'dropped' ? events.splice(last, 1)[0] : undefined;
    if (before !== undefined) this.#count--;
    const all = (before?.messages ?? 0) + messages;
    const sinceMs = before?.sinceMs ?? atMs;
    this.#push(remembered, { atMs, kind: 'dropped', reason, detail: detailOf(all), messages: all, sinceMs });
  }

  /** Moves the client to the end of the list. */
  #noticed(clientId: string, isHere: boolean): Remembered {
    const known = this.#byClient.get(clientId);
    const remembered = known ?? this.#remember(clientId);
    if (known !== undefined) {
      if (this.#isOld(known)) {
        this.#count -= known.events.splice(0).length;
        known.drops = undefined;
      }
      this.#unlink(known);
    }
    this.#append(remembered);
    remembered.leftAtMs = isHere ? undefined : this.#options.clock.nowMs();
    return remembered;
  }

  #push(remembered: Remembered, event: ClientEvent): void {
    if (remembered.events.length > 0) remembered.events.push(event);
    else remembered.events = [event]; // to push the first takes memory for 17
    this.#count++;
    if (remembered.events.length > eventsPerClientMax) {
      remembered.events.shift();
      this.#count--;
    }
    this.#forgetOld();
  }

  #remember(clientId: string): Remembered {
    const remembered: Remembered = {
      clientId,
      events: [],
      leftAtMs: undefined,
      drops: undefined,
      before: undefined,
      behind: undefined,
    };
    this.#byClient.set(clientId, remembered);
    return remembered;
  }

  #isOld({ leftAtMs }: Remembered): boolean {
    return leftAtMs !== undefined && leftAtMs < this.#options.clock.nowMs() - rememberedMs;
  }

  /** After one that has been connected for long, expired events stay until their room is needed, and are not shown. */
  #forgetOld(): void {
    for (let first = this.#first; first !== undefined; first = this.#first) {
      const { clientId, events } = first;
      if (!this.#isOld(first) && this.#count <= this.#options.limits.clientEventsMax) return;
      this.#unlink(first);
      this.#byClient.delete(clientId);
      this.#count -= events.length;
    }
  }

  #append(remembered: Remembered): void {
    remembered.before = this.#last;
    remembered.behind = undefined;
    if (this.#last === undefined) this.#first = remembered;
    else this.#last.behind = remembered;
    this.#last = remembered;
  }

  #unlink({ before, behind }: Remembered): void {
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
  }
}
