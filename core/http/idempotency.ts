/**
 * Answers a repeated request with its first answer (Idempotency-Key), so that a client that has lost an answer can repeat the
 * request without a second effect. Answers are kept for ten minutes, as far as there is room.
 */
import { createHash } from 'node:crypto';
import type { HttpAnswer } from './answer.ts';
import { problem } from './problem.ts';

interface First {
  readonly digest: string;
  readonly atMs: number;
  /** Undefined while the request is handled. */
  answer: HttpAnswer | undefined;
}

/** The request and its caller. */
export interface IdempotentRequest {
  readonly caller: string;
  readonly path: string;
  readonly key: string;
  readonly body: unknown;
}

const keptMs = 600_000;
const keptMax = 10_000;
const keptBytesMax = 16 * 1_024 * 1_024;
const keyCharactersMax = 255;

export class Idempotency {
  readonly #nowMs: () => number;
  /** Oldest first. */
  readonly #firsts = new Map<string, First>();
  #bytes = 0;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Without a key the request is handled normally. A failed one is forgotten, so it can be repeated. */
  async once(
    { caller, path, key, body }: IdempotentRequest,
    work: () => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    if (key === '') return await work();
    if (key.length > keyCharactersMax)
      return problem(400, `An Idempotency-Key has at most ${keyCharactersMax} characters.`);
    this.#forgetOld();
    const name = `${caller}\n${path}\n${key}`;
    const digest = createHash('sha256').update(JSON.stringify(body)).digest('base64url');
    const known = this.#firsts.get(name);
    if (known !== undefined) return again(known, digest);
    const first: First = { digest, atMs: this.#nowMs(), answer: undefined };
    this.#firsts.set(name, first);
    try {
      const answer = await work();
      first.answer = copyOf(answer);
      this.#bytes += answer.body.length;
      return answer;
    } catch (error) {
      this.#firsts.delete(name);
      throw error;
    }
  }

  #forgetOld(): void {
    const nowMs = this.#nowMs();
    for (const [name, { atMs, answer }] of this.#firsts) {
      const hasRoom = this.#firsts.size < keptMax && this.#bytes <= keptBytesMax;
      if (nowMs - atMs < keptMs && hasRoom) return;
      if (answer === undefined) continue; // otherwise it would be done twice; there are no more than httpPendingMax
      this.#firsts.delete(name);
      this.#bytes -= answer.body.length;
    }
  }
}

function again({ digest, answer }: First, asked: string): HttpAnswer {
  if (digest !== asked)
    return problem(422, 'This Idempotency-Key was used with another body: use a new one.');
  if (answer === undefined)
    return problem(409, 'The first request with this Idempotency-Key has not been answered yet.');
  return copyOf(answer);
}

/** The bytes of an answer are freed once it is sent. */
function copyOf(answer: HttpAnswer): HttpAnswer {
  return { ...answer, body: Buffer.from(answer.body) };
}
