/**
 * The opening of a WebSocket: its request, and whether the data plane takes the connection (RFC 6455, 4.2).
 * The door (native/net/door.h) has read the request, and found that it is a GET for MQTT's path that asks
 * for a WebSocket. It remembers what is accepted: the decision depends on nothing but the rules and, of the
 * request, `host`, `origin`, `version`, `forwardedBy` and `subprotocols` (native/net/known-openings.h).
 */
import { forwardedSentence, isLocalOnly, isOnLoopbackOnly } from '../config/local-only.ts';
import type { BrokerConfig } from '../config/options.ts';
import { isLoopback } from '../config/resolve.ts';
import type { RefusalReason } from '../control/refusals.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { isAllowedOrigin, type OriginRules } from './origin.ts';
import { chooseSubprotocol } from './subprotocol.ts';

/** A missing header is empty. */
export interface OpeningRequest {
  readonly remoteAddress: string;
  /** Empty if it is not valid. */
  readonly key: string;
  readonly host: string;
  readonly origin: string;
  readonly version: string;
  /** The name of the header that shows that a proxy has forwarded the request. */
  readonly forwardedBy: string;
  /** All those offered, separated by ','. */
  readonly subprotocols: string;
  /** For clientTlsOf(). */
  readonly tlsLines: readonly string[];
}

export interface OpeningRules extends OriginRules {
  /** Only this machine may connect, without credentials. */
  readonly isLocalOnly: boolean;
}

export interface OpeningVerdict {
  readonly isAccepted: boolean;
  /** The chosen sub-protocol, or the complete response that refuses it. */
  readonly answer: string;
  /** The refused origin of a page. */
  readonly refusedOrigin?: string;
  /** Why it is refused. */
  readonly refusal?: RefusalReason;
}

export function openingRulesOf(config: BrokerConfig): OpeningRules {
  const { allowedOrigins, host } = config;
  return {
    allowedOrigins,
    isLocal: isLoopback(host),
    takesFiles: isOnLoopbackOnly(config),
    isLocalOnly: isLocalOnly(config),
  };
}

/** `fields`: in the order of the event, a line each. */
export function readOpening(fields: string): OpeningRequest {
  const lines = fields.split('\n');
  const [remoteAddress = '', key = '', host = '', origin = '', version = ''] = lines;
  const [forwardedBy = '', subprotocols = ''] = lines.slice(5);
  return { remoteAddress, key, host, origin, version, forwardedBy, subprotocols, tlsLines: lines.slice(7) };
}

export function decideOpening(request: OpeningRequest, rules: OpeningRules): OpeningVerdict {
  const { version, key, subprotocols } = request;
  if (version !== webSocketVersion) {
    const hint = `This server supports version ${webSocketVersion} of WebSocket.\n`;
    const headers = [`sec-websocket-version: ${webSocketVersion}`, 'upgrade: websocket'];
    return refused('426 Upgrade Required', ReasonCode.protocolError, hint, ...headers);
  }
  if (key === '') {
    const hint = 'The Sec-WebSocket-Key must be 16 bytes in Base64.\n';
    return refused('400 Bad Request', ReasonCode.protocolError, hint);
  }
  const forbidden = whyForbidden(request, rules);
  if (forbidden !== undefined) {
    const { hint, ...page } = forbidden;
    return { ...refused('403 Forbidden', ReasonCode.notAuthorized, hint), ...page };
  }
  const subprotocol = chooseSubprotocol(subprotocols);
  if (subprotocol === undefined) {
    const hint = 'This is an MQTT endpoint: offer the WebSocket sub-protocol "mqtt".\n';
    return refused('400 Bad Request', ReasonCode.protocolError, hint); // [MQTT-6.0.0-3]
  }
  return { isAccepted: true, answer: subprotocol };
}

/** Why the client may not open a WebSocket, however it asks: undefined, or a sentence and the refused origin of a page. */
export function whyForbidden(
  { origin, host, forwardedBy }: Pick<OpeningRequest, 'origin' | 'host' | 'forwardedBy'>,
  rules: OpeningRules,
): { readonly hint: string; readonly refusedOrigin?: string } | undefined {
  if (rules.isLocalOnly && forwardedBy !== '') return { hint: `${forwardedSentence(forwardedBy)}\n` };
  // Behind a proxy the page is not from this machine, and its own host is the one that the visitor requested.
  const isLocal = rules.isLocal && forwardedBy === '';
  if (isAllowedOrigin(origin, host, { ...rules, isLocal })) return undefined;
  const refusedOrigin = origin.slice(0, originShownMax);
  return {
    hint: `Pages of the origin ${refusedOrigin} may not connect: see allowedOrigins.\n`,
    refusedOrigin,
  };
}

const webSocketVersion = '13';

/** Characters of a refused origin that are reported: no more than a host name can have. */
const originShownMax = 300;

function refused(
  status: string,
  reasonCode: number,
  hint: string,
  ...headers: readonly string[]
): OpeningVerdict {
  const lines = [
    `HTTP/1.1 ${status}`,
    'content-type: text/plain; charset=utf-8',
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    `content-length: ${Buffer.byteLength(hint)}`,
    'connection: close',
    ...headers,
  ];
  const answer = `${lines.join('\r\n')}\r\n\r\n${hint}`;
  return { isAccepted: false, answer, refusal: { reasonCode, why: hint.trimEnd() } };
}
