/** The last messages of the console: as many, and as many bytes, as a page can keep for a search. */
import type { Message } from '../../client/rally.ts';

/** At least so many are kept if their bytes allow it, at most twice as many. */
const countMin = 2_000;
/** The newest message is kept, whatever its size. */
export const keptBytesMax = 16 * 1_024 * 1_024;

export type KeptMessage = Omit<Message, 'text' | 'json'>;

export interface Entry {
  readonly message: KeptMessage;
  readonly bytes: number;
  readonly atMs: number;
  /** Counts all messages, from 1. */
  readonly number: number;
  /** Topic and payload in lower case, once they have been searched. */
  searched?: string;
}

export class KeptMessages {
  /** Oldest first. */
  #entries: Entry[] = [];
  #bytes = 0;
  #count = 0;

  /** Of all messages, also of those that are not kept any more. */
  get count(): number {
    return this.#count;
  }

  /** Oldest first. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  add({ topic, bytes, qos, retain, dup, properties }: Message): void {
    // A copy: the payload is a view of everything that the connection received with it.
    const message = { topic, bytes: bytes.slice(), qos, retain, dup, properties };
    const entry = { message, bytes: bytesOf(message), atMs: Date.now(), number: ++this.#count };
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    if (this.#entries.length > 2 * countMin || this.#bytes > keptBytesMax) this.#dropOldest();
  }

  clear(): void {
    this.#entries = [];
    this.#bytes = this.#count = 0;
  }

  /** Many at once, so that it is rare. */
  #dropOldest(): void {
    let dropped = 0;
    while (
      dropped < this.#entries.length - 1 &&
      (this.#entries.length - dropped > countMin || this.#bytes > keptBytesMax / 2)
    )
      this.#bytes -= (this.#entries[dropped++] as Entry).bytes;
    this.#entries.splice(0, dropped);
  }
}

/** Roughly: text counts as its characters. */
function bytesOf({ topic, bytes, properties }: KeptMessage): number {
  const values: unknown[] = Object.values(properties).flat(2);
  return values.reduce<number>((sum, value) => sum + lengthOf(value), topic.length + bytes.length);
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}
