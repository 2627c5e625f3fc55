/** The last things that each client of a soak did and saw, to be printed with a fault. */
import type { LogicalClock } from './fault.ts';

interface Note {
  readonly at: number;
  readonly what: string;
}

/** Notes of a client that are kept, shown from the end, and shown before and behind one that a fault names. */
const notesMax = 4_000;
const lastShown = 12;
const near = 8;

export class History {
  readonly #clock: LogicalClock;
  readonly #notes = new Map<string, Note[]>();

  constructor(clock: LogicalClock) {
    this.#clock = clock;
  }

  note(client: string, what: string): void {
    let notes = this.#notes.get(client);
    if (notes === undefined) {
      notes = [];
      this.#notes.set(client, notes);
    }
    notes.push({ at: this.#clock.now, what });
    if (notes.length >= 2 * notesMax) notes.splice(0, notesMax);
  }

  /** What a client did last, and around what the numbers name and the moments. */
  of(client: string, numbers: readonly number[], moments: readonly number[]): string {
    const notes = this.#notes.get(client) ?? [];
    const wanted = new Set(numbers.map(String));
    const named = notes.map(({ what }) => what.split(/[ ,]/).some((word) => wanted.has(word)));
    for (const moment of moments) {
      const index = notes.findIndex(({ at }) => at >= moment);
      if (index >= 0) named[index] = true;
    }
    const isNear = (index: number): boolean =>
      named.slice(Math.max(0, index - near), index + near + 1).includes(true);
    const lines: string[] = [];
    let skipped = 0;
    for (const [index, { at, what }] of notes.entries()) {
      if (index < notes.length - lastShown && !isNear(index)) {
        skipped++;
        continue;
      }
      if (skipped > 0) lines.push(`              (${skipped} more)`);
      skipped = 0;
      lines.push(`    ${named[index] ? '>' : ' '} ${String(at).padStart(8)}  ${what}`);
    }
    return lines.join('\n');
  }
}
