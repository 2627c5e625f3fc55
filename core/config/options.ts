// What a program may tell the broker (BrokerOptions) and what the broker then works with (BrokerConfig).

import type { Authenticate, AuthenticationMethod } from './authentication.ts';
import type { AuthorizePublish, AuthorizeSubscribe } from './authorization.ts';
import type { Limits } from './limits.ts';
import type { ListenerConfig, ListenerOptions } from './listeners.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

export const logFormats = ['json', 'text'] as const;

export type LogFormat = (typeof logFormats)[number];

export type LogLevel = (typeof logLevels)[number];

/**
 * Who gets reason strings: 'always' everyone, but in acknowledgements not those who set Request Problem
 * Information to 0 (MQTT 5, 3.1.2.11.7); 'onRequest' only those who set it to 1; 'never' nobody.
 */
export const reasonStringSettings = ['always', 'onRequest', 'never'] as const;

export type ReasonStrings = (typeof reasonStringSettings)[number];

export const broadFilterSettings = ['refuse', 'deliverAllowed'] as const;
export type BroadFilters = (typeof broadFilterSettings)[number];

export const deniedPublishSettings = ['refuse', 'disconnect'] as const;
export type DeniedPublish = (typeof deniedPublishSettings)[number];
/** Files in PEM. */
export interface CertificateFiles {
  /** The certificate, with the intermediate ones behind it. */
  readonly cert: string;
  /** Its private key. */
  readonly key: string;
  /** What its authority says of it (OCSP), in DER, for clients to see in the handshake. Default: nothing. */
  readonly ocsp?: string;
}

export const clientCertificateSettings = ['off', 'asked', 'required'] as const;

export type ClientCertificates = (typeof clientCertificateSettings)[number];

export const clientIdentities = ['commonName', 'dnsName', 'emailAddress', 'uri'] as const;

export type ClientIdentity = (typeof clientIdentities)[number];

/**
 * When a message counts as safe: 'fsync' when it is on the disk, which outlives a loss of power; 'os' when the operating
 * system has it, which outlives the process; 'memory' at once, and nothing is kept.
 */
export const durabilities = ['fsync', 'os', 'memory'] as const;

export type Durability = (typeof durabilities)[number];

/**
 * What `createBroker` takes; everything has a default. An unknown key or a value out of its range throws
 * a BrokerError with the code CONFIG_INVALID.
 */
