/**
 * The stream of one client. What comes in a turn of the event loop goes out together. While the client takes no more
 * nothing is kept for it: what it has not got is in the history, and if it has gone from there, the client is told so.
 */
import type { AnswerStream, StreamedBody } from '../answer.ts';
import type { EventHistory } from './event-history.ts';
import { heartbeatFrame, type MessageEvent, missedFrame, openingFrame } from './message-event.ts';

export interface EventStreamTerms {
  readonly filters: readonly string[];
  readonly isNamed: boolean;
  /** The last event that the client has got; undefined: it is new here. */
  readonly after: number | undefined;
  /** Something was missed since then, and nobody knows how much. */
  readonly hasGap: boolean;
  readonly retryMs: number;
  /** Whether the rules let the client have messages of the topic now. */
  mayReceive(topic: string): boolean;
}

/** What a stream needs of those that keep it. */
export interface EventStreamOwner {
  readonly history: EventHistory;
  opened(stream: EventStream): void;
  closed(stream: EventStream): void;
  /** Its flush() is to be called behind what comes in this turn. */
  hasEvents(stream: EventStream): void;
  missed(messages: number): void;
}

/** That are collected in a turn before they are written. */
const collectedBytesMax = 65_536;

export class EventStream implements StreamedBody {
  readonly terms: EventStreamTerms;
  readonly #owner: EventStreamOwner;
  #client: AnswerStream | undefined;
  #collected: Buffer[] = [];
  #collectedBytes = 0;
  /** The client takes no more: what it has got is up to #last. */
  #isBlocked = false;
  #last = 0;
  /** Events that came while it was blocked. */
  #waiting = 0;
  /** Of the last event that was offered: it is offered for each of its filters. */
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
  }

  /** An event for the filters of this stream. */
  offer(event: MessageEvent): void {
    if (this.#client === undefined || event.number <= this.#offered || !this.#mayHave(event)) return;
    this.#offered = event.number;
    if (this.#isBlocked) {
      this.#waiting += 1;
      return;
    }
    this.#last = event.number;
    this.#collect(event.frame(this.terms.isNamed));
  }

  /** It is told that there is nothing to tell. */
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
    const { history } = this.#owner;
    if (history.first > this.#last + 1) {
      let here = 0;
      for (const event of history.after(this.#last)) if (this.#isFor(event)) here += 1;
      const missed = this.#waiting - here;
      if (missed > 0) {
        this.#owner.missed(missed);
        this.#collect(missedFrame(missed));
      }
    }
    this.#waiting = 0;
    this.#catchUp();
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

  /** Goes on with what is in the history. */
  #catchUp(): void {
    for (const event of this.#owner.history.after(this.#last)) {
      if (this.#client === undefined) return;
      if (!this.#isFor(event)) continue;
      if (this.#isBlocked) {
        this.#waiting += 1;
        continue;
      }
      this.#last = event.number;
      this.#collect(event.frame(this.terms.isNamed));
      if (this.#collectedBytes >= collectedBytesMax) this.flush();
    }
    this.flush();
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
