/** The caller of the HTTP API: an API key, or a user of the broker. */
import { type Access, encodeAccess } from './access.ts';
import { type ApiScope, isApiScope } from './api-scope.ts';

export interface ApiCaller {
  /** Of the key or the user, for audit lines. */
  readonly name: string;
  readonly scopes: ReadonlySet<ApiScope>;
  /** The identity of a user, verified by its password or token. Absent if the caller is a key. */
  readonly user?: Access;
}

/** The identity for the rules: a key has the rights of the user of its name. */
export function accessOfCaller({ name, user }: ApiCaller): Access {
  return user ?? { username: name };
}

/** A caller as another node of the cluster is told, in JSON. */
export interface ToldCaller {
  readonly name: string;
  readonly scopes: readonly string[];
  /** What the rules need to know of a user; absent if the caller is a key. */
  readonly user?: Pick<Access, 'username' | 'roles' | 'claims' | 'rules' | 'clientId'>;
}

export function toldCaller({ name, scopes, user }: ApiCaller): ToldCaller {
  if (user === undefined) return { name, scopes: [...scopes] };
  const { username, roles, claims, rules, clientId } = user;
  return { name, scopes: [...scopes], user: { username, roles, claims, rules, clientId } };
}

export function callerTold({ name, scopes, user }: ToldCaller): ApiCaller {
  return { name, scopes: new Set(scopes.filter(isApiScope)), ...(user === undefined ? {} : { user }) };
}

/** Callers with the same text have the same rights to topics. */
export function rightsOf({ name, user }: ApiCaller): string {
  return user === undefined
    ? `key ${name}`
    : `user ${Buffer.from(encodeAccess(user, user.clientId ?? '')).toString('latin1')}`;
}
