/** A stream for a caller whose rights expire: it ends then, and a client with new credentials reconnects. */
import { Expiry } from '../front-end/expiry.ts';
import type { AnswerStream, StreamedBody } from './answer.ts';

export class ExpiringStream implements StreamedBody {
  readonly #stream: StreamedBody;
  readonly #expiresAtMs: number;
  #expiry: Expiry | undefined;

  /** `expiresAtMs`: on the wall clock. */
  constructor(stream: StreamedBody, expiresAtMs: number) {
    this.#stream = stream;
    this.#expiresAtMs = expiresAtMs;
  }

  opened(client: AnswerStream): void {
    this.#expiry = new Expiry(() => client.end());
    this.#expiry.set(this.#expiresAtMs);
    this.#stream.opened(client);
  }

  writable(): void {
    this.#stream.writable();
  }

  closed(): void {
    this.#expiry?.set(undefined);
    this.#stream.closed();
  }
}
