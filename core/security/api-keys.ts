/**
 * The keys of the HTTP API, as the file of `apiKeysFile` has them: `name:scopes:hash` in each line. A key is 32 random
 * bytes, so its SHA-256 tells nobody what it is, and there is nothing to guess that a slow hash would protect.
 */
import { createHash, randomBytes } from 'node:crypto';
import { accessFileFault, linesOf } from './access-file.ts';

/** What a key may do: look; publish and set retained messages; get messages; end clients; reload the configuration. */
export const apiScopes = ['read', 'publish', 'subscribe', 'clients', 'config'] as const;
export type ApiScope = (typeof apiScopes)[number];

export interface ApiKey {
  /** In the audit lines, and to the rules the user name. */
  readonly name: string;
  readonly scopes: ReadonlySet<ApiScope>;
}

const keyPrefix = 'rmq_';
const keyBytes = 32;
const hashPattern = /^[\w-]{43}$/;
const namePattern = /^[^:#\s\p{C}][^:\p{C}]{0,99}$/u;

export function isApiKeyName(name: string): boolean {
  return namePattern.test(name) && name === name.trimEnd();
}

export function isApiScope(text: string): text is ApiScope {
  return apiScopes.some((scope) => scope === text);
}

export function newApiKey(): string {
  return keyPrefix + randomBytes(keyBytes).toString('base64url');
}

export function hashOfApiKey(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

export function apiKeyLine({ name, scopes }: ApiKey, hash: string): string {
  return `${name}:${[...scopes].join(',')}:${hash}`;
}

/** That are known without their hash: whoever asks often does so with the same one. */
const recentMax = 64;

export class ApiKeys {
  readonly #byHash: ReadonlyMap<string, ApiKey>;
  /** By themselves, those that were found lately. */
  readonly #recent = new Map<string, ApiKey>();

  constructor(byHash: ReadonlyMap<string, ApiKey>) {
    this.#byHash = byHash;
  }

  /** `path` is for errors, which never show a hash. Errors: ACCESS_FILE_INVALID. */
  static parse(text: string, path: string): ApiKeys {
    const byHash = new Map<string, ApiKey>();
    const names = new Set<string>();
    for (const { number, text: line } of linesOf(text)) {
      const [name = '', scopes = '', hash = '', ...more] = line.split(':');
      const fault = faultOf(name, scopes, hash, more.length > 0, names);
      if (fault !== undefined) throw accessFileFault(path, number, 1, fault);
      names.add(name);
      byHash.set(hash, { name, scopes: new Set(scopesOf(scopes).filter(isApiScope)) });
    }
    return new ApiKeys(byHash);
  }

  get all(): readonly ApiKey[] {
    return [...this.#byHash.values()];
  }

  /** Undefined: there is no such key. */
  find(key: string): ApiKey | undefined {
    const known = this.#recent.get(key);
    if (known !== undefined) return known;
    const found = key.startsWith(keyPrefix) ? this.#byHash.get(hashOfApiKey(key)) : undefined;
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
  if (hasMore || !isApiKeyName(name) || !hashPattern.test(hash))
    return "give a name, ':', scopes, ':' and a hash, as `rallymq api-key add` writes them.";
  if (names.has(name)) return `the key '${name}' stands here for the second time.`;
  const unknown = scopesOf(scopes).find((scope) => !isApiScope(scope));
  if (unknown === undefined) return undefined;
  const isWord = /^[a-z]{0,20}$/i.test(unknown); // or it may be a piece of a hash
  const what = isWord ? `'${unknown}' is not a scope` : 'what follows the name is not a list of scopes';
  return `${what}: give some of ${apiScopes.join(', ')}, with ',' between.`;
}
