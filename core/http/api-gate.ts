/**
 * Authorises requests: whether a caller has the right that a route needs, by an API key, as a user of the broker, or because
 * everyone has it. An address that sends wrong credentials is slowed down.
 *
 *     Authorization: Bearer rmq_...  a key from the file of API keys
 *                    Bearer ...      the token (JWT) of a user
 *                    Basic ...       the name and password of a user
 */
import { isIP } from 'node:net';
import { forwardedSentence, isLocalOnly } from '../config/local-only.ts';
import type { BrokerConfig } from '../config/options.ts';
import { isPublicName } from '../front-end/origin.ts';
import { addressKey } from '../security/address-key.ts';
import type { ApiCaller } from '../security/api-caller.ts';
import { isApiKey } from '../security/api-keys.ts';
import type { ApiScope } from '../security/api-scope.ts';
import { RecentCounts } from '../security/recent-counts.ts';
import type { SignInRefusal } from '../security/sign-in.ts';
import type { Header, HttpAnswer, HttpQuestion } from './answer.ts';
import { problem } from './problem.ts';
import type { Right, SiteSource } from './route.ts';

/** A caller that could read the $SYS topics as a client may read as much over HTTP. */
export const sysTopic = '$SYS/broker/uptime';

const failuresMax = 20;
const failuresMs = 60_000;
const addressesMax = 10_000;
/** How many characters of a host are shown. */
const hostShownMax = 100;

export type Admission = { readonly caller: ApiCaller | undefined } | { readonly refusal: HttpAnswer };

type Credentials =
  | { readonly key: string }
  | { readonly token: string }
  | { readonly username: string; readonly password: Uint8Array };

export class ApiGate {
  readonly #source: SiteSource;
  readonly #config: BrokerConfig;
  /** By addressKey(). */
  readonly #failures: RecentCounts;

  constructor(source: SiteSource, config: BrokerConfig, nowMs: () => number = () => performance.now()) {
    this.#source = source;
    this.#config = config;
    this.#failures = new RecentCounts({
      clock: { nowMs },
      windowMs: failuresMs,
      namesMax: addressesMax,
    });
  }

  /** Answers at once, except for users. Does not reject. */
  admit(right: Right, question: HttpQuestion): Admission | Promise<Admission> {
    if (right === 'everyone') return { caller: undefined };
    if (right === 'subscribe') return this.#subscriber(question);
    if (right !== 'client' && right !== 'observer') return this.#byCredentials(right, question);
    const whyClosed = this.#whyClosed(question);
    if (right === 'client') {
      const why = whyClosed ?? this.#whyHidden();
      return why === undefined ? { caller: undefined } : { refusal: closed(why) };
    }
    const isOpen = whyClosed === undefined && this.#source.mayAnyoneReceive(sysTopic);
    return isOpen && question.authorization === ''
      ? { caller: undefined }
      : this.#byCredentials('read', question);
  }

  /** A page cannot give its EventSource a header, so its key or token is in the query. */
  #subscriber(question: HttpQuestion): Admission | Promise<Admission> {
    const token = new URLSearchParams(question.query).get('access_token');
    const authorization = token === null ? question.authorization : `Bearer ${token}`;
    const whyClosed = this.#whyClosed(question);
    if (authorization === '' && whyClosed === undefined && this.#whyHidden() === undefined)
      return { caller: undefined };
    if (authorization === '' && whyClosed !== undefined && isLocalOnly(this.#config))
      return { refusal: closed(whyClosed) };
    return this.#byCredentials('subscribe', { ...question, authorization });
  }

  /** Why a caller that could not connect gets no information meant for clients; undefined: everyone may connect. */
  #whyClosed({ forwardedBy, host, remoteAddress }: HttpQuestion): string | undefined {
    if (this.#config.authenticates) return 'Only a broker that lets everyone connect answers this over HTTP.';
    if (!isLocalOnly(this.#config)) return undefined;
    if (forwardedBy !== undefined) return forwardedSentence(forwardedBy);
    if (!isPublicName(host) || isIP(remoteAddress) === 0) return undefined; // browsers do not use Unix sockets
    return `This broker is for its own machine: ask for localhost, not for ${host.slice(0, hostShownMax)}.`;
  }

  /** Why nobody reads topics without credentials, although everyone may connect; undefined: clients may read them. */
  #whyHidden(): string | undefined {
    const { asksToSubscribe, listeners } = this.#config;
    if (asksToSubscribe)
      return 'A program decides what may be read (authorizeSubscribe, authorizeUrl), and cannot be asked over HTTP.';
    const hasTenants = listeners.some(({ topicPrefix }) => topicPrefix !== '');
    return hasTenants
      ? 'Clients see the topics of their tenant only, and this shows those of all.'
      : undefined;
  }

  #byCredentials(scope: ApiScope, question: HttpQuestion): Admission | Promise<Admission> {
    const { authorization, remoteAddress } = question;
    const keys = this.#source.apiKeys();
    const mayBeUser = scope === 'subscribe' && this.#config.authenticates;
    if (keys === undefined && !mayBeUser) {
      const how =
        'The API is closed: `rallymq api-key add FILE NAME --scopes LIST` creates a key; start the broker with --api-keys FILE.';
      return { refusal: problem(403, how) };
    }
    if (this.#isSlowedDown(remoteAddress)) {
      const detail = 'Too many invalid credentials from this address: try again in a minute.';
      return { refusal: problem(429, detail, ['retry-after', '60']) };
    }
    const credentials = credentialsOf(authorization);
    if (credentials === undefined) {
      const others = this.#config.authenticates
        ? ', or a token, or the name and password of a user by Basic'
        : '';
      const detail = `Send the header Authorization: Bearer KEY${others}.`;
      return { refusal: problem(401, detail, challenge()) };
    }
    if (!('key' in credentials)) return this.#byUser(scope, remoteAddress, credentials);
    const key = keys?.find(credentials.key);
    if (key !== undefined) return withScope(key, scope);
    this.#noteFailure(remoteAddress);
    return { refusal: problem(401, 'The key is not valid.', challenge('invalid_token')) };
  }

  async #byUser(
    scope: ApiScope,
    remoteAddress: string,
    credentials: Exclude<Credentials, { readonly key: string }>,
  ): Promise<Admission> {
    if (!this.#config.authenticates) {
      this.#noteFailure(remoteAddress);
      const detail =
        'token' in credentials ? 'The key is not valid.' : 'This broker has no users: use an API key.';
      return { refusal: problem(401, detail, challenge('invalid_token')) };
    }
    const caller = await this.#source.signIn({ remoteAddress, ...credentials });
    if (typeof caller !== 'string') return withScope(caller, scope);
    if (caller === 'refused') this.#noteFailure(remoteAddress);
    return { refusal: refusalOf(caller) };
  }

  #isSlowedDown(address: string): boolean {
    return this.#failures.countOf(addressKey(address)) >= failuresMax;
  }

  #noteFailure(address: string): void {
    this.#failures.add(addressKey(address));
  }
}

