/**
 * The token of a WebSocket request, which may be in the query, since pages cannot set headers there.
 * Of a request only the origin is ever logged.
 */

/** The parts of a request that may have a token; a missing header is empty. */
export interface TokenPlaces {
  readonly authorization: string;
  /** Path and query; may be empty if it has no query. */
  readonly target: string;
  readonly cookie: string;
}

export interface OpeningToken {
  readonly text: string;
  /** From the cookie, which browsers send whether the page wants it or not. */
  readonly isAmbient: boolean;
}

/** `Authorization: Bearer`, then `?access_token=`, then the cookie; undefined if there is none. */
export function openingToken(
  { authorization, target, cookie }: TokenPlaces,
  cookieName: string | undefined,
): OpeningToken | undefined {
  const given = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1] ?? queryToken(target);
  if (given !== undefined) return { text: given, isAmbient: false };
  const ambient = cookieName === undefined ? undefined : cookieToken(cookie, cookieName);
  return ambient === undefined ? undefined : { text: ambient, isAmbient: true };
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
