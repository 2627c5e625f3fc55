/**
 * The keys of the HTTP API, from the file of `apiKeysFile`: `name:scopes:hash` in each line. A key is 32 random bytes, so its
 * SHA-256 reveals nothing, and a slow hash would not protect it any better. A line `name:scopes:user` gives the scopes to the
 * user of the broker with this name.
 */
import { createHash, randomBytes } from 'node:crypto';
import { accessFileFault, linesOf } from './access-file.ts';
import type { ApiCaller } from './api-caller.ts';
import { type ApiScope, apiScopes, isApiScope } from './api-scope.ts';

/** A line of the file. */
export type ApiKey = Pick<ApiCaller, 'name' | 'scopes'>;

const keyPrefix = 'rmq_';
/** Instead of a hash. */
const userMark = 'user';
const keyBytes = 32;
const hashPattern = /^[\w-]{43}$/;
const namePattern = /^[^:#\s\p{C}][^:\p{C}]{0,99}$/u;

export function isApiKeyName(name: string): boolean {
  return namePattern.test(name) && name === name.trimEnd();
}

export function newApiKey(): string {
  return keyPrefix + randomBytes(keyBytes).toString('base64url');
}

export function hashOfApiKey(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

/** Whether it has the form of a key, which no token has. */
export function isApiKey(text: string): boolean {
  return text.startsWith(keyPrefix);
}

export function apiUserLine(user: ApiKey): string {
  return apiKeyLine(user, userMark);
}

export function apiKeyLine({ name, scopes }: ApiKey, hash: string): string {
  return `${name}:${[...scopes].join(',')}:${hash}`;
}

/** Keys whose hash is known already: a caller usually repeats the same one. */
const recentMax = 64;

export class ApiKeys {
  readonly #byHash: ReadonlyMap<string, ApiKey>;
  readonly #users: ReadonlyMap<string, ApiKey>;
  /** The keys themselves, of those found lately. */
  readonly #recent = new Map<string, ApiKey>();

  /** `users`: by name. */
  constructor(byHash: ReadonlyMap<string, ApiKey>, users: ReadonlyMap<string, ApiKey> = new Map()) {
    this.#byHash = byHash;
    this.#users = users;
  }

  /** `path` is for errors, which never show a hash. Errors: ACCESS_FILE_INVALID. */
  static parse(text: string, path: string): ApiKeys {
    const byHash = new Map<string, ApiKey>();
    const users = new Map<string, ApiKey>();
    const names = new Set<string>();
    for (const { number, text: line } of linesOf(text)) {
      const [name = '', scopes = '', hash = '', ...more] = line.split(':');
      const fault = faultOf(name, scopes, hash, more.length > 0, names);
      if (fault !== undefined) throw accessFileFault(path, number, 1, fault);
      names.add(name);
      const caller = { name, scopes: new Set(scopesOf(scopes).filter(isApiScope)) };
      if (hash === userMark) users.set(name, caller);
      else byHash.set(hash, caller);
    }
    return new ApiKeys(byHash, users);
  }

  get all(): readonly ApiKey[] {
    return [...this.#byHash.values(), ...this.#users.values()];
  }

  /** The scopes of a user of the broker; none, unless the file names the user. */
  scopesOfUser(username: string): ReadonlySet<ApiScope> {
    return this.#users.get(username)?.scopes ?? new Set();
  }

  isUser(name: string): boolean {
    return this.#users.has(name);
  }

  /** Undefined: there is no such key. */
  find(key: string): ApiKey | undefined {
    const known = this.#recent.get(key);
    if (known !== undefined) return known;
    const found = isApiKey(key) ? this.#byHash.get(hashOfApiKey(key)) : undefined;
    if (found === undefined) return undefined;
    if (this.#recent.size >= recentMax) this.#recent.clear();
    this.#recent.set(key, found);
    return found;
  }
}

function scopesOf(text: string): string[] {
  return text.split(',').map((scope) => scope.trim());
}

function faultOf(
  name: string,
  scopes: string,
  hash: string,
  hasMore: boolean,
  names: ReadonlySet<string>,
): string | undefined {
  if (hasMore || !isApiKeyName(name) || !(hash === userMark || hashPattern.test(hash)))
    return "give a name, ':', scopes, ':' and a hash or 'user', as `rallymq api-key add` writes them.";
  if (names.has(name)) return `the name '${name}' occurs a second time.`;
  const unknown = scopesOf(scopes).find((scope) => !isApiScope(scope));
  if (unknown === undefined) return undefined;
  const isWord = /^[a-z]{0,20}$/i.test(unknown); // or it may be part of a hash
  const what = isWord ? `'${unknown}' is not a scope` : 'what follows the name is not a list of scopes';
  return `${what}: give some of ${apiScopes.join(', ')}, with ',' between.`;
}
