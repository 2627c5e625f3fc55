/** A message as an event of a stream: its number, whom it is for, and its bytes, which all streams share. */
import type { HostMessage } from '../../host/host-message.ts';
import { shownMessage } from '../message-body.ts';

/** Objects and numbers beside the bytes. */
const eventBytes = 300;

/** Names an event by its topic, which must not end the line. */
const lineEnds = /[\r\n]/;

export class MessageEvent {
  /** Of all events since the broker has started, from 1. */
  readonly number: number;
  readonly topic: string;
  /** Topic filters that match. */
  readonly filters: Set<string>;
  /** Streams that have asked for what is retained; undefined: it came live, for all. */
  readonly audience: ReadonlySet<object> | undefined;
  /** That it takes in the memory. */
  readonly bytes: number;
  readonly #plain: Buffer;
  #named: Buffer | undefined;

  constructor(
    number: number,
    id: string,
    message: HostMessage,
    filter: string,
    audience: ReadonlySet<object> | undefined,
  ) {
    this.number = number;
    this.topic = message.topic;
    this.filters = new Set([filter]);
    this.audience = audience;
    // JSON escapes the ends of lines.
    const data = JSON.stringify({ ...shownMessage(message), retain: message.retain });
    this.#plain = Buffer.from(`id: ${id}\ndata: ${data}\n\n`);
    this.bytes = 2 * this.#plain.length + eventBytes; // as if it were named, too
  }

  /** `isNamed`: the event has the topic for its name. */
  frame(isNamed: boolean): Buffer {
    if (!isNamed || lineEnds.test(this.topic)) return this.#plain;
    this.#named ??= Buffer.concat([Buffer.from(`event: ${this.topic}\n`), this.#plain]);
    return this.#named;
  }
}

/** Tells a stream that it has not got so many messages; undefined: nobody knows how many. */
export function missedFrame(messages: number | undefined): Buffer {
  return Buffer.from(
    `event: missed\ndata: ${JSON.stringify(messages === undefined ? {} : { messages })}\n\n`,
  );
}

/** How long a browser waits until it comes back. */
export function openingFrame(retryMs: number): Buffer {
  return Buffer.from(`retry: ${retryMs}\n\n`);
}

/** Says nothing, so that no proxy takes the stream for dead. */
export const heartbeatFrame: Buffer = Buffer.from(':\n\n');
