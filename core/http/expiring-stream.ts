/** A stream for a caller whose rights expire: it ends then, and a client with new credentials reconnects. */
import { systemClock, type Timer } from '../sessions/timers.ts';
import type { AnswerStream, StreamedBody } from './answer.ts';

export class ExpiringStream implements StreamedBody {
  readonly #stream: StreamedBody;
  readonly #lastsMs: number;
  #timer: Timer | undefined;

  constructor(stream: StreamedBody, lastsMs: number) {
    this.#stream = stream;
    this.#lastsMs = lastsMs;
  }

  opened(client: AnswerStream): void {
    this.#timer = systemClock.after(Math.max(0, this.#lastsMs), () => client.end());
    this.#stream.opened(client);
  }

  writable(): void {
    this.#stream.writable();
  }

  closed(): void {
    this.#timer?.cancel();
    this.#stream.closed();
  }
}
