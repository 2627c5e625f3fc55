/**
 * The token of a WebSocket request, which may be in the query, since pages cannot set headers there.
 * Of a request only the origin is ever logged.
 */
import type { OpeningRequest } from './opening.ts';

/** `Authorization: Bearer`, then `?access_token=`, then the cookie; undefined if there is none. */
export function openingToken(
  { authorization, target, cookie }: Pick<OpeningRequest, 'authorization' | 'target' | 'cookie'>,
  cookieName: string | undefined,
): string | undefined {
  const bearer = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1];
  return (
    bearer ?? queryToken(target) ?? (cookieName === undefined ? undefined : cookieToken(cookie, cookieName))
  );
}

function queryToken(target: string): string | undefined {
  const query = /^[^?#]*\?([^#]*)/.exec(target)?.[1];
  return query === undefined ? undefined : (new URLSearchParams(query).get('access_token') ?? undefined);
}

function cookieToken(cookie: string, name: string): string | undefined {
  const prefix = `${name}=`;
  const pair = cookie.split(/; */).find((each) => each.startsWith(prefix));
  return pair === undefined ? undefined : pair.slice(prefix.length).replace(/^"(.*)"$/, '$1');
}
