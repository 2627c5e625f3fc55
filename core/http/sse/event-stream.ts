/**
 * The stream of one client. Events of one turn of the event loop are written together. While the client accepts no more,
 * nothing is kept for it: the events that it lacks are in the history, and if they are gone from there, the client is told.
 *
 *     history   | ....|......|......|......|          waiting   3, 0, 7, 1: events for the stream, block by block
 *                 #last
 *
 * So a stream looks at each event at most twice, however often it stops, and never searches for events that are gone.
 */
import type { AnswerStream, StreamedBody } from '../answer.ts';
import type { EventHistory } from './event-history.ts';
import { heartbeatFrame, type MessageEvent, missedFrame, openingFrame } from './message-event.ts';

export interface EventStreamTerms {
  readonly filters: readonly string[];
  readonly isNamed: boolean;
  /** The last event that the client received; undefined: the client is new. */
  readonly after: number | undefined;
  /** It missed an unknown number of events since then. */
  readonly hasGap: boolean;
  readonly retryMs: number;
  /** Whether the rules currently let the client receive messages of the topic. */
  mayReceive(topic: string): boolean;
}

/** The owner of the streams, as a stream needs it. */
export interface EventStreamOwner {
  readonly history: EventHistory;
  opened(stream: EventStream): void;
  closed(stream: EventStream): void;
  /** Requests a call of its flush() at the end of this turn. */
  hasEvents(stream: EventStream): void;
  missed(messages: number): void;
}

/** Bytes collected in a turn before they are written. */
const collectedBytesMax = 65_536;
/** The size of a block of events, which begins at a multiple of it. */
const blockEvents = 256;

export class EventStream implements StreamedBody {
  readonly terms: EventStreamTerms;
  readonly #owner: EventStreamOwner;
  #client: AnswerStream | undefined;
  #collected: Buffer[] = [];
  #collectedBytes = 0;
  /** The client accepts no more: it has received the events up to #last. */
  #isBlocked = false;
  #last = 0;
  /** The number of events for it after #last while it is blocked: by block, oldest first ... */
  readonly #waiting = new Map<number, number>();
  /** ... and of those whose blocks are gone from the history. */
  #gone = 0;
  /** Of the last event that was offered; an event is offered once for each matching filter. */
  #offered = 0;

  constructor(terms: EventStreamTerms, owner: EventStreamOwner) {
    this.terms = terms;
    this.#owner = owner;
  }

  opened(client: AnswerStream): void {
    const { after, hasGap, retryMs } = this.terms;
    this.#client = client;
    this.#collect(openingFrame(retryMs));
    if (hasGap) this.#collect(missedFrame(undefined));
    this.#owner.opened(this);
    this.#last = this.#owner.history.next - 1;
    if (after === undefined) return;
    this.#last = after;
    this.#catchUp();
    if (!this.#isBlocked) return;
    for (const event of this.#owner.history.after(this.#last)) if (this.#isFor(event)) this.#wait(event);
  }

  /** An event that matches a filter of this stream. */
  offer(event: MessageEvent): void {
    if (this.#client === undefined || event.number <= this.#offered || !this.#mayHave(event)) return;
    this.#offered = event.number;
    if (this.#isBlocked) {
      this.#wait(event);
      return;
    }
    this.#last = event.number;
    this.#collect(event.frame(this.terms.isNamed));
  }

  #wait({ number }: MessageEvent): void {
    const block = Math.floor(number / blockEvents);
    const before = this.#waiting.get(block);
    this.#waiting.set(block, (before ?? 0) + 1);
    if (before === undefined) this.#forgetGone();
  }

  #forgetGone(): void {
    for (const [block, count] of this.#waiting) {
      if ((block + 1) * blockEvents > this.#owner.history.first) return;
      this.#gone += count;
      this.#waiting.delete(block);
    }
  }

  /** Tells the client that there are no news. */
  beat(): void {
    if (this.#client !== undefined && !this.#isBlocked) this.#collect(heartbeatFrame);
  }

  flush(): void {
    if (this.#collectedBytes === 0 || this.#client === undefined) return;
    const bytes = this.#collected.length === 1 ? this.#collected[0] : Buffer.concat(this.#collected);
    this.#collected = [];
    this.#collectedBytes = 0;
    if (bytes !== undefined) this.#isBlocked = !this.#client.write(bytes);
  }

  writable(): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    const missed = this.#missed();
    if (missed > 0) {
      this.#owner.missed(missed);
      this.#collect(missedFrame(missed));
    }
    this.#catchUp();
  }

  /** How many events are gone from the history since the last call. */
  #missed(): number {
    const { history } = this.#owner;
    if (history.first <= this.#last + 1) return 0;
    this.#forgetGone();
    this.#last = history.first - 1;
    const cut = Math.floor(history.first / blockEvents);
    const count = this.#waiting.get(cut) ?? 0;
    let here = 0;
    for (const event of history.after(this.#last)) {
      if (count === 0 || event.number >= (cut + 1) * blockEvents) break;
      if (this.#isFor(event)) here += 1;
    }
    if (count > here) this.#waiting.set(cut, here);
    const missed = this.#gone + Math.max(0, count - here);
    this.#gone = 0;
    return missed;
  }

  end(): void {
    this.flush();
    this.#client?.end();
  }

  closed(): void {
    this.#client = undefined;
    this.#collected = [];
    this.#collectedBytes = 0;
    this.#owner.closed(this);
  }

  /** Continues with the history, as far as the client accepts it. */
  #catchUp(): void {
    for (const event of this.#owner.history.after(this.#last)) {
      if (this.#client === undefined || this.#isBlocked) return;
      const isFor = this.#isFor(event);
      this.#pass(event, isFor);
      if (!isFor) continue;
      this.#collect(event.frame(this.terms.isNamed));
      if (this.#collectedBytes >= collectedBytesMax) this.flush();
    }
    this.#waiting.clear(); // removed by the rules meanwhile
    this.flush();
  }

  #pass({ number }: MessageEvent, isFor: boolean): void {
    this.#last = number;
    const block = Math.floor(number / blockEvents);
    const count = this.#waiting.get(block);
    if (count === undefined) return;
    if ((number + 1) % blockEvents === 0) this.#waiting.delete(block);
    else if (isFor && count > 0) this.#waiting.set(block, count - 1);
  }

  #isFor(event: MessageEvent): boolean {
    return this.terms.filters.some((filter) => event.filters.has(filter)) && this.#mayHave(event);
  }

  #mayHave({ audience, topic }: MessageEvent): boolean {
    return (audience === undefined || audience.has(this)) && this.terms.mayReceive(topic);
  }

  #collect(frame: Buffer): void {
    if (this.#collectedBytes === 0) this.#owner.hasEvents(this);
    this.#collected.push(frame);
    this.#collectedBytes += frame.length;
    if (this.#collectedBytes >= collectedBytesMax) this.flush();
  }
}
