/**
 * Which web pages may open a WebSocket. A browser lets every page connect to any host it can reach, even to
 * one that listens on loopback only, and sends the page's origin in the header `Origin`. Programs send none;
 * they are subject to authentication only.
 *
 * The origin of a file, and of a sandboxed frame of any page, is `null`. Allowing files allows
 * such frames. A broker on loopback does, for pages that were just written and opened; one that
 * others can reach does not, unless `null` is allowed explicitly.
 */
import { isIP } from 'node:net';
import { serialisedOrigin } from '../config/origin-text.ts';
import { isLoopback } from '../config/resolve.ts';

export interface OriginRules {
  /** As serialisedOrigin() gives them; '*' allows all. */
  readonly allowedOrigins: readonly string[];
  /** The broker's own ports can be reached from this machine only. */
  readonly isLocal: boolean;
  /** Nor can those of its listeners. */
  readonly takesFiles: boolean;
}

/** `origin` and `host` are the headers of the request, empty if missing. */
export function isAllowedOrigin(origin: string, host: string, rules: OriginRules): boolean {
  if (origin === '' || rules.allowedOrigins.includes('*')) return true;
  if (origin === 'null') return (rules.isLocal && rules.takesFiles) || rules.allowedOrigins.includes('null');
  const serialised = serialisedOrigin(origin);
  if (serialised === undefined) return false;
  if (rules.allowedOrigins.includes(serialised)) return true;
  const url = new URL(serialised);
  if (!/^https?:$/.test(url.protocol)) return false;
  // A page from this machine: a development server, or the broker's own. Not a page of a name that points here
  // (DNS rebinding), although its origin equals the requested host.
  if (rules.isLocal) return isLocalName(url.hostname);
  // The page's own scheme determines the default port of the host: a proxy may do TLS.
  return serialisedOrigin(`${url.protocol}//${host}`) === serialised;
}

/**
 * Whether the header `Host` may be a public name that is not of this machine. Whoever owns such a name can give it the
 * address of this machine (DNS rebinding): a browser then takes the broker for the server of his pages, and sends their
 * requests without an `Origin`. An address, and a name without a dot, cannot be had like that.
 */
export function isPublicName(host: string): boolean {
  const url = `http://${host}`;
  if (host === '' || !URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname.includes('.') && isIP(hostname) === 0 && !isLocalName(hostname);
}

function isLocalName(hostname: string): boolean {
  return hostname.endsWith('.localhost') || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}
