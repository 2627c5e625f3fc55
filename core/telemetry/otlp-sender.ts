/**
 * Sends JSON to an OpenTelemetry collector (main thread), in order, one request at a time. If the collector is down, that is
 * logged once, and again when it is back: the queue is bounded, and the oldest entry is dropped.
 *
 *     send() --> waiting, a few --> POST --200--> done
 *                                    |--429, 502, 503, 504, no answer--> repeated with growing delays, five times
 *                                    `--anything else--> dropped: repeating would not help
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import { messageOf } from '../system-reason.ts';
import type { OtlpTarget } from './otlp-settings.ts';

export interface OtlpSenderOptions {
  readonly target: OtlpTarget;
  readonly clock: Clock;
  /** `fetch`; tests bring their own. */
  post(url: string, init: RequestInit): Promise<Response>;
  warn(fields: Readonly<Record<string, unknown>>, sentence: string): void;
  info(fields: Readonly<Record<string, unknown>>, sentence: string): void;
}

const waitingMax = 8;
const triesMax = 5;
const pauseMsMin = 1_000;
const pauseMsMax = 30_000;
const worthAnotherTry = new Set([429, 502, 503, 504]);

export class OtlpSender {
  readonly #options: OtlpSenderOptions;
  readonly #waiting: string[] = [];
  #isSending = false;
  #isDown = false;
  #isClosed = false;
  #dropped = 0;
  #pause: Timer | undefined;
  readonly #stop = new AbortController();

  constructor(options: OtlpSenderOptions) {
    this.#options = options;
  }

  /** Requests that never arrived. */
  get dropped(): number {
    return this.#dropped;
  }

  send(body: unknown): void {
    if (this.#isClosed) return;
    this.#waiting.push(JSON.stringify(body));
    if (this.#waiting.length > waitingMax) {
      this.#waiting.shift();
      this.#dropped += 1;
    }
    if (!this.#isSending) void this.#sendAll();
  }

  /** Nothing more is sent; a request in progress gets a moment to finish. */
  close(): void {
    this.#isClosed = true;
    this.#pause?.cancel();
    this.#waiting.length = 0;
    this.#stop.abort();
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    for (let body = this.#waiting.shift(); body !== undefined; body = this.#waiting.shift()) {
      if (!(await this.#deliver(body))) this.#dropped += 1;
    }
    this.#isSending = false;
  }

  async #deliver(body: string): Promise<boolean> {
    for (let tries = 1; !this.#isClosed; tries++) {
      const outcome = await this.#try(body);
      if (outcome.isTaken) {
        this.#noteUp();
        return true;
      }
      this.#noteDown(outcome.reason);
      if (!outcome.mayTryAgain || tries >= triesMax) return false;
      await this.#wait(Math.min(outcome.afterMs ?? pauseMsMin * 2 ** (tries - 1), pauseMsMax));
    }
    return false;
  }

  async #try(body: string): Promise<Outcome> {
    const { target, post } = this.#options;
    try {
      const answer = await post(target.url, {
        method: 'POST',
        headers: { ...target.headers, 'content-type': 'application/json' },
        body,
        redirect: 'manual', // it would be a GET, and may lead elsewhere
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(target.timeoutMs)]),
      });
      await answer.body?.cancel();
      if (answer.ok) return { isTaken: true };
      const afterSeconds = Number(answer.headers.get('retry-after') ?? Number.NaN);
      return {
        isTaken: false,
        reason: `its answer has status ${answer.status}${isRedirect(answer) ? ', and redirects are not followed' : ''}`,
        mayTryAgain: worthAnotherTry.has(answer.status),
        afterMs: afterSeconds >= 0 ? afterSeconds * 1_000 : undefined,
      };
    } catch (error) {
      return { isTaken: false, reason: reasonOf(error), mayTryAgain: true, afterMs: undefined };
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      this.#pause = {
        cancel: () => {
          timer.cancel();
          resolve();
        },
      };
    });
  }

  #noteDown(reason: string): void {
    if (this.#isDown || this.#isClosed) return;
    this.#isDown = true;
    this.#options.warn(
      { url: shownUrl(this.#options.target.url), reason },
      'the collector does not accept exports',
    );
  }

  #noteUp(): void {
    if (!this.#isDown) return;
    this.#isDown = false;
    const fields = { url: shownUrl(this.#options.target.url), dropped: this.#dropped };
    this.#options.info(fields, 'the collector accepts exports again');
  }
}

function isRedirect({ status }: Response): boolean {
  return status >= 300 && status < 400;
}

type Outcome =
  | { readonly isTaken: true }
  | {
      readonly isTaken: false;
      readonly reason: string;
      readonly mayTryAgain: boolean;
      readonly afterMs: number | undefined;
    };

function reasonOf(error: unknown): string {
  const { cause = error } = error as { readonly cause?: unknown };
  return messageOf(cause);
}

/** Without user, password and query, which may be secrets. */
function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
