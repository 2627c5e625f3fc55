/**
 * Decides which clients may connect (main thread): the first provider that knows the user decides, or a method of
 * enhanced authentication, whose exchange with the client takes place in AUTH packets. Each decision may take
 * `timeoutMs`, whichever side is slow.
 *
 *   CONNECT or AUTH 0x19 -> next(data) -> continue -> AUTH 0x18 to the client, and its AUTH 0x18 -> next(data)
 *                                      -> success, failure -> verdict
 */
import type {
  AuthenticationExchange,
  AuthenticationMethod,
  ConnectingClient,
} from '../config/authentication.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import type { Access, Identity } from './access.ts';
import { accessOf } from './grants.ts';
import type { Provider } from './provider.ts';

export interface AuthenticatorOptions {
  /** In this order. */
  readonly providers: readonly Provider[];
  readonly methods: readonly AuthenticationMethod[];
  /** Accepts clients that name neither a method nor a user, unless a provider decides. */
  readonly allowsAnonymous: boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Whether the token of a client is revoked: a program or a back end may have accepted it. */
  isRevoked(identity: Identity): boolean;
  /** Sends AUTH 0x18 with `data`. */
  sendChallenge(worker: number, connection: number, data: Uint8Array): void;
  /** A hook or a method has failed or was too slow. */
  onFailed(error: unknown, client: ConnectingClient): void;
}

/** The client that authenticates, and the method. */
export interface AuthenticationRequest {
  readonly client: ConnectingClient;
  /** The setting of its listener; undefined: that of the broker. */
  readonly allowsAnonymous?: boolean | undefined;
  readonly method: string | undefined;
  readonly data: Uint8Array | undefined;
}

export interface Verdict {
  /** 0 lets the client in. */
  readonly reasonCode: number;
  /** Of a refusal, for the log; the client is not told. */
  readonly why?: string;
  /** There was no decision, which is not the client's fault: it may try again with the same credentials. */
  readonly isUndecided?: boolean;
  /** The last Authentication Data for the client. */
  readonly data?: Uint8Array | undefined;
  /** The identity of an accepted client. */
  readonly access?: Access;
}

/** How often something has decided so since the start. */
export interface AuthenticationCount {
  /** A provider, a method of enhanced authentication, `anonymous`, or `unknown`: nothing knows the user. */
  readonly method: string;
  /** `failed`: it could not decide, or not in time. */
  readonly result: 'accepted' | 'refused' | 'failed';
  readonly count: number;
}

/** An authentication under way. */
interface Pending {
  /** What is deciding now: as of AuthenticationCount. */
  method: string;
  /** Takes the client's next data while it is awaited. */
  answer: ((data: Uint8Array | undefined) => void) | undefined;
  abandon(): void;
}

/** The number of a worker for callers without a connection. */
const overHttp = -1;

/** The reasons of failed logins, which an attacker who guesses passwords would get. */
export const failedLoginReasons: readonly number[] = [
  ReasonCode.badUserNameOrPassword,
  ReasonCode.notAuthorized,
  ReasonCode.badAuthenticationMethod,
];

