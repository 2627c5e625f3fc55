/**
 * The last events of all streams, one after the other by their numbers, within a bound of bytes:
 *
 *     first                                   next
 *     | 41 | 42 | 43 | 44 | 45 | 46 | 47 |
 *            a slow stream    all others
 */
import type { MessageEvent } from './message-event.ts';

export class EventHistory {
  readonly #bytesMax: number;
  /** From #start on; there is nothing before it. */
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

  /** The number of the oldest event that is here; `next`: there is none. */
  get first(): number {
    return this.#next - (this.#events.length - this.#start);
  }

  /** Its number is `next`. One that is larger than all may be is not kept. */
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
    this.#events[this.#start] = undefined; // or its bytes would stay until the list is cut
    this.#start += 1;
  }

  /** The events behind the one with this number, the oldest first. */
  *after(number: number): Generator<MessageEvent> {
    for (let each = Math.max(number + 1, this.first); each < this.#next; each++) {
      const event = this.#events[this.#start + each - this.first];
      if (event !== undefined) yield event;
    }
  }
}
