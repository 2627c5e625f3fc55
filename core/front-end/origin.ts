/**
 * Which web pages may open a WebSocket. A browser lets every page connect to every host it reaches, also to
 * one that listens on loopback only, and says in the header `Origin` whose page it is. Programs send none
 * and are not meant here: who is let in is decided by authentication.
 *
 * Of a file, and of a sandboxed frame of any page whatever, the origin is `null`. To let in files lets in
 * such frames. A broker on loopback does, for the page that somebody has just written and opened; one that
 * others reach does not, unless `null` is allowed by name.
 */
import { serialisedOrigin } from '../config/origin-text.ts';
import { isLoopback } from '../config/resolve.ts';

export interface OriginRules {
  /** As serialisedOrigin() gives them; '*' allows all. */
  readonly allowedOrigins: readonly string[];
  /** Only this machine reaches the broker. */
  readonly isLocal: boolean;
}

/** `origin` and `host` are the headers of the request, empty where there are none. */
export function isAllowedOrigin(origin: string, host: string, rules: OriginRules): boolean {
  if (origin === '' || rules.allowedOrigins.includes('*')) return true;
  if (origin === 'null') return rules.isLocal || rules.allowedOrigins.includes('null');
  const serialised = serialisedOrigin(origin);
  if (serialised === undefined) return false;
  if (rules.allowedOrigins.includes(serialised)) return true;
  const url = new URL(serialised);
  if (!/^https?:$/.test(url.protocol)) return false;
  // A page from this machine: a development server, or the broker's own. A name that is made to point here
  // (DNS rebinding) is none, though such a page has the same origin as the host that it asks for.
  if (rules.isLocal) return isLocalName(url.hostname);
  // The page's own scheme says which port the host has by default: a proxy may do TLS.
  return serialisedOrigin(`${url.protocol}//${host}`) === serialised;
}

function isLocalName(hostname: string): boolean {
  return hostname.endsWith('.localhost') || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}
