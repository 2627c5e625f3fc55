/**
 * The host client's connection to the worker that carries it, for one run of that worker. A window of bytes limits what is
 * in transit in either direction, since messages between threads are unbounded:
 *
 *     send() --> held, in order --> less than a window --> worker          taken() when its data plane has it
 *     listeners <-- HostClient <-- less than a window <-- worker           processed() when the listeners have it
 *
 * A frame larger than the window is sent alone. At most one request is held, since the engine asks hasRoom();
 * acknowledgements may wait behind it.
 */
import type { Link } from '../protocol/client-engine.ts';
import type { Properties } from '../wire/properties.ts';
import { concat } from '../wire/write.ts';
import { Queue } from './queue.ts';

/** Messages to the worker. */
export interface HostChannel {
  /** `bytes` is its whole buffer, which then belongs to the channel. */
  sendBytes(bytes: Uint8Array<ArrayBuffer>): void;
  /** This much of the received PUBLISH packets has been processed. */
  sendProcessed(bytes: number, messages: number): void;
}

export class HostLink implements Link {
  readonly server: Properties;
  readonly #windowBytes: number;
  readonly #channel: HostChannel;
  readonly #held = new Queue<Uint8Array<ArrayBuffer>>();
  #onTheWayBytes = 0;
  #processedBytes = 0;
  #processedMessages = 0;
  #resume: (() => void) | undefined;
  #isClosed = false;
  /** Of this turn of the event loop. */
  #frames: Uint8Array<ArrayBuffer>[] = [];

  constructor(server: Properties, windowBytes: number, channel: HostChannel) {
    this.server = server;
    this.#windowBytes = windowBytes;
    this.#channel = channel;
  }

  send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#isClosed) return;
    this.#held.add(frame);
    this.#post();
  }

  hasRoom(resume: () => void): boolean {
    const hasRoom = this.#held.size === 0 && this.#onTheWayBytes < this.#windowBytes;
    this.#resume = hasRoom ? undefined : resume;
    return hasRoom;
  }

  /** The worker has taken this many more bytes. */
  taken(bytes: number): void {
    this.#onTheWayBytes -= bytes;
    this.#post();
    this.#resume?.();
  }

  /** A message of this many bytes has been processed. The worker is told once in a turn of the event loop. */
  processed(bytes: number): void {
    this.#processedBytes += bytes;
    if (++this.#processedMessages === 1) setImmediate(() => this.#sendProcessed());
  }

  /** Sends the frames of this turn now: what follows must not overtake them. */
  flush(): void {
    const frames = this.#frames;
    this.#frames = [];
    const [first, ...more] = frames;
    if (first === undefined || this.#isClosed) return;
    this.#channel.sendBytes(more.length === 0 ? first : concat(frames));
  }

  /** The worker is gone: nothing more is sent. */
  close(): void {
    this.#isClosed = true;
    this.#held.takeAll();
    this.#frames = [];
  }

  #post(): void {
    for (let next = this.#held.first; next !== undefined; next = this.#held.first) {
      const onTheWayBytes = this.#onTheWayBytes + next.length;
      if (this.#onTheWayBytes > 0 && onTheWayBytes > this.#windowBytes) return;
      this.#onTheWayBytes = onTheWayBytes;
      this.#held.take();
      this.#collect(next);
    }
  }

  /** Thousands of small ones in a turn, as with HTTP requests, cost little more than one. */
  #collect(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#frames.push(frame) === 1) setImmediate(() => this.flush());
  }

  #sendProcessed(): void {
    if (!this.#isClosed) this.#channel.sendProcessed(this.#processedBytes, this.#processedMessages);
    this.#processedBytes = 0;
    this.#processedMessages = 0;
  }
}
