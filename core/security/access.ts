/** The verified identity of a client, for the rules. */
import type { Quotas } from '../config/authentication.ts';
import { concat, write } from '../wire/write.ts';
import { encodeRules, text } from './encode-rules.ts';
import type { Rule } from './rules.ts';

/** The identity of a client, and its token. */
export interface Identity {
  /** Undefined if the user name was not verified: the client is anonymous to the rules. */
  readonly username?: string | undefined;
  readonly tokenId?: string | undefined;
  /** In seconds since 1970. */
  readonly issuedAt?: number | undefined;
  /** The prefix of all its topics, invisible to the client. */
  readonly topicPrefix?: string | undefined;
  /** For the hooks that authorise topics. */
  readonly attributes?: Readonly<Record<string, unknown>> | undefined;
}

export interface ServerSubscription {
  readonly topicFilter: string;
  readonly qos: 0 | 1 | 2;
}

export interface Access extends Identity {
  /** By name, in addition to those of the rules. A role that the rules do not define grants nothing. */
  readonly roles?: readonly string[] | undefined;
  /** Values of `%{name}`. */
  readonly claims?: Readonly<Record<string, string>> | undefined;
  /** Those that the client sends itself. */
  readonly rules?: readonly Rule[] | undefined;
  /** When it expires, in wall-clock time; undefined: never. */
  readonly expiresAtMs?: number | undefined;
  readonly quotas?: Quotas | undefined;
  /** The client identifier that it must use. */
  readonly clientId?: string | undefined;
  /** Subscriptions that the broker makes for the client. */
  readonly subscriptions?: readonly ServerSubscription[] | undefined;
}

const flags = { hasUserName: 1, hasOwnRules: 2, hasPrefix: 4 } as const;

/** For the data plane: native/security/access.h has a drawing, and reads it. */
export function encodeAccess(
  { username, roles = [], claims = {}, rules, topicPrefix = '' }: Access,
  clientId: string,
): Uint8Array {
  const pairs = Object.entries(claims);
  return concat([
    [
      (username === undefined ? 0 : flags.hasUserName) |
        (rules === undefined ? 0 : flags.hasOwnRules) |
        (topicPrefix === '' ? 0 : flags.hasPrefix),
    ],
    text(username ?? ''),
    text(clientId),
    write.uint16(roles.length),
    ...roles.map(text),
    write.uint16(pairs.length),
    ...pairs.flatMap(([name, value]) => [text(name), text(value)]),
    ...(rules === undefined ? [] : [encodeRules(rules)]),
    ...(topicPrefix === '' ? [] : [text(topicPrefix)]),
  ]);
}
