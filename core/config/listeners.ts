// Listeners in addition to the ports that have their own options: what each may set, and the resulting configuration.

import { isIP } from 'node:net';
import { isReservedTopic, isValidTopicName } from '../wire/topic.ts';

const listenerProtocols = ['mqtt', 'http'] as const;
/** 'http': HTTP and WebSocket. */
export type ListenerProtocol = (typeof listenerProtocols)[number];

export interface ListenerLimits {
  /** Clients that may be connected here; a CONNECT beyond that is refused with 0x97. Default: `connectionsMax`. */
  readonly connectionsMax?: number;
  /** For each client here, unless its grant has `quotas`. Default: those of the broker. */
  readonly messagesPerSecondMax?: number;
  readonly bytesPerSecondMax?: number;
}

/** An address where clients may connect, in addition to `port`, `tcpPort`, `tlsPort` and `mqttsPort`. */
export interface ListenerOptions {
  /** For logs. Default: its address. */
  readonly name?: string;
  /** The IP address or host name. Default: `host`. */
  readonly host?: string;
  /** 0 chooses a free port. Either this or `socket` is required. */
  readonly port?: number;
  /** The path of a Unix socket, which is created with mode 660, and removed when the broker stops. */
  readonly socket?: string;
  /** TLS, with the certificates of the broker. Default false. */
  readonly tls?: boolean;
  /** The allowed protocols. Default: both. */
  readonly protocols?: readonly ListenerProtocol[];
  /** Whether clients without a user name are accepted here; overrides `allowAnonymous`. */
  readonly anonymous?: boolean;
  /** A prefix of the client identifiers of all clients here, which they do not see. Default: none. */
  readonly clientIdPrefix?: string;
  /** A prefix of all topics of these clients, such as 'tenants/red/', which they do not see. Default: none. */
  readonly topicPrefix?: string;
  readonly limits?: ListenerLimits;
}

/** The resolved configuration of a listener. Plain data, so that it can be copied to a worker. */
export interface ListenerConfig {
  readonly name: string;
  /** Undefined: it is a Unix socket. */
  readonly host: string | undefined;
  readonly port: number;
  readonly socket: string | undefined;
  readonly tls: boolean;
  readonly takesHttp: boolean;
  readonly takesMqtt: boolean;
  readonly anonymous: boolean | undefined;
  readonly clientIdPrefix: string;
  readonly topicPrefix: string;
  readonly limits: ListenerLimits;
}

export function resolveListener(options: ListenerOptions, host: string): ListenerConfig {
  const { socket, port = 0, protocols = listenerProtocols, limits = {} } = options;
  const ownHost = socket === undefined ? (options.host ?? host) : undefined;
  return {
    name: options.name ?? socket ?? `${ownHost}:${port}`,
    host: ownHost,
    port,
    socket,
    tls: options.tls === true,
    takesHttp: protocols.includes('http'),
    takesMqtt: protocols.includes('mqtt'),
    anonymous: options.anonymous,
    clientIdPrefix: options.clientIdPrefix ?? '',
    topicPrefix: options.topicPrefix ?? '',
    limits,
  };
}

/** What is wrong with a listener, as the end of a sentence; undefined if nothing is. */
export function listenerFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is not an object';
  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(checks, name))
      return `has an unknown field '${name}': use ${Object.keys(checks).join(', ')}`;
    const [accepts, allowed] = checks[name as keyof ListenerOptions];
    if (given !== undefined && !accepts(given)) return `has a wrong '${name}': give ${allowed}`;
  }
  const { port, socket, host } = value as ListenerOptions;
  if ((port === undefined) === (socket === undefined)) return "needs one of 'port' and 'socket'";
  if (socket !== undefined && host !== undefined) return "has a 'host', which a Unix socket does not have";
  return undefined;
}

/** Longer ones do not fit into a socket address. */
const socketPathBytesMax = 107;

const checks: Readonly<
  Record<keyof ListenerOptions, readonly [(value: unknown) => boolean, allowed: string]>
> = {
  name: [isText, 'a text'],
  host: [
    (value) => isText(value) && (isIP(value) !== 0 || /^[\w.-]+$/.test(value)),
    'an address or a host name',
  ],
  port: [(value) => isWhole(value, 65_535), 'a whole number from 0 to 65535'],
  socket: [
    (value) => isText(value) && !value.includes('\0') && Buffer.byteLength(value) <= socketPathBytesMax,
    `a path of at most ${socketPathBytesMax} bytes`,
  ],
  tls: [isTruth, 'true or false'],
  protocols: [
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((each) => listenerProtocols.some((protocol) => protocol === each)),
    `a list of ${listenerProtocols.join(', ')}`,
  ],
  anonymous: [isTruth, 'true or false'],
  clientIdPrefix: [isText, 'a text'],
  topicPrefix: [isTopicPrefix, topicPrefixForm()],
  limits: [
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      Object.entries(value).every(
        ([name, limit]) => limitNames.includes(name) && isWhole(limit, 4_294_967_295),
      ),
    'an object with connectionsMax, messagesPerSecondMax, bytesPerSecondMax',
  ],
};

const limitNames: readonly string[] = ['connectionsMax', 'messagesPerSecondMax', 'bytesPerSecondMax'];

/** Whole levels, so that topics of one tenant are never a prefix of another's; and none that the broker reserves. */
export function isTopicPrefix(value: unknown): value is string {
  if (!isText(value) || !value.endsWith('/')) return false;
  return isValidTopicName(value) && !isReservedTopic(`${value}x`) && !value.startsWith('$');
}

export function topicPrefixForm(): string {
  return "a topic that ends with '/' and begins without '$', such as 'tenants/red/'";
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 1_000;
}

function isTruth(value: unknown): boolean {
  return typeof value === 'boolean';
}

function isWhole(value: unknown, max: number): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= max;
}
