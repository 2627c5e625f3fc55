/**
 * The latest events of all streams, numbered in order, up to a number of bytes:
 *
 *     first                                   next
 *     | 41 | 42 | 43 | 44 | 45 | 46 | 47 |
 *            a slow stream    all others
 */
import type { MessageEvent } from './message-event.ts';

export class EventHistory {
  readonly #bytesMax: number;
  /** From #start on; earlier elements are gone. */
  #events: (MessageEvent | undefined)[] = [];
  #start = 0;
  #bytes = 0;
  #next = 1;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The number of the next event. */
  get next(): number {
    return this.#next;
  }

  /** The number of the oldest event; equal to `next` if there is none. */
  get first(): number {
    return this.#next - (this.#events.length - this.#start);
  }

  /** Its number is `next`. An event larger than the limit is not kept. */
  add(event: MessageEvent): void {
    this.#next += 1;
    this.#events.push(event);
    this.#bytes += event.bytes;
    while (this.#bytes > this.#bytesMax) this.#dropOldest();
    if (this.#start <= 1_000 || this.#start * 2 < this.#events.length) return;
    this.#events = this.#events.slice(this.#start);
    this.#start = 0;
  }

  #dropOldest(): void {
    this.#bytes -= this.#events[this.#start]?.bytes ?? 0;
    this.#events[this.#start] = undefined; // otherwise its bytes would stay until the array is cut
    this.#start += 1;
  }

  /** The events after the one with this number, oldest first. */
  *after(number: number): Generator<MessageEvent> {
    for (let each = Math.max(number + 1, this.first); each < this.#next; each++) {
      const event = this.#events[this.#start + each - this.first];
      if (event !== undefined) yield event;
    }
  }
}