const letIn: Verdict = { reasonCode: ReasonCode.success, access: {} };
const notAuthorized: Verdict = { reasonCode: ReasonCode.notAuthorized };
const revoked: Verdict = { ...notAuthorized, why: 'the token is revoked' };
const unavailable: Verdict = { reasonCode: ReasonCode.serverUnavailable, isUndecided: true };
const busy: Verdict = { reasonCode: ReasonCode.serverBusy, isUndecided: true };

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #methods: ReadonlyMap<string, AuthenticationMethod>;
  /** By worker and connection. */
  readonly #pending = new Map<string, Pending>();
  #nextAlone = 0;
  /** By method and result. */
  readonly #counts = new Map<
    string,
    { -readonly [Name in keyof AuthenticationCount]: AuthenticationCount[Name] }
  >();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#methods = new Map(options.methods.map((method) => [method.name, method]));
  }

  /**
   * Decides immediately if no provider or method is involved. Resolves with undefined if the client disconnects before
   * the decision.
   */
  decide(
    worker: number,
    connection: number,
    request: AuthenticationRequest,
  ): Verdict | Promise<Verdict | undefined> {
    const { client, method: name, data, allowsAnonymous } = request;
    if (name === undefined) return this.#decidePlain(worker, connection, client, allowsAnonymous);
    const method = this.#methods.get(name);
    if (method === undefined) return { reasonCode: ReasonCode.badAuthenticationMethod };
    return this.#bounded(worker, connection, client, (pending) => {
      const challenge = (challengeData: Uint8Array) =>
        this.#options.sendChallenge(worker, connection, challengeData);
      pending.method = name;
      return runExchange(method.begin(client), data, pending, challenge);
    });
  }

  /** The same for a caller over HTTP, without methods of enhanced authentication. */
  async decideAlone(client: ConnectingClient): Promise<Verdict> {
    const verdict = await this.#decidePlain(overHttp, this.#nextAlone++, client, false);
    return verdict ?? unavailable;
  }

  get counts(): readonly AuthenticationCount[] {
    return [...this.#counts.values()];
  }

  #note(method: string, result: AuthenticationCount['result']): void {
    const key = `${method} ${result}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { method, result, count: 1 });
    else known.count++;
  }

  /** The client has answered a challenge. */
  answered(worker: number, connection: number, data: Uint8Array | undefined): void {
    this.#pending.get(keyOf(worker, connection))?.answer?.(data);
  }

  /** The client has disconnected. */
  abandoned(worker: number, connection: number): void {
    this.#pending.get(keyOf(worker, connection))?.abandon();
  }

  /** All clients of the worker have disconnected. */
  workerLost(worker: number): void {
    for (const [key, pending] of this.#pending) if (key.startsWith(`${worker}/`)) pending.abandon();
  }

  #decidePlain(
    worker: number,
    connection: number,
    client: ConnectingClient,
    allowsHere: boolean | undefined,
  ): Verdict | Promise<Verdict | undefined> {
    const { providers, allowsAnonymous } = this.#options;
    const isOpen = allowsHere ?? allowsAnonymous;
    const isClosed = this.#methods.size > 0 ? !isOpen : allowsHere === false;
    if (providers.length === 0) return isClosed ? notAuthorized : letIn;
    return this.#bounded(worker, connection, client, (pending) => this.#ask(client, isOpen, pending));
  }

  async #ask(client: ConnectingClient, isOpen: boolean, pending: Pending): Promise<Verdict> {
    for (const provider of this.#options.providers) {
      pending.method = provider.name;
      const decision = await provider.decide(client);
      if (decision === 'unknown') continue;
      return 'reasonCode' in decision ? decision : { reasonCode: ReasonCode.success, access: decision };
    }
    pending.method = client.username === undefined ? 'anonymous' : 'unknown';
    if (client.username !== undefined) return { reasonCode: ReasonCode.badUserNameOrPassword };
    return isOpen ? letIn : notAuthorized;
  }

  /** A provider or method that fails refuses with 0x88, one that is too slow with 0x89, a client that is too slow gets 0x87. */
  async #bounded(
    worker: number,
    connection: number,
    client: ConnectingClient,
    run: (pending: Pending) => Promise<Verdict>,
  ): Promise<Verdict | undefined> {
    const { clock, timeoutMs, onFailed } = this.#options;
    const key = keyOf(worker, connection);
    const pending: Pending = { method: '', answer: undefined, abandon: () => {} };
    let timer: Timer | undefined;
    const over = new Promise<Verdict | undefined>((resolve) => {
      pending.abandon = () => resolve(undefined);
      timer = clock.after(timeoutMs, () => {
        if (pending.answer !== undefined) {
          resolve(notAuthorized); // the client is the slow one
          return;
        }
        onFailed(new Error(`authentication took longer than connectTimeoutMs (${timeoutMs} ms)`), client);
        resolve(busy);
      });
    });
    this.#pending.set(key, pending);
    try {
      const decided = await Promise.race([run(pending), over]);
      const isRevoked = decided?.access !== undefined && this.#options.isRevoked(decided.access);
      const verdict = isRevoked ? revoked : decided;
      if (verdict !== undefined) this.#note(pending.method, resultOf(verdict));
      return verdict;
    } catch (error) {
      onFailed(error, client);
      this.#note(pending.method, 'failed');
      return unavailable;
    } finally {
      timer?.cancel();
      this.#pending.delete(key);
    }
  }
}

function resultOf({ reasonCode, isUndecided = false }: Verdict): AuthenticationCount['result'] {
  if (reasonCode === ReasonCode.success) return 'accepted';
  const isLate = reasonCode === ReasonCode.serverUnavailable || reasonCode === ReasonCode.serverBusy;
  return isUndecided || isLate ? 'failed' : 'refused';
}

async function runExchange(
  exchange: AuthenticationExchange,
  data: Uint8Array | undefined,
  pending: Pending,
  challenge: (data: Uint8Array) => void,
): Promise<Verdict> {
  let step = await exchange.next(data);
  while (step.outcome === 'continue') {
    const answered = new Promise<Uint8Array | undefined>((resolve) => {
      pending.answer = resolve;
    });
    challenge(step.data);
    const answer = await answered;
    pending.answer = undefined;
    step = await exchange.next(answer);
  }
  if (step.outcome !== 'success')
    return step.why === undefined ? notAuthorized : { ...notAuthorized, why: step.why };
  return { reasonCode: ReasonCode.success, data: step.data, access: accessOf(step.grant ?? {}) };
}

function keyOf(worker: number, connection: number): string {
  return `${worker}/${connection}`;
}
