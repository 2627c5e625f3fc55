/**
 * Messages between the main threads of two nodes: each exactly once and in order, for as long as both are in
 * the view, although the post may lose messages. The messages of one turn are sent as one frame. When nothing is
 * acknowledged in time, the first unacknowledged message is resent; the answer tells what else was lost. So a post that is
 * merely slow is not loaded further. Duplicates and premature frames are dropped.
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import { isRecord } from '../unknown-value.ts';
import { parsed } from './json-bytes.ts';
import { type NodeMessage, readNodeMessage } from './node-messages.ts';
import type { Post, Subjects } from './ports.ts';
import { isCount } from './view.ts';

export interface MessengerOptions {
  readonly clock: Clock;
  readonly post: Post;
  readonly subjects: Subjects;
  /** Of this node. */
  readonly incarnation: number;
  /** Runs it later, but before timers: setImmediate. */
  soon(action: () => void): void;
  onMessage(from: number, message: NodeMessage): void;
  /** A message that NATS would not carry is not sent. */
  onTooLarge(type: NodeMessage['type'], bytes: number): void;
}

/** Between two checks for unacknowledged messages. */
const resendMs = 250;
/** In one frame with several messages. */
const frameBytesMax = 256 * 1_024;
/** Leaves room for the head of the frame in the 1 MiB that NATS allows. */
const messageBytesMax = 1_000_000;

interface Message {
  readonly text: string;
  readonly bytes: number;
}

interface Line {
  /** Sent or to be sent, and not acknowledged; `first` is the number of the first one. */
  waiting: Message[];
  first: number;
  /** How many of them were sent since the peer last told what it has, or was asked for that. */
  sent: number;
  /** The number of the last one that was ever sent. */
  lastSent: number;
  isStuck: boolean;
  /** Only the first one is sent until something is acknowledged. */
  isHeldBack: boolean;
  /** The number of the last one received. */
  received: number;
  isFlushDue: boolean;
}

export class Messenger {
  readonly #options: MessengerOptions;
  readonly #lines = new Map<number, Line>();
  #timer: Timer | undefined;
  #resent = 0;

  constructor(options: MessengerOptions) {
    this.#options = options;
    options.post.subscribe(options.subjects.node(options.incarnation), (bytes) => this.#onFrame(bytes));
    this.#watch();
  }

  get resent(): number {
    return this.#resent;
  }

  /** The nodes to exchange messages with; messages waiting for others are dropped. */
  setPeers(incarnations: readonly number[]): void {
    const peers = new Set(incarnations.filter((each) => each !== this.#options.incarnation));
    for (const peer of this.#lines.keys()) if (!peers.has(peer)) this.#lines.delete(peer);
    for (const peer of peers) if (!this.#lines.has(peer)) this.#lines.set(peer, newLine());
  }

  /** Does nothing if it is not, or no longer, a peer. Messages to this node itself arrive in order, but later. */
  send(to: number, message: NodeMessage): void {
    if (to === this.#options.incarnation) {
      this.#options.soon(() => this.#options.onMessage(to, message));
      return;
    }
    const line = this.#lines.get(to);
    if (line === undefined) return;
    const text = JSON.stringify(message);
    const bytes = Buffer.byteLength(text);
    if (bytes > messageBytesMax) {
      this.#options.onTooLarge(message.type, bytes);
      return;
    }
    line.waiting.push({ text, bytes });
    this.#flushSoon(to, line);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#lines.clear();
  }

  #watch(): void {
    this.#timer = this.#options.clock.after(resendMs, () => {
      for (const [peer, line] of this.#lines) {
        if (line.isStuck && line.sent > 0) {
          line.sent = 0;
          line.isHeldBack = true;
          this.#flush(peer, line);
        }
        line.isStuck = line.sent > 0;
      }
      this.#watch();
    });
  }

  #flushSoon(peer: number, line: Line): void {
    if (line.isFlushDue) return;
    line.isFlushDue = true;
    this.#options.soon(() => {
      line.isFlushDue = false;
      if (this.#lines.get(peer) === line) this.#flush(peer, line);
    });
  }

  /** Everything not sent yet that may be sent, and the number of the last message received. */
  #flush(peer: number, line: Line): void {
    do {
      const first = line.first + line.sent;
      const isAsked = line.isHeldBack && line.sent > 0;
      const messages = isAsked ? [] : this.#nextOf(line);
      const head = `"from":${this.#options.incarnation},"first":${first},"received":${line.received}`;
      const frame = Buffer.from(`{${head},"messages":[${messages.join(',')}]}`);
      this.#options.post.publish(this.#options.subjects.node(peer), frame);
    } while (line.sent < line.waiting.length && !line.isHeldBack);
  }

  /** The messages of one frame; the first one suffices to ask the peer what it has. */
  #nextOf(line: Line): string[] {
    const bytesMax = line.isHeldBack ? 0 : frameBytesMax;
    const messages: string[] = [];
    let bytes = 0;
    for (let next = line.waiting[line.sent]; next !== undefined; next = line.waiting[line.sent]) {
      bytes += next.bytes;
      if (messages.length > 0 && bytes > bytesMax) break;
      messages.push(next.text);
      const number = line.first + line.sent++;
      if (number <= line.lastSent) this.#resent++;
      else line.lastSent = number;
    }
    return messages;
  }

  #onFrame(bytes: Uint8Array): void {
    const frame = readFrame(bytes);
    const line = frame && this.#lines.get(frame.from);
    if (frame === undefined || line === undefined) return; // it is resent, if its sender is in the next view
    this.#acknowledged(frame.from, line, frame.received);
    if (frame.messages.length === 0) return;
    for (const [index, value] of frame.messages.entries()) {
      if (frame.first + index !== line.received + 1) continue;
      line.received++;
      const message = readNodeMessage(value);
      if (message !== undefined) this.#options.onMessage(frame.from, message);
      if (this.#lines.get(frame.from) !== line) return; // a view has arrived meanwhile
    }
    this.#flushSoon(frame.from, line);
  }

  #acknowledged(peer: number, line: Line, received: number): void {
    const count = Math.min(received - line.first + 1, line.waiting.length);
    if (count <= 0) return;
    line.waiting.splice(0, count);
    line.first += count;
    line.sent = Math.max(0, line.sent - count);
    line.isStuck = line.isHeldBack = false;
    if (line.sent < line.waiting.length) this.#flushSoon(peer, line);
  }
}

function newLine(): Line {
  return {
    waiting: [],
    first: 1,
    sent: 0,
    lastSent: 0,
    isStuck: false,
    isHeldBack: false,
    received: 0,
    isFlushDue: false,
  };
}

interface Frame {
  readonly from: number;
  readonly first: number;
  readonly received: number;
  readonly messages: readonly unknown[];
}

function readFrame(bytes: Uint8Array): Frame | undefined {
  const value = parsed(bytes);
  if (!isRecord(value)) return undefined;
  const { from, first, received, messages } = value;
  const isFrame = isCount(from) && isCount(first) && isCount(received) && Array.isArray(messages);
  return isFrame ? { from, first, received, messages } : undefined;
}
