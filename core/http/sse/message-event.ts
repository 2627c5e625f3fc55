/** A message as an event of a stream: its number, its receivers, and its bytes, which all streams share. */
import type { HostMessage } from '../../host/host-message.ts';
import { shownMessage } from '../message-body.ts';

/** The memory of objects and numbers besides the bytes. */
const eventBytes = 300;

/** The name of an event is its topic, which must not end the line. */
const lineEnds = /[\r\n]/;

export class MessageEvent {
  /** Counted since the broker has started, from 1. */
  readonly number: number;
  readonly topic: string;
  /** The topic filters that match. */
  readonly filters: Set<string>;
  /** The streams that have requested retained messages; undefined: it is a live message, for all streams. */
  readonly audience: ReadonlySet<object> | undefined;
  /** That it occupies in memory. */
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
    // JSON escapes line ends.
    const data = JSON.stringify({ ...shownMessage(message), retain: message.retain });
    this.#plain = Buffer.from(`id: ${id}\ndata: ${data}\n\n`);
    this.bytes = 2 * this.#plain.length + eventBytes; // as if the event had a name, too
  }

  /** `isNamed`: the name of the event is the topic. */
  frame(isNamed: boolean): Buffer {
    if (!isNamed || lineEnds.test(this.topic)) return this.#plain;
    this.#named ??= Buffer.concat([Buffer.from(`event: ${this.topic}\n`), this.#plain]);
    return this.#named;
  }
}

/** Tells a stream how many messages it has missed; undefined: an unknown number. */
export function missedFrame(messages: number | undefined): Buffer {
  return Buffer.from(
    `event: missed\ndata: ${JSON.stringify(messages === undefined ? {} : { messages })}\n\n`,
  );
}

/** The delay before a browser reconnects. */
export function openingFrame(retryMs: number): Buffer {
  return Buffer.from(`retry: ${retryMs}\n\n`);
}

/** An empty comment, so that no proxy considers the stream dead. */
export const heartbeatFrame: Buffer = Buffer.from(':\n\n');
