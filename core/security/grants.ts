/** What a program or a token grants a client, made into what the rules need to know of it. */
import type { Grant } from '../config/authentication.ts';
import type { Access } from './access.ts';
import { compileFilter, filterFault, placeholderFault, type Rule } from './rules.ts';
import { TokenError } from './token-error.ts';

/** Throws a TokenError for a filter that is none. */
export function accessOf({ allow, expiresAt, subscriptions, ...grant }: Grant): Access {
  return {
    ...grant,
    ...(allow === undefined
      ? {}
      : { rules: [...rulesOf('publish', allow.publish), ...rulesOf('subscribe', allow.subscribe)] }),
    ...(expiresAt === undefined ? {} : { expiresAtMs: expiresAt * 1_000 }),
    ...(subscriptions === undefined ? {} : { subscriptions: subscriptions.map(checked) }),
  };
}

function rulesOf(action: Rule['action'], filters: readonly string[] = []): Rule[] {
  return filters.map((filter) => {
    const fault = filterFault(filter) ?? placeholderFault(filter, 'namesAndClaims');
    if (fault !== undefined) throw new TokenError(`the filter ${JSON.stringify(filter)} ${fault}`);
    return { effect: 'allow', action, filter: compileFilter(filter, 'namesAndClaims'), isLater: false };
  });
}

function checked(subscription: NonNullable<Grant['subscriptions']>[number]): Required<typeof subscription> {
  const fault = filterFault(subscription.topicFilter);
  if (fault !== undefined)
    throw new TokenError(`the filter ${JSON.stringify(subscription.topicFilter)} ${fault}`);
  return { qos: 0, ...subscription };
}