export interface BrokerOptions {
  /**
   * The IP address or host name to listen on, for all listeners. Default '127.0.0.1'. One that is not
   * loopback needs `authenticate` or `allowAnonymous`, or it throws OPEN_WITHOUT_AUTHENTICATION.
   */
  readonly host?: string;
  /** The port of HTTP and WebSocket, 0 to 65535; 0 takes any that is free, false listens on none. Default 8080. */
  readonly port?: number | false;
  /**
   * More places where clients may come in, each with its own address or Unix socket, protocols, TLS, limits, and prefixes
   * of client identifiers and topics. Default: none.
   */
  readonly listeners?: readonly ListenerOptions[];
  /** The path at which WebSocket connections are taken. Default '/mqtt'. */
  readonly path?: string;
  /**
   * The port of MQTT over TCP, 0 to 65535; 0 takes any that is free, false listens on none. The same as `port`
   * takes MQTT, WebSocket and HTTP on one port. Default 1883.
   */
  readonly tcpPort?: number | false;
  /**
   * The port of wss, https and mqtts, 0 to 65535: one for all three; 0 takes any that is free, false listens on none.
   * Default 8443 where there are certificates, else false.
   */
  readonly tlsPort?: number | false;
  /** The port of MQTT over TLS alone, commonly 8883; 0 takes any that is free. Default false: none. */
  readonly mqttsPort?: number | false;
  /** The file of the certificate, in PEM, with the intermediate ones behind it (fullchain.pem). Needs `tlsKey`. */
  readonly tlsCert?: string;
  /** The file of its private key, in PEM, without a password. */
  readonly tlsKey?: string;
  /**
   * The file of what the authority of `tlsCert` says about it (an OCSP response in DER), which clients see in the handshake
   * and need not ask for. Whoever renews it replaces the file. Default: nothing is shown.
   */
  readonly tlsOcsp?: string;
  /**
   * More certificates, each for the host names that it holds for. Clients that name no host, or none of these, are
   * shown the first: `tlsCert`, or the first of this list. The files are read again when they change. Default: none.
   */
  readonly tlsCertificates?: readonly CertificateFiles[];
  /**
   * Whether clients on the ports with TLS have to show a certificate: 'required'; may: 'asked', and one that does not
   * hold is refused; or are not asked for any: 'off'. Default 'off'.
   */
  readonly clientCertificates?: ClientCertificates;
  /** The file of the authorities, in PEM, that sign the certificates of clients. Needed unless `clientCertificates` is 'off'. */
  readonly clientCa?: string;
  /** The file of the certificates that these have revoked (CRL), in PEM. Default: none is looked at. */
  readonly clientCrl?: string;
  /**
   * The file of keys that clients share with the broker in place of certificates (TLS-PSK), a line for each:
   * `identity:key in hexadecimal digits`. It is read again when it changes. Not with `clientCertificates` 'required'.
   * Default: none.
   */
  readonly pskFile?: string;
  /**
   * Which name in a client's certificate is its identity: `tls.identity` of what `authenticate` is told. It has one
   * only if the certificate has exactly one name of the kind. Default 'commonName'.
   */
  readonly clientIdentity?: ClientIdentity;
  /**
   * Networks of the proxies in front, such as '10.0.0.0/8' or '::1': from their addresses, and no others, the PROXY
   * protocol (1 and 2, on every port, before TLS too) and X-Forwarded-For or Forwarded say whose a connection is.
   * Default: none.
   */
  readonly trustedProxies?: readonly string[];
  /** The number of worker threads, 1 to 64; 'auto', the default, is one less than the cores, at least 1. */
  readonly workers?: 'auto' | number;
  /**
   * The folder where sessions, their messages and retained messages are kept, made if it is not there; false keeps them
   * in memory only. Default false when embedded, 'rallymq-data' for the command. See docs/storage.md.
   */
  readonly dataDirectory?: string | false;
  /** With a `dataDirectory`, when something counts as kept: 'fsync' (default), 'os' or 'memory'. */
  readonly durability?: Durability;
  /** The least severe level that is logged. Default 'silent' when embedded, 'info' for the command. */
  readonly logLevel?: LogLevel;
  /** How a line of the log is written: 'json' (default) for programs, 'text' for people. */
  readonly logFormat?: LogFormat;
  /**
   * True lets everyone who reaches the broker connect, on any host. Default false. It changes nothing
   * where `authenticate` is given, which is then always asked, and nothing for clients that name one of the
   * `authenticationMethods`.
   */
  readonly allowAnonymous?: boolean;
  /**
   * Whether the landing page, the demos and what they ask for below /api/ are served over HTTP. Default true.
   */
  readonly pages?: boolean;
  /**
   * Is asked about every client that connects. Of several each is asked whose forerunner has answered 'unknown'. Default:
   * none, and then only loopback is listened on.
   */
  readonly authenticate?: Authenticate | readonly Authenticate[];
  /** Is asked whether a client may publish to a topic, beside the rules. Default: none. */
  readonly authorizePublish?: AuthorizePublish;
  /** Is asked whether a client may subscribe to a topic filter, beside the rules. Default: none. */
  readonly authorizeSubscribe?: AuthorizeSubscribe;
  /**
   * The URL of a back end that is asked who a client is, with a POST and JSON: docs/security.md. It is asked behind
   * certificates, tokens and the password file, and before `authenticate`. Default: none.
   */
  readonly authUrl?: string;
  /** The URL of a back end that is asked what a client may publish and subscribe to, beside the rules. Default: none. */
  readonly authorizeUrl?: string;
  /** The path of a file with a secret that goes along to both, as `Authorization: Bearer`. Default: none. */
  readonly backendSecretFile?: string;
  /**
   * The path of a file with those who may not connect; `rallymq ban` and `broker.bans` write it, and a change counts within
   * a second. It need not be there. Default: none, and bans end with the process.
   */
  readonly banFile?: string;
  /**
   * Methods of enhanced authentication (MQTT 5, 4.12), such as `scramSha256()`, that clients may name in
   * their CONNECT; another one is refused with 0x8C. Where there are some and no `authenticate`, a client
   * that names none is refused with 0x87, unless `allowAnonymous` lets it in. Default: none.
   */
  readonly authenticationMethods?: readonly AuthenticationMethod[];
  /**
   * The path of a password file as mosquitto has it; `rallymq passwd` writes it. Its users may connect, and `reload()`
   * reads it again. Where there is an `authenticate` too, it is asked about users that the file does not have. Clients
   * without a user name are refused unless `allowAnonymous` lets them in. Default: none.
   */
  readonly passwordFile?: string;
  /**
   * True lets in whoever has shown a client certificate, by its identity (`clientIdentity`), or has a key of `pskFile`, by
   * the identity of that: it is the user name then, and nobody else is asked. Default false.
   */
  readonly identityAsUser?: boolean;
  /**
   * The path of a file with the secret that tokens (JWT) are signed with, of at least 32 bytes. One of this,
   * `tokenKeyFile` and `tokenJwksUrl` lets clients in by token: docs/security.md. Default: none.
   */
  readonly tokenSecretFile?: string;
  /** The path of the public key that tokens are verified with, in PEM. Default: none. */
  readonly tokenKeyFile?: string;
  /** Where the public keys of tokens are (JWKS): https, or http on this machine. Default: none. */
  readonly tokenJwksUrl?: string;
  /** What a token has to say as `iss` and `aud`. Default: they are not looked at. */
  readonly tokenIssuer?: string;
  readonly tokenAudience?: string;
  /** The claim that is the user name. Default 'sub'. */
  readonly tokenUserClaim?: string;
  /**
   * The claim that is the client identifier: a token without it is worth nothing, and one that is used with another client
   * identifier is refused with 0x85. Default: none, and a token is good with any.
   */
  readonly tokenClientIdClaim?: string;
  /**
   * The claim whose value is the level before all topics of the client, which neither sees it nor can leave it; a token
   * without it is worth nothing. Default: none.
   */
  readonly tokenTenantClaim?: string;
  /** The cookie that may bring the token with the opening of a WebSocket. Default: none. */
  readonly tokenCookie?: string;
  /** The path of a file with tokens that are revoked. Default: none. */
  readonly revokedFile?: string;
  /**
   * The path of a file with roles and what they may publish and subscribe to: docs/security.md. What no rule allows is
   * denied. Default: none, and everyone who is let in may do everything.
   */
  readonly rulesFile?: string;
  /** The path of an acl_file of mosquitto, in place of `rulesFile`. Default: none. */
  readonly aclFile?: string;
  /**
   * The path of a file with the keys of the HTTP API below /api/v1 and of the dashboard; `rallymq api-key` writes it, and
   * `reload()` reads it again. Default: none, and both are closed.
   */
  readonly apiKeysFile?: string;
  /**
   * What becomes of a topic filter that matches more than one rule allows: 'refuse' answers 0x87 in the SUBACK;
   * 'deliverAllowed' grants it, as mosquitto does, and delivers what is allowed. Default 'refuse', with `aclFile`
   * 'deliverAllowed'.
   */
  readonly broadFilters?: BroadFilters;
  /**
   * What becomes of a PUBLISH that no rule allows: 'refuse' acknowledges it, for MQTT 5 with 0x87, and counts it
   * (`publishRefused`); 'disconnect' ends the connection with 0x87. Default 'refuse'.
   */
  readonly deniedPublish?: DeniedPublish;
  /**
   * False takes no retained message from clients: a PUBLISH or a will that asks for it is refused with 0x9A
   * (MQTT 5, 3.2.2.3.5). Default true.
   */
  readonly retainAvailable?: boolean;
  /** False refuses topic filters with wildcards, with 0xA2 (MQTT 5, 3.2.2.3.11). Default true. */
  readonly wildcardSubscriptionAvailable?: boolean;
  /** False refuses subscription identifiers, with 0xA1 (MQTT 5, 3.2.2.3.12). Default true. */
  readonly subscriptionIdentifiersAvailable?: boolean;
  /** False refuses shared subscriptions, with 0x9E (MQTT 5, 3.2.2.3.13). Default true. */
  readonly sharedSubscriptionAvailable?: boolean;
  /**
   * True refuses payloads that are not UTF-8 though their Payload Format Indicator says so, with 0x99
   * (MQTT 5, 3.3.2.3.2). Default false, since it reads every such payload once more.
   */
  readonly checksPayloadFormat?: boolean;
  /**
   * The origins of web pages that may open a WebSocket beside those that may anyway, such as
   * 'https://scores.example': scheme, host and port, compared as browsers do (the default port may be left out). 'null' stands for
   * pages that were opened as a file, and for sandboxed frames of all others; '*' allows every page. Without
   * it pages of the broker's own host may connect, and where it listens on loopback only, pages from this
   * machine and files. A request without `Origin`, as programs send it, is not refused. Default: none.
   */
  readonly allowedOrigins?: readonly string[];
  /**
   * Seconds between two publications of what has changed on the $SYS topics, 0 to 86400; 0 publishes none.
   * Default 10, as mosquitto does.
   */
  readonly sysIntervalSeconds?: number;
  /**
   * Gives clients that ask for Response Information (MQTT 5, 3.1.2.11.6) a topic of their own for the answers
   * to their requests: this prefix, '/' and their client identifier, percent-encoded. Default: none is given.
   */
  readonly responseTopicPrefix?: string;
  /**
   * Other servers for clients of this one (MQTT 5, 4.11), such as 'mqtt2.example:1883'. With it, clients that
   * find no room, and those that are connected when the broker stops, are told 0x9C, use another server,
   * instead of 0x97 and 0x8B. Default: none.
   */
  readonly serverReference?: string;
  /**
   * True says that `serverReference` is where to go for good: every CONNECT is refused with 0x9D, server moved.
   * Default false.
   */
  readonly serverMoved?: boolean;
  /**
   * Whether the broker says in plain sentences (MQTT 5: Reason String) why it refuses or ends something:
   * 'always', 'onRequest' (of clients that set Request Problem Information to 1) or 'never'. Default
   * 'onRequest': reason codes say enough to programs, and a phone need not pay for sentences. With 'always' a
   * client that sets it to 0 gets them in CONNACK and DISCONNECT only.
   */
  readonly reasonStrings?: ReasonStrings;
  /**
   * Joins other brokers over NATS, at these servers: 'nats://a:4222', or 'tls://…'. Client identifiers, topics, retained
   * messages and shared subscriptions are those of the cluster then. Everything is kept in memory. Default: none, and
   * NATS is not even loaded. See docs/clustering.md.
   */
  readonly cluster?: readonly string[];
  /** How this node is called among the others, and nobody else. Default: the name of the host. */
  readonly nodeName?: string;
  /** Brokers that have the same are one cluster; NATS may serve several. Default 'rallymq'. */
  readonly clusterName?: string;
  /** The path of a file with what NATS lets this node in by: a .creds file, or a line `user:password`. Default: none. */
  readonly clusterCredentials?: string;
  /** The file of the authorities, in PEM, that sign the certificate of NATS; TLS is asked for then. Default: Node's own. */
  readonly clusterTlsCa?: string;
  /** The bounds that differ from `defaultLimits`. */
  readonly limits?: Partial<Limits>;
}

