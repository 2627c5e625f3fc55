/** Converts the claims of a verified token into a grant. */
import type { Grant } from '../config/authentication.ts';
import { isTopicPrefix } from '../config/listeners.ts';
import { isRecord } from '../unknown-value.ts';
import { TokenError } from './token-error.ts';

/** More than any token needs; each becomes a node of a table. */
const filtersMax = 1_000;

/** Throws a TokenError: a token that is not understood completely grants nothing. */
export function readClaims(
  payload: Readonly<Record<string, unknown>>,
  usernameClaim: string,
  clientIdClaim?: string,
  tenantClaim?: string,
): Grant {
  const username = payload[usernameClaim];
  if (typeof username !== 'string' || username === '')
    throw new TokenError(`it has no claim '${usernameClaim}'`);
  const { exp, jti, iat, roles, acl, subs } = payload;
  if (typeof exp !== 'number') throw new TokenError("it has no claim 'exp'");
  const allow = readAcl(acl);
  const clientId = clientIdClaim === undefined ? undefined : textClaim(payload, clientIdClaim);
  return {
    username,
    expiresAt: exp,
    roles: roles === undefined ? [] : texts(roles, 'roles'),
    claims: textClaims(payload),
    ...(allow === undefined ? {} : { allow }),
    ...(clientId === undefined ? {} : { clientId }),
    ...(tenantClaim === undefined ? {} : { topicPrefix: prefixOf(textClaim(payload, tenantClaim)) }),
    subscriptions: readSubscriptions(subs),
    ...(typeof jti === 'string' ? { tokenId: jti } : {}),
    issuedAt: typeof iat === 'number' ? iat : 0, // a token without an issue time is revoked by any revocation by time
  };
}

/** A tenant is one level: its name cannot reach into another's. */
function prefixOf(tenant: string): string {
  const prefix = `${tenant}/`;
  if (tenant.includes('/') || !isTopicPrefix(prefix))
    throw new TokenError('its tenant is not a level of a topic');
  return prefix;
}

function textClaim(payload: Readonly<Record<string, unknown>>, name: string): string {
  const value = payload[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new TokenError(`it has no claim '${name}'`);
}

/** `{ "publish": ["a/%u/#"], "subscribe": [...] }`. */
function readAcl(acl: unknown): NonNullable<Grant['allow']> | undefined {
  if (acl === undefined) return undefined;
  const { publish, subscribe, ...others } = recordOf(acl, 'acl');
  if (Object.keys(others).length > 0)
    throw new TokenError("'acl' has something other than publish and subscribe");
  return {
    publish: publish === undefined ? [] : texts(publish, 'acl'),
    subscribe: subscribe === undefined ? [] : texts(subscribe, 'acl'),
  };
}

/** `["scores/#", { "filter": "orders/1", "qos": 1 }]`. */
function readSubscriptions(subs: unknown): NonNullable<Grant['subscriptions']> {
  if (subs === undefined) return [];
  if (!Array.isArray(subs) || subs.length > filtersMax)
    throw new TokenError("'subs' is not a list, or too long");
  return subs.map((each) => {
    if (typeof each === 'string') return { topicFilter: each };
    const { filter, qos = 0 } = recordOf(each, 'subs');
    if (typeof filter !== 'string' || (qos !== 0 && qos !== 1 && qos !== 2))
      throw new TokenError("'subs' has something other than filters with a QoS");
    return { topicFilter: filter, qos };
  });
}

function texts(value: unknown, name: string): string[] {
  const list = typeof value === 'string' ? [value] : value;
  if (Array.isArray(list) && list.length <= filtersMax && list.every((each) => typeof each === 'string'))
    return list;
  throw new TokenError(`'${name}' is not a list of strings, or too long`);
}

/** Claims that can be values of `%{name}`. */
function textClaims(payload: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(payload).flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' ? [[name, `${value}`]] : [],
    ),
  );
}

function recordOf(value: unknown, name: string): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new TokenError(`'${name}' is not an object`);
}
