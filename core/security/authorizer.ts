/**
 * Asks programs what clients may do, in addition to the rules (main thread): the hooks of the host program, then the back
 * end of `authorizeUrl`. All of them must allow it; one that fails or takes too long denies it.
 */
import type {
  Authorization,
  AuthorizedClient,
  AuthorizePublish,
  AuthorizeSubscribe,
  PublishRequest,
  SubscribeRequest,
} from '../config/authorization.ts';
import type { Clock } from '../sessions/timers.ts';
import { isRecord } from '../unknown-value.ts';
import type { Backend } from './backend.ts';

export interface AuthorizerOptions {
  readonly publish: AuthorizePublish | undefined;
  readonly subscribe: AuthorizeSubscribe | undefined;
  readonly backend: Pick<Backend, 'ask'> | undefined;
  readonly timeoutMs: number;
  /** How long an answer without `seconds` is remembered. */
  readonly memoryMs: number;
  readonly clock: Clock;
  onFailed(error: unknown): void;
}

export interface Decided {
  readonly isAllowed: boolean;
  /** How long the answer is valid; 0: once. */
  readonly keptMs: number;
}

/** A worker must not remember an answer forever. */
const keptMsMax = 86_400_000;

/** There is no such hook or back end. */
const notAsked: Authorization = { isAllowed: true, seconds: Number.POSITIVE_INFINITY };

const denied: Decided = { isAllowed: false, keptMs: 0 };

export class Authorizer {
  readonly #options: AuthorizerOptions;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  get asksToPublish(): boolean {
    return this.#options.publish !== undefined || this.#options.backend !== undefined;
  }
  get asksToSubscribe(): boolean {
    return this.#options.subscribe !== undefined || this.#options.backend !== undefined;
  }

  async mayPublish(client: AuthorizedClient, request: PublishRequest): Promise<Decided> {
    return await this.#all([
      () => this.#askHook(this.#options.publish, client, request),
      () => this.#askBackend({ action: 'publish', ...client, ...request }),
    ]);
  }

  async maySubscribe(client: AuthorizedClient, request: SubscribeRequest): Promise<boolean> {
    const { isAllowed } = await this.#all([
      () => this.#askHook(this.#options.subscribe, client, request),
      () => this.#askBackend({ action: 'subscribe', ...client, ...request }),
    ]);
    return isAllowed;
  }

  /** The answer is valid as long as each of them is. */
  async #all(questions: readonly (() => Authorization | Promise<Authorization>)[]): Promise<Decided> {
    const { memoryMs, timeoutMs, clock, onFailed } = this.#options;
    let keptMs = keptMsMax;
    try {
      for (const question of questions) {
        const answer = await within(timeoutMs, clock, question());
        const decided = decidedOf(answer, memoryMs);
        keptMs = Math.min(keptMs, decided.keptMs);
        if (!decided.isAllowed) return { isAllowed: false, keptMs };
      }
      return { isAllowed: true, keptMs };
    } catch (error) {
      onFailed(error);
      return denied;
    }
  }

  /** Returns the hook's answer unchanged, even if it is undefined. */
  #askHook<Request>(
    hook:
      | ((client: AuthorizedClient, request: Request) => Authorization | Promise<Authorization>)
      | undefined,
    client: AuthorizedClient,
    request: Request,
  ): Authorization | Promise<Authorization> {
    return hook === undefined ? notAsked : hook(client, request);
  }

  async #askBackend(question: Readonly<Record<string, unknown>>): Promise<Authorization> {
    const { backend } = this.#options;
    if (backend === undefined) return notAsked;
    const { result, keptMs } = await backend.ask(question);
    return { isAllowed: result === 'allow', seconds: keptMs / 1_000 };
  }
}

/** From a JavaScript program, which may return anything. */
function decidedOf(answer: unknown, memoryMs: number): Decided {
  if (answer === true || answer === false) return { isAllowed: answer, keptMs: memoryMs };
  if (!isRecord(answer)) return denied;
  const { isAllowed, seconds = memoryMs / 1_000 } = answer;
  const keptMs = typeof seconds === 'number' && seconds >= 0 ? Math.min(seconds * 1_000, keptMsMax) : 0;
  return { isAllowed: isAllowed === true, keptMs: Math.floor(keptMs) };
}

async function within<Value>(ms: number, clock: Clock, value: Value | Promise<Value>): Promise<Value> {
  if (typeof (value as Partial<Promise<Value>> | undefined)?.then !== 'function') return value;
  return await new Promise<Value>((resolve, reject) => {
    const timer = clock.after(ms, () => reject(new Error(`no answer within ${ms} ms`)));
    Promise.resolve(value)
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
