/**
 * The opening of a WebSocket: what its request says, and whether the connection becomes the data plane's (RFC 6455, 4.2).
 * The door (native/net/door.h) has read the request, and has seen that it is a GET for the path of MQTT that asks
 * for a WebSocket.
 */
import type { BrokerConfig } from '../config/options.ts';
import { isLoopback } from '../config/resolve.ts';
import { switchingProtocols } from './handshake.ts';
import { isAllowedOrigin, type OriginRules } from './origin.ts';
import { chooseSubprotocol } from './subprotocol.ts';

/** A header that is not there is empty. */
export interface OpeningRequest {
  readonly remoteAddress: string;
  /** Path and query. */
  readonly target: string;
  readonly host: string;
  readonly origin: string;
  readonly version: string;
  readonly key: string;
  readonly cookie: string;
  readonly authorization: string;
  /** All that are offered, with ',' between. */
  readonly subprotocols: string;
  /** For clientTlsOf(). */
  readonly tlsLines: readonly string[];
}

export type OpeningRules = OriginRules;

export interface OpeningVerdict {
  readonly isAccepted: boolean;
  /** The whole response. */
  readonly response: string;
  /** The origin of a page that may not connect. */
  readonly refusedOrigin?: string;
}

export function openingRulesOf({ allowedOrigins, host }: BrokerConfig): OpeningRules {
  return { allowedOrigins, isLocal: isLoopback(host) };
}

/** `fields`: in the order of the event, a line each. */
export function readOpening(fields: string): OpeningRequest {
  const [
    remoteAddress = '',
    target = '',
    host = '',
    origin = '',
    version = '',
    key = '',
    cookie = '',
    authorization = '',
    subprotocols = '',
    ...tlsLines
  ] = fields.split('\n');
  const fieldsBefore = { remoteAddress, target, host, origin, version, key, cookie, authorization };
  return { ...fieldsBefore, subprotocols, tlsLines };
}

export function decideOpening(request: OpeningRequest, rules: OpeningRules): OpeningVerdict {
  const { origin, host, version, key, subprotocols } = request;
  if (version !== webSocketVersion) {
    const hint = `This server speaks version ${webSocketVersion} of WebSocket.\n`;
    return refused(
      '426 Upgrade Required',
      hint,
      `sec-websocket-version: ${webSocketVersion}`,
      'upgrade: websocket',
    );
  }
  if (!keyForm.test(key)) {
    return refused('400 Bad Request', 'The Sec-WebSocket-Key is 16 bytes in Base64.\n');
  }
  if (!isAllowedOrigin(origin, host, rules)) {
    const refusedOrigin = origin.slice(0, originShownMax);
    const hint = `Pages of the origin ${refusedOrigin} may not connect: see allowedOrigins.\n`;
    return { ...refused('403 Forbidden', hint), refusedOrigin };
  }
  const subprotocol = chooseSubprotocol(subprotocols);
  if (subprotocol === undefined) {
    const hint = 'This is an MQTT endpoint: offer the WebSocket sub-protocol "mqtt".\n';
    return refused('400 Bad Request', hint); // [MQTT-6.0.0-3]
  }
  return { isAccepted: true, response: switchingProtocols(key, subprotocol) };
}

const webSocketVersion = '13';
const keyForm = /^[\da-z+/]{22}==$/i;

/** Of an origin that is refused, what is said about it, in characters: no more than a host name can have. */
const originShownMax = 300;

function refused(status: string, hint: string, ...headers: readonly string[]): OpeningVerdict {
  const lines = [
    `HTTP/1.1 ${status}`,
    'content-type: text/plain; charset=utf-8',
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    `content-length: ${Buffer.byteLength(hint)}`,
    'connection: close',
    ...headers,
  ];
  return { isAccepted: false, response: `${lines.join('\r\n')}\r\n\r\n${hint}` };
}
