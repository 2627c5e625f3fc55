/**
 * The lines of a trace as a stream of events: first the existing ones, then new ones. The trace keeps all of them, so a
 * stream only stores its position.
 */
import type { Clock, Timer } from '../../sessions/timers.ts';
import { shownLine, type Trace } from '../../tracing/traces.ts';
import type { AnswerStream, StreamedBody } from '../answer.ts';
import { heartbeatFrame } from './message-event.ts';

export interface TraceStreamOptions {
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** Whether the reader of the stream may see payloads of the topic. */
  mayRead(topic: string): boolean;
  /** See Traces.listen(). */
  listen(told: () => void): (() => void) | undefined;
  closed(): void;
}

/** Lines written in one piece. */
const linesAtOnce = 100;

export class TraceStream implements StreamedBody {
  readonly #trace: Trace;
  readonly #options: TraceStreamOptions;
  #next: number;
  #client: AnswerStream | undefined;
  #isBlocked = false;
  #isDue = false;
  #hasSaidEnd = false;
  #unlisten: (() => void) | undefined;
  #heartbeat: Timer | undefined;

  /** `next`: the first line that the client does not have. */
  constructor(trace: Trace, next: number, options: TraceStreamOptions) {
    this.#trace = trace;
    this.#next = Math.min(next, trace.lines.length);
    this.#options = options;
  }

  opened(client: AnswerStream): void {
    this.#client = client;
    this.#unlisten = this.#options.listen(() => this.#onLines());
    this.#beatLater();
    this.#write();
  }

  writable(): void {
    this.#isBlocked = false;
    this.#write();
  }

  /** A client that is still allowed to read it reconnects and continues after its last line. */
  end(): void {
    this.#client?.end();
  }

  closed(): void {
    this.#client = undefined;
    this.#unlisten?.();
    this.#heartbeat?.cancel();
    this.#options.closed();
  }

  /** Lines of one turn of the event loop are written together. */
  #onLines(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#write();
    });
  }

  #write(): void {
    const { lines, endedBy } = this.#trace;
    while (this.#client !== undefined && !this.#isBlocked && this.#next < lines.length) {
      const some = lines.slice(this.#next, this.#next + linesAtOnce);
      const frames = some.map((line, index) => {
        const data = shownLine(line, (topic) => this.#options.mayRead(topic));
        return `id: ${this.#next + index + 1}\ndata: ${data}\n\n`;
      });
      this.#next += some.length;
      this.#isBlocked = !this.#client.write(Buffer.from(frames.join('')));
    }
    if (this.#client === undefined || this.#isBlocked || endedBy === undefined) return;
    if (!this.#hasSaidEnd) {
      this.#hasSaidEnd = true;
      this.#isBlocked = !this.#client.write(
        Buffer.from(`event: end\ndata: ${JSON.stringify({ by: endedBy })}\n\n`),
      );
    }
    if (!this.#isBlocked) this.#client.end();
  }

  #beatLater(): void {
    this.#heartbeat = this.#options.clock.after(this.#options.heartbeatMs, () => {
      if (!this.#isBlocked) this.#isBlocked = this.#client?.write(heartbeatFrame) === false;
      this.#beatLater();
    });
  }
}
