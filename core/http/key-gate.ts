/**
 * Who may ask for what: whether a request has the right of its route, by its API key or since everybody has it. Whoever
 * tries keys that nobody has is slowed down, address by address.
 */
import { forwardedSentence, isLocalOnly } from '../config/local-only.ts';
import type { BrokerConfig } from '../config/options.ts';
import type { ApiKey, ApiScope } from '../security/api-keys.ts';
import { type HttpAnswer, type HttpQuestion, textAnswer } from './answer.ts';
import { problem } from './problem.ts';
import type { Right, SiteSource } from './route.ts';

/** Whoever could read the topics of $SYS as a client may read as much over HTTP. */
export const sysTopic = '$SYS/broker/uptime';

const failuresMax = 20;
const failuresMs = 60_000;
const addressesMax = 10_000;

interface Failures {
  readonly sinceMs: number;
  count: number;
}

export type Admission = { readonly key: ApiKey | undefined } | { readonly refusal: HttpAnswer };

export class KeyGate {
  readonly #source: SiteSource;
  readonly #config: BrokerConfig;
  readonly #nowMs: () => number;
  readonly #failures = new Map<string, Failures>();

  constructor(source: SiteSource, config: BrokerConfig, nowMs: () => number = () => performance.now()) {
    this.#source = source;
    this.#config = config;
    this.#nowMs = nowMs;
  }

  admit(right: Right, question: HttpQuestion): Admission {
    if (right === 'everyone') return { key: undefined };
    if (right === 'subscribe') return this.#subscriber(question);
    if (right !== 'client' && right !== 'observer') return this.#byKey(right, question);
    const whyClosed = this.#whyClosed(question);
    if (right === 'client')
      return whyClosed === undefined ? { key: undefined } : { refusal: closed(whyClosed) };
    const isOpen = whyClosed === undefined && this.#source.mayAnyoneReceive(sysTopic);
    return isOpen && question.authorization === '' ? { key: undefined } : this.#byKey('read', question);
  }

  /**
   * A page can give its EventSource no header: its key stands in the query. Where clients of a listener see the topics of
   * their tenant only, nobody sees all without a key.
   */
  #subscriber(question: HttpQuestion): Admission {
    const token = new URLSearchParams(question.query).get('access_token');
    const authorization = token === null ? question.authorization : `Bearer ${token}`;
    const hasTenants = this.#config.listeners.some(({ topicPrefix }) => topicPrefix !== '');
    const isOpen = this.#whyClosed(question) === undefined && !hasTenants;
    if (authorization === '' && isOpen) return { key: undefined };
    return this.#byKey('subscribe', { ...question, authorization });
  }

  /** Why somebody who could not connect is not told what clients could find out; undefined: everybody may connect. */
  #whyClosed({ forwardedBy }: HttpQuestion): string | undefined {
    if (this.#config.authenticates) return 'Only a broker that lets everyone connect says so over HTTP.';
    if (forwardedBy === undefined || !isLocalOnly(this.#config)) return undefined;
    return forwardedSentence(forwardedBy);
  }

  #byKey(scope: ApiScope, { authorization, remoteAddress }: HttpQuestion): Admission {
    const keys = this.#source.apiKeys();
    if (keys === undefined) {
      const how =
        'The API is closed: `rallymq api-key add FILE NAME --scopes LIST` makes a key, and the broker takes those of --api-keys FILE.';
      return { refusal: problem(403, how) };
    }
    if (this.#isSlowedDown(remoteAddress)) {
      const detail = 'Too many keys that nobody has came from this address: try again in a minute.';
      return { refusal: problem(429, detail, ['retry-after', '60']) };
    }
    const [, given] = /^bearer +(\S+)$/i.exec(authorization) ?? [];
    if (given === undefined) {
      const detail = 'This needs a key: send the header Authorization: Bearer KEY.';
      return { refusal: problem(401, detail, ['www-authenticate', 'Bearer realm="rallymq"']) };
    }
    const key = keys.find(given);
    if (key === undefined) {
      this.#noteFailure(remoteAddress);
      const challenge = 'Bearer realm="rallymq", error="invalid_token"';
      return { refusal: problem(401, 'Nobody has this key.', ['www-authenticate', challenge]) };
    }
    if (key.scopes.has(scope)) return { key };
    return { refusal: problem(403, `The key '${key.name}' lacks the scope ${scope}.`) };
  }

  #isSlowedDown(address: string): boolean {
    const failures = this.#failures.get(address);
    if (failures === undefined || failures.count < failuresMax) return false;
    if (this.#nowMs() - failures.sinceMs < failuresMs) return true;
    this.#failures.delete(address);
    return false;
  }

  #noteFailure(address: string): void {
    const known = this.#failures.get(address);
    if (known !== undefined && this.#nowMs() - known.sinceMs < failuresMs) {
      known.count++;
      return;
    }
    this.#failures.delete(address);
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size < addressesMax) break;
      this.#failures.delete(oldest);
    }
    this.#failures.set(address, { sinceMs: this.#nowMs(), count: 1 });
  }
}

function closed(sentence: string): HttpAnswer {
  return textAnswer('403 Forbidden', `${sentence}\n`);
}
