/** What clients may do, from files and programs. native/security/ enforces it. */
import { isSharedFilter, isValidTopicFilter } from '../wire/topic.ts';

export interface Rule {
  readonly effect: 'allow' | 'deny';
  readonly action: 'publish' | 'subscribe';
  /** A compiled filter: from compileFilter(), or one without placeholders. */
  readonly filter: string;
  /** Applies only if no rule without it matches: a `pattern` line of an acl_file. */
  readonly isLater: boolean;
}

/** Roles by name, and the clients that have them. Of all rules of a client's roles, a denying one decides first, then an allowing one. */
export interface RuleBook {
  readonly roles: ReadonlyMap<string, readonly Rule[]>;
  readonly everyone: readonly string[];
  /** Roles of clients without a user name. */
  readonly anonymous: readonly string[];
  readonly users: ReadonlyMap<string, readonly string[]>;
  /** The topic prefixes of users; see `topicPrefix` in core/config/authentication.ts. */
  readonly prefixes: ReadonlyMap<string, string>;
}

/** The fault of a rule's filter, as the end of a sentence; undefined if there is none. */
export function filterFault(filter: string): string | undefined {
  if (isSharedFilter(filter))
    return "begins with '$share/': give the filter without it; it applies to shared subscriptions too";
  if (!isValidTopicFilter(filter))
    return "is not a topic filter: '+' and '#' must be alone in their level, and '#' the last level";
  return undefined;
}

/** The placeholders that a filter may have: an acl_file knows no claims. */
export type Placeholders = 'names' | 'namesAndClaims';

/** The fault of a placeholder in a rule's filter. */
export function placeholderFault(filter: string, known: Placeholders): string | undefined {
  const { alone, within, shown } = placeholders[known];
  const level = filter.split('/').find((each) => within.test(each) && !alone.test(each));
  return level === undefined
    ? undefined
    : `has '${level}': a placeholder (${shown}) must be alone in its level`;
}

/** With placeholders in the form of native/security/placeholders.h: levels that begin with U+0000. */
export function compileFilter(filter: string, known: Placeholders): string {
  const { alone } = placeholders[known];
  return filter
    .split('/')
    .map((level) => {
      if (!alone.test(level)) return level;
      return level[1] === '{' ? `\0:${level.slice(2, -1)}` : `\0${level[1]}`;
    })
    .join('/');
}

const placeholders = {
  names: { alone: /^%[uc]$/, within: /%[uc]/, shown: '%u or %c' },
  namesAndClaims: { alone: /^%(?:[uc]|\{[^{}]+\})$/, within: /%[uc{]/, shown: '%u, %c or %{claim}' },
} as const;