/** Where the command keeps its data, below its working directory. A program that embeds the broker says where. */
export const commandDataDirectory = 'rallymq-data';

/** The defaults that depend on nothing; the log level depends on who starts the broker. */
export const defaultOptions = {
  host: '127.0.0.1',
  port: 8_080,
  path: '/mqtt',
  tcpPort: 1_883,
  mqttsPort: false,
  clientCertificates: 'off',
  clientIdentity: 'commonName',
  trustedProxies: [],
  workers: 'auto',
  dataDirectory: false,
  durability: 'fsync',
  logFormat: 'json',
  allowAnonymous: false,
  retainAvailable: true,
  wildcardSubscriptionAvailable: true,
  subscriptionIdentifiersAvailable: true,
  sharedSubscriptionAvailable: true,
  checksPayloadFormat: false,
  allowedOrigins: [],
  sysIntervalSeconds: 10,
  serverMoved: false,
  reasonStrings: 'onRequest',
  deniedPublish: 'refuse',
  tokenUserClaim: 'sub',
  identityAsUser: false,
  pages: true,
  clusterName: 'rallymq',
} as const satisfies BrokerOptions;

/** Where there are certificates. */
export const tlsPortDefault = 8_443;

export const workersMax = 64;

/** The options that are functions: they stay on the main thread. */
type Hooks = 'authenticate' | 'authenticationMethods' | 'authorizePublish' | 'authorizeSubscribe';
/** What becomes something else, or has a default that depends on who asks. */
type Resolved =
  | Hooks
  | 'workers'
  | 'logLevel'
  | 'limits'
  | 'broadFilters'
  | 'tlsPort'
  | 'tlsCert'
  | 'tlsKey'
  | 'tlsOcsp'
  | 'tlsCertificates'
  | 'listeners';

/** The resolved configuration: each option with its value. Plain data, so that a worker can be handed a copy. */
export type BrokerConfig = {
  readonly [Name in Exclude<keyof BrokerOptions, Resolved>]-?: Name extends keyof typeof defaultOptions
    ? Exclude<BrokerOptions[Name], undefined>
    : BrokerOptions[Name] | undefined;
} & {
  /** How many; 'auto' is resolved. */
  readonly workers: number;
  readonly logLevel: LogLevel;
  readonly broadFilters: BroadFilters;
  /** True when a password file, an `authenticate` hook or a method was given. */
  readonly authenticates: boolean;
  /** True when a program is asked what clients may publish, and subscribe to. */
  readonly asksToPublish: boolean;
  readonly asksToSubscribe: boolean;
  /** True when rules were given. */
  readonly hasRules: boolean;
  /** `broadFilters` and `deniedPublish`, for the data plane. */
  readonly grantsBroadFilters: boolean;
  readonly endsDeniedPublishers: boolean;
  readonly limits: Limits;
  readonly tlsPort: number | false;
  /** All, the standard one first. */
  readonly tlsCertificates: readonly CertificateFiles[];
  readonly listeners: readonly ListenerConfig[];
};
