/**
 * Which web pages may open a WebSocket. A browser lets every page connect to every host it reaches, also to
 * one that listens on loopback only, and says in the header `Origin` whose page it is. Programs send none
 * and are not meant here: who is let in is decided by authentication.
 *
 * Of a file, and of a sandboxed frame of any page whatever, the origin is `null`. To let in files lets in
 * such frames. A broker on loopback does, for the page that somebody has just written and opened; one that
 * others reach does not, unless `null` is allowed by name.
 */
import { isLoopback } from '../config/resolve.ts';

export interface OriginRules {
  /** Compared whole; '*' allows all. */
  readonly allowedOrigins: readonly string[];
  /** Only this machine reaches the broker. */
  readonly isLocal: boolean;
}

/** `origin` and `host` are the headers of the request, empty where there are none. */
export function isAllowedOrigin(origin: string, host: string, rules: OriginRules): boolean {
  if (origin === '' || rules.allowedOrigins.includes('*') || rules.allowedOrigins.includes(origin))
    return true;
  if (origin === 'null') return rules.isLocal;
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url === undefined || url.origin !== origin || !/^https?:$/.test(url.protocol)) return false;
  // A page from this machine: a development server, or the broker's own. A name that is made to point here
  // (DNS rebinding) is none, though such a page has the same origin as the host that it asks for.
  if (rules.isLocal) return isLocalName(url.hostname);
  return url.host === host; // with http: or https:, since a proxy may do TLS
}

function isLocalName(hostname: string): boolean {
  return hostname.endsWith('.localhost') || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}
