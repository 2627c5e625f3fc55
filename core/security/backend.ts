/**
 * Asks a back end over HTTP: POST with JSON, answered with JSON (main thread). The number of requests at once and their time are
 * limited, and answers are remembered as long as they say. Of a request only a keyed hash is kept, since it may contain a
 * password.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../sessions/timers.ts';
import { isRecord } from '../unknown-value.ts';
import { textWithin } from './bounded-answer.ts';
import type { Secret } from './secret.ts';

export interface BackendOptions {
  readonly url: string;
  /** Sent as `Authorization: Bearer`; undefined: none. */
  secret(): Secret | undefined;
  readonly timeoutMs: number;
  readonly pendingMax: number;
  readonly answersMax: number;
  readonly clock: Clock;
}

export interface BackendAnswer {
  readonly result: 'allow' | 'deny' | 'unknown';
  /** The parsed body. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** How long the answer is valid. */
  readonly keptMs: number;
}

/** Too many requests are waiting. */
export class BackendBusy extends Error {
  override readonly name = 'BackendBusy';
}

/** It cannot be reached, or its answer cannot be understood. */
export class BackendUnavailable extends Error {
  override readonly name = 'BackendUnavailable';
}

const answerBytesMax = 65_536;
/** The longest validity of an answer, so that withdrawn rights end eventually. */
const keptSecondsMax = 3_600;

interface Remembered {
  readonly answer: BackendAnswer;
  readonly endsMs: number;
}

export class Backend {
  readonly #options: BackendOptions;
  readonly #key = randomBytes(32);
  readonly #answers = new Map<string, Remembered>();
  /** Identical questions share one request, unless forget() came between them. */
  readonly #pending = new Map<string, Promise<BackendAnswer>>();
  #forgets = 0;

  constructor(options: BackendOptions) {
    this.#options = options;
  }

  /** Throws BackendBusy and BackendUnavailable. */
  ask(asked: Readonly<Record<string, unknown>>): BackendAnswer | Promise<BackendAnswer> {
    const body = JSON.stringify(asked);
    const name = createHmac('sha256', this.#key).update(body).digest('base64');
    const known = this.#answers.get(name);
    if (known !== undefined && known.endsMs > this.#options.clock.nowMs())
      return { ...known.answer, keptMs: known.endsMs - this.#options.clock.nowMs() };
    const forgets = this.#forgets;
    const question = `${forgets} ${name}`;
    const pending = this.#pending.get(question);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= this.#options.pendingMax) throw new BackendBusy('too many questions wait');
    const answered = this.#fetch(body).then((answer) =>
      this.#forgets === forgets ? this.#remember(name, answer) : { ...answer, keptMs: 0 },
    );
    const settled = answered.finally(() => this.#pending.delete(question));
    this.#pending.set(question, settled);
    return settled;
  }

  /** From now on it is asked about everything again; answers to earlier requests are used once. */
  forget(): void {
    this.#forgets++;
    this.#answers.clear();
  }

  #remember(name: string, answer: BackendAnswer): BackendAnswer {
    const { clock, answersMax } = this.#options;
    if (answer.keptMs === 0 || answersMax === 0) return answer;
    this.#answers.delete(name);
    this.#answers.set(name, { answer, endsMs: clock.nowMs() + answer.keptMs });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= answersMax) break;
      this.#answers.delete(oldest);
    }
    return answer;
  }

  async #fetch(body: string): Promise<BackendAnswer> {
    const { url, timeoutMs } = this.#options;
    const secret = this.#options.secret();
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret.revealText()}` }),
        },
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      });
      return await answerOf(response);
    } catch (cause) {
      if (cause instanceof BackendUnavailable) throw cause;
      throw new BackendUnavailable('it cannot be asked', { cause: reasonOf(cause) });
    }
  }
}

async function answerOf(response: Response): Promise<BackendAnswer> {
  const keptMs = keptMsOf(response.headers.get('cache-control'));
  if (response.status === 401 || response.status === 403) {
    await response.body?.cancel();
    return { result: 'deny', fields: {}, keptMs };
  }
  if (response.status === 204) return { result: 'allow', fields: {}, keptMs };
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new BackendUnavailable(`its answer has status ${response.status}`);
  }
  const fields = parsed(await textWithin(response, answerBytesMax));
  const result = isRecord(fields) ? fields['result'] : undefined;
  if (!isRecord(fields) || (result !== 'allow' && result !== 'deny' && result !== 'unknown'))
    throw new BackendUnavailable("its answer has no result 'allow', 'deny' or 'unknown'");
  return { result, fields, keptMs };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BackendUnavailable('its answer is not JSON'); // the answer may contain secrets
  }
}

/** `max-age`, unless caching is forbidden. */
function keptMsOf(cacheControl: string | null): number {
  const directives = (cacheControl ?? '').toLowerCase().split(/\s*,\s*/);
  if (directives.includes('no-store') || directives.includes('no-cache')) return 0;
  const seconds = directives.map((each) => /^max-age="?(\d{1,9})"?$/.exec(each)?.[1]).find(Boolean);
  return seconds === undefined ? 0 : Math.min(Number(seconds), keptSecondsMax) * 1_000;
}

/** Without the request, which an error of fetch() never contains. */
function reasonOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return error.cause instanceof Error ? error.cause.message : error.message;
}