/** Undefined: there are none, or they cannot be read. */
function credentialsOf(authorization: string): Credentials | undefined {
  const [, scheme = '', given = ''] = /^(bearer|basic) +(\S+)$/i.exec(authorization) ?? [];
  if (given === '') return undefined;
  if (scheme.toLowerCase() === 'bearer') return isApiKey(given) ? { key: given } : { token: given };
  const bytes = Buffer.from(given, 'base64');
  const colon = bytes.indexOf(':');
  if (colon < 0) return undefined;
  return { username: bytes.toString('utf8', 0, colon), password: bytes.subarray(colon + 1) };
}

function withScope(caller: ApiCaller, scope: ApiScope): Admission {
  if (caller.scopes.has(scope)) return { caller };
  const { name, user } = caller;
  const detail =
    user === undefined
      ? `The key '${name}' lacks the scope ${scope}.`
      : `The user '${name}' lacks the scope ${scope}: \`rallymq api-key add FILE NAME --user\` gives it.`;
  return { refusal: problem(403, detail) };
}

function refusalOf(refusal: SignInRefusal): HttpAnswer {
  switch (refusal) {
    case 'refused':
      return problem(401, 'The user name, password or token is wrong.', challenge('invalid_token'));
    case 'banned':
      return problem(403, 'This user or address is banned.');
    case 'tenant':
      return problem(
        403,
        'The user belongs to a tenant, but the API shows the topics of all tenants: use an API key.',
      );
    case 'unavailable':
      return problem(503, 'The broker cannot check credentials now: try again later.', ['retry-after', '5']);
  }
}

/** Never Basic: browsers would ask for a password themselves, remember it, and send it with the requests of any page. */
function challenge(error?: string): Header {
  return ['www-authenticate', `Bearer realm="rallymq"${error === undefined ? '' : `, error="${error}"`}`];
}

function closed(sentence: string): HttpAnswer {
  return problem(403, sentence);
}
