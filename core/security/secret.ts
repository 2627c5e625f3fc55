/**
 * A value that must not appear in a log, an error, an answer or a dump: it is shown only if it is requested explicitly.
 */
import { inspect } from 'node:util';

const shown = '[secret]';

export class Secret {
  readonly #bytes: Uint8Array;

  constructor(value: string | Uint8Array) {
    this.#bytes = typeof value === 'string' ? Buffer.from(value) : value;
  }

  get length(): number {
    return this.#bytes.length;
  }

  revealText(): string {
    return Buffer.from(this.#bytes).toString('utf8');
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}
