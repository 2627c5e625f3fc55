/** Converts the grant of a program or a token into the identity and rights for the rules. */
import type { Grant } from '../config/authentication.ts';
import { isTopicPrefix } from '../config/listeners.ts';
import { isRecord, isWholeNumber } from '../unknown-value.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import type { Access } from './access.ts';
import { compileFilter, filterFault, placeholderFault, type Rule } from './rules.ts';
import { TokenError } from './token-error.ts';

/** `given`: the user name of the CONNECT, unless the grant has one. Throws a TokenError for an invalid filter. */
export function accessOf({ allow, expiresAt, subscriptions, ...grant }: Grant, given?: string): Access {
  const username = grant.username ?? given;
  return {
    ...grant,
    ...(username === undefined ? {} : { username }),
    ...(allow === undefined
      ? {}
      : { rules: [...rulesOf('publish', allow.publish), ...rulesOf('subscribe', allow.subscribe)] }),
    // Not Infinity, which JSON does not have: in the worker it would be 1970.
    ...(expiresAt === undefined ? {} : { expiresAtMs: Math.min(expiresAt * 1_000, Number.MAX_VALUE) }),
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

/** A JavaScript function may return anything, and a misread grant would give rights away. */
export function isGrant(answer: unknown): answer is Grant {
  if (!isRecord(answer)) return false;
  const { username, roles = [], claims = {}, allow = {}, subscriptions = [], ...more } = answer;
  const {
    tokenId,
    issuedAt,
    expiresAt,
    attributes = {},
    quotas = {},
    clientId,
    topicPrefix,
    ...others
  } = more;
  return (
    Object.keys(others).length === 0 &&
    (username === undefined || isShortText(username)) &&
    areTexts(roles) &&
    isRecord(claims) &&
    Object.entries(claims).every((pair) => pair.every(isShortText)) &&
    isRecord(allow) &&
    Object.entries(allow).every(([action, filters]) => Object.hasOwn(actions, action) && areTexts(filters)) &&
    Array.isArray(subscriptions) &&
    subscriptions.every((each) => isRecord(each) && isShortText(each['topicFilter']) && isQos(each['qos'])) &&
    (tokenId === undefined || isShortText(tokenId)) &&
    [issuedAt, expiresAt].every((time) => time === undefined || Number.isFinite(time)) &&
    isRecord(attributes) &&
    isRecord(quotas) &&
    Object.entries(quotas).every(([name, quota]) => Object.hasOwn(quotaNames, name) && isQuota(quota)) &&
    (clientId === undefined || isShortText(clientId)) &&
    (topicPrefix === undefined || isTopicPrefix(topicPrefix))
  );
}

/** For CONNACK: the reason of a refusal. */
const refusals: readonly number[] = [
  ReasonCode.unspecifiedError,
  ReasonCode.clientIdentifierNotValid,
  ReasonCode.badUserNameOrPassword,
  ReasonCode.notAuthorized,
  ReasonCode.serverUnavailable,
  ReasonCode.serverBusy,
  ReasonCode.banned,
  ReasonCode.quotaExceeded,
  ReasonCode.useAnotherServer,
  ReasonCode.connectionRateExceeded,
];

/** Whether a program's answer is a refusal. */
export function isRefusal(answer: unknown): answer is { readonly reasonCode: number } {
  if (!isRecord(answer) || Object.keys(answer).length !== 1) return false;
  const { reasonCode } = answer;
  return refusals.some((each) => each === reasonCode);
}

const quotaNames = { messagesPerSecond: true, bytesPerSecond: true };

function isQuota(value: unknown): boolean {
  return value === undefined || isWholeNumber(value, 0, 4_294_967_295);
}

const actions = { publish: true, subscribe: true };

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isShortText);
}

function isQos(qos: unknown): boolean {
  return qos === undefined || qos === 0 || qos === 1 || qos === 2;
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 16_384; // the data plane gets two bytes for the length
}
