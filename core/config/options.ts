// The options of a program (BrokerOptions) and the configuration that results from them (BrokerConfig).

import type { Authenticate, AuthenticationMethod } from './authentication.ts';
import type { AuthorizePublish, AuthorizeSubscribe } from './authorization.ts';
import type { Limits } from './limits.ts';
import type { ListenerConfig, ListenerOptions } from './listeners.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

export const logFormats = ['json', 'text'] as const;

export type LogFormat = (typeof logFormats)[number];

export type LogLevel = (typeof logLevels)[number];

/**
 * Which clients get reason strings: 'always' all of them, but not in acknowledgements to clients that set Request Problem
 * Information to 0 (MQTT 5, 3.1.2.11.7); 'onRequest' only clients that set it to 1; 'never' none.
 */
export const reasonStringSettings = ['always', 'onRequest', 'never'] as const;

export type ReasonStrings = (typeof reasonStringSettings)[number];

export const broadFilterSettings = ['refuse', 'deliverAllowed'] as const;
export type BroadFilters = (typeof broadFilterSettings)[number];

export const deniedPublishSettings = ['refuse', 'disconnect'] as const;
export type DeniedPublish = (typeof deniedPublishSettings)[number];
/** Files in PEM. */
export interface CertificateFiles {
  /** The certificate, followed by the intermediate ones. */
  readonly cert: string;
  /** Its private key. */
  readonly key: string;
  /** Its OCSP response, in DER, which is sent to clients in the handshake. Default: none. */
  readonly ocsp?: string;
}

export const clientCertificateSettings = ['off', 'asked', 'required'] as const;

export type ClientCertificates = (typeof clientCertificateSettings)[number];

export const clientIdentities = ['commonName', 'dnsName', 'emailAddress', 'uri'] as const;

export type ClientIdentity = (typeof clientIdentities)[number];

/**
 * When a message counts as stored: 'fsync' when it is on the disk and survives a power loss; 'os' when the operating
 * system has it and it survives the process; 'memory' at once, and nothing is stored.
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
   * More listeners, each with its own address or Unix socket, protocols, TLS, limits, and prefixes
   * of client identifiers and topics. Default: none.
   */
  readonly listeners?: readonly ListenerOptions[];
  /** The path of WebSocket connections; it cannot be one that the broker itself serves, such as '/metrics'. Default '/mqtt'. */
  readonly path?: string;
  /**
   * The port of MQTT over TCP, 0 to 65535; 0 takes any that is free, false listens on none. With the same value as `port`
   * one port serves MQTT, WebSocket and HTTP. Default 1883.
   */
  readonly tcpPort?: number | false;
  /**
   * The port of wss, https and mqtts, 0 to 65535: one for all three; 0 takes any that is free, false listens on none.
   * Default 8443 if there are certificates, otherwise false.
   */
  readonly tlsPort?: number | false;
  /** The port of MQTT over TLS alone, commonly 8883; 0 takes any that is free. Default false: none. */
  readonly mqttsPort?: number | false;
  /** The file of the certificate, in PEM, followed by the intermediate ones (fullchain.pem). Needs `tlsKey`. */
  readonly tlsCert?: string;
  /** The file of its private key, in PEM, without a password. */
  readonly tlsKey?: string;
  /**
   * The file of an OCSP response (DER) for `tlsCert`, which is sent to clients in the handshake, so that they need not ask
   * the authority. Replace the file to renew it. Default: none is sent.
   */
  readonly tlsOcsp?: string;
  /**
   * More certificates, each for the host names in it. Clients that name no host, or another one, get
   * the first: `tlsCert`, or the first of this list. The files are read again when they change. Default: none.
   */
  readonly tlsCertificates?: readonly CertificateFiles[];
  /**
   * Whether clients on the ports with TLS must present a certificate ('required'), may present one ('asked'; an invalid
   * one is refused), or are not asked ('off'). Default 'off'.
   */
  readonly clientCertificates?: ClientCertificates;
  /** The file of the authorities, in PEM, that sign the certificates of clients. Needed unless `clientCertificates` is 'off'. */
  readonly clientCa?: string;
  /** The file of the certificates that these authorities have revoked (CRL), in PEM. Default: none. */
  readonly clientCrl?: string;
  /**
   * The file of keys that clients use instead of certificates (TLS-PSK), a line for each:
   * `identity:key in hexadecimal digits`. It is read again when it changes. Not with `clientCertificates` 'required'.
   * Default: none.
   */
  readonly pskFile?: string;
  /**
   * Which name in a client's certificate is its identity, which `authenticate` gets as `tls.identity`. There is one
   * only if the certificate has exactly one name of this kind. Default 'commonName'.
   */
  readonly clientIdentity?: ClientIdentity;
  /**
   * Networks of the proxies in front, such as '10.0.0.0/8' or '::1': from their addresses, and no others, the PROXY
   * protocol (1 and 2, on every port, before TLS too), X-Forwarded-For or Forwarded give the client's address.
   * Default: none.
   */
  readonly trustedProxies?: readonly string[];
  /** The number of worker threads, 1 to 64; 'auto', the default, is one less than the cores, at least 1. */
  readonly workers?: 'auto' | number;
  /**
   * The directory of sessions, their messages and retained messages, created if it does not exist; false keeps them
   * in memory only. Default false when embedded, 'rallymq-data' for the command. See docs/storage.md.
   */
  readonly dataDirectory?: string | false;
  /** With a `dataDirectory`, when data counts as stored: 'fsync' (default), 'os' or 'memory'. */
  readonly durability?: Durability;
  /** The least severe level that is logged. Default 'silent' when embedded, 'info' for the command. */
  readonly logLevel?: LogLevel;
  /**
   * The format of the log: 'json' for programs, 'text' for people. Default 'json'; the command writes text where
   * standard error is a terminal.
   */
  readonly logFormat?: LogFormat;
  /**
   * True allows every client to connect without credentials, on any host. Default false. It changes nothing
   * if there is `authenticate`, which is then always called, nor for clients that name one of the
   * `authenticationMethods`.
   */
  readonly allowAnonymous?: boolean;
  /**
   * Whether the landing page, the demos and the requests that they make below /api/ are served over HTTP. Default true.
   */
  readonly pages?: boolean;
  /**
   * Called for every client that connects. Of a list, the next is called if the previous one answers 'unknown'. Default:
   * none; a broker without any authentication listens on loopback only.
   */
  readonly authenticate?: Authenticate | readonly Authenticate[];
  /** Decides whether a client may publish to a topic, in addition to the rules. Default: none. */
  readonly authorizePublish?: AuthorizePublish;
  /** Decides whether a client may subscribe to a topic filter, in addition to the rules. Default: none. */
  readonly authorizeSubscribe?: AuthorizeSubscribe;
  /**
   * The URL of a back end that authenticates clients, by a POST with JSON: docs/security.md. It is asked after
   * certificates, tokens and the password file, and before `authenticate`. Default: none.
   */
  readonly authUrl?: string;
  /** The URL of a back end that decides what a client may publish and subscribe to, in addition to the rules. Default: none. */
  readonly authorizeUrl?: string;
  /** The path of a file with a secret that is sent to both, as `Authorization: Bearer`. Default: none. */
  readonly backendSecretFile?: string;
  /**
   * The path of a file with bans; `rallymq ban` and `broker.bans` write it, and a change takes effect within
   * a second. It need not exist. Default: none, and bans end with the process.
   */
  readonly banFile?: string;
  /**
   * Methods of enhanced authentication (MQTT 5, 4.12), such as `scramSha256()`, that clients may name in
   * their CONNECT; any other is refused with 0x8C. If there are methods and no `authenticate`, a client
   * that names none is refused with 0x87, unless `allowAnonymous` is set. Default: none.
   */
  readonly authenticationMethods?: readonly AuthenticationMethod[];
  /**
   * The path of a password file in mosquitto's format; `rallymq passwd` writes it. Its users may connect, and `reload()`
   * reads it again. `authenticate`, if any, decides about users that are not in the file. Clients
   * without a user name are refused unless `allowAnonymous` is set. Default: none.
   */
  readonly passwordFile?: string;
  /**
   * True authenticates clients by their certificate (`clientIdentity`) or by their key of `pskFile`: its
   * identity is the user name, and no password is needed. Default false.
   */
  readonly identityAsUser?: boolean;
  /**
   * The path of a file with the secret that tokens (JWT) are signed with, of at least 32 bytes. One of this,
   * `tokenKeyFile` and `tokenJwksUrl` turns on authentication by token: docs/security.md. Default: none.
   */
  readonly tokenSecretFile?: string;
  /** The path of the public key that tokens are verified with, in PEM. Default: none. */
  readonly tokenKeyFile?: string;
  /** The URL of the public keys of tokens (JWKS): https, or http on this machine. Default: none. */
  readonly tokenJwksUrl?: string;
  /** The required `iss` of tokens. Default: it is not checked. */
  readonly tokenIssuer?: string;
  /** The required `aud` of tokens. Default: it is not checked. */
  readonly tokenAudience?: string;
  /** The claim that is the user name. Default 'sub'. */
  readonly tokenUserClaim?: string;
  /**
   * The claim that is the client identifier: a token without it is invalid, and one that is used with another client
   * identifier is refused with 0x85. Default: none, and a token may be used with any.
   */
  readonly tokenClientIdClaim?: string;
  /**
   * The claim whose value is the first level of all topics of the client, which can neither see nor leave it; a token
   * without it is invalid. Default: none.
   */
  readonly tokenTenantClaim?: string;
  /**
   * The cookie that may carry the token of a WebSocket request, such as that of a session, which `authenticate` gets as
   * `token`. Default: none.
   */
  readonly tokenCookie?: string;
  /** The path of a file with revoked tokens. Default: none. */
  readonly revokedFile?: string;
  /**
   * The path of a file with roles and what they may publish and subscribe to: docs/security.md. What no rule allows is
   * denied. Default: none, and every client may do everything.
   */
  readonly rulesFile?: string;
  /** The path of a mosquitto acl_file, instead of `rulesFile`. Default: none. */
  readonly aclFile?: string;
  /**
   * The path of a file with the keys of the HTTP API below /api/v1 and of the dashboard; `rallymq api-key` writes it, and
   * `reload()` reads it again. Default: none, and both are closed.
   */
  readonly apiKeysFile?: string;
  /**
   * The answer to a topic filter that matches more than the rules allow: 'refuse' answers 0x87 in the SUBACK;
   * 'deliverAllowed' grants it, as mosquitto does, and delivers the messages that are allowed. Default 'refuse', with `aclFile`
   * 'deliverAllowed'.
   */
  readonly broadFilters?: BroadFilters;
  /**
   * The answer to a PUBLISH that no rule allows: 'refuse' acknowledges it, for MQTT 5 with 0x87, and counts it
   * (`publishRefused`); 'disconnect' ends the connection with 0x87. Default 'refuse'.
   */
  readonly deniedPublish?: DeniedPublish;
  /**
   * False refuses retained messages of clients: a PUBLISH or a will with RETAIN is refused with 0x9A
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
   * True refuses payloads that are not UTF-8 although their Payload Format Indicator is 1, with 0x99
   * (MQTT 5, 3.3.2.3.2). Default false, since the check reads every such payload once more.
   */
  readonly checksPayloadFormat?: boolean;
  /**
   * Further origins of web pages that may open a WebSocket, such as
   * 'https://scores.example': scheme, host and port, compared as browsers do (the default port may be left out). 'null' means
   * pages opened as a file, and sandboxed frames of any page; '*' allows every page. Pages of the broker's own
   * host may always connect, or, if it listens on loopback only, pages from this
   * machine and files. Requests without `Origin`, which programs send, are not refused. Default: none.
   */
  readonly allowedOrigins?: readonly string[];
  /**
   * Seconds between two publications of changed $SYS topics, 0 to 86400; 0 publishes none.
   * Default 10, as mosquitto does.
   */
  readonly sysIntervalSeconds?: number;
  /**
   * Gives each client that asks for Response Information (MQTT 5, 3.1.2.11.6) its own topic for the answers
   * to its requests: this prefix, '/' and its client identifier, percent-encoded. Default: none.
   */
  readonly responseTopicPrefix?: string;
  /**
   * Other servers for clients of this one (MQTT 5, 4.11), such as 'mqtt2.example:1883'. With it, clients that exceed a
   * limit, and those that are connected when the broker stops, get 0x9C, use another server,
   * instead of 0x97 and 0x8B. Default: none.
   */
  readonly serverReference?: string;
  /**
   * True makes `serverReference` permanent: every CONNECT is refused with 0x9D, server moved.
   * Default false.
   */
  readonly serverMoved?: boolean;
  /**
   * Whether the broker explains in plain sentences (MQTT 5: Reason String) why it refuses or ends something:
   * 'always', 'onRequest' (to clients that set Request Problem Information to 1) or 'never'. Default
   * 'onRequest': reason codes are enough for programs, and a phone need not pay for sentences. With 'always' a
   * client that sets it to 0 gets them in CONNACK and DISCONNECT only.
   */
  readonly reasonStrings?: ReasonStrings;
  /**
   * Joins other brokers over NATS, at these servers: 'nats://a:4222', or 'tls://…'. Client identifiers, topics, retained
   * messages and shared subscriptions are those of the cluster then. Each node has a dataDirectory of its own, or keeps
   * everything in memory. Default: none, and NATS is not even loaded. See docs/clustering.md.
   */
  readonly cluster?: readonly string[];
  /** The name of this node, unique in the cluster. Default: the host name. */
  readonly nodeName?: string;
  /** The name of the cluster, since NATS may serve several. Default 'rallymq'. */
  readonly clusterName?: string;
  /** The path of a file with the credentials for NATS: a .creds file, or a line `user:password`. Default: none. */
  readonly clusterCredentials?: string;
  /** The file of the authorities, in PEM, that sign the NATS certificate; it turns on TLS. Default: Node's own. */
  readonly clusterTlsCa?: string;
  /**
   * Where acknowledged data are stored: 1, on the disk of their node, or 3, also in JetStream, so that the other nodes can
   * take over the sessions and retained messages of a lost one. 3 needs `cluster`, a `dataDirectory` and three NATS
   * servers; give all nodes the same value. Default 1. See docs/clustering.md.
   */
  readonly replicas?: number;
  /** The limits that differ from `defaultLimits`. */
  readonly limits?: Partial<Limits>;
}

/** The data directory of the command, below its working directory. A program that embeds the broker has none by default. */
export const commandDataDirectory = 'rallymq-data';

/** The defaults that depend on nothing else; the log level differs between the command and embedding. */
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
  replicas: 1,
} as const satisfies BrokerOptions;

/** If there are certificates. */
export const tlsPortDefault = 8_443;

export const workersMax = 64;

/** The options that are functions: they stay on the main thread. */
type Hooks = 'authenticate' | 'authenticationMethods' | 'authorizePublish' | 'authorizeSubscribe';
/** Options that are converted, or have a default that depends on others. */
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
  /** The number of workers; 'auto' is resolved. */
  readonly workers: number;
  readonly logLevel: LogLevel;
  readonly broadFilters: BroadFilters;
  /** True if there is a password file, an `authenticate` hook or a method. */
  readonly authenticates: boolean;
  /** True if there is an `authenticate` hook. */
  readonly hasAuthenticateHook: boolean;
  /** True if a program authorises publishing, and subscribing. */
  readonly asksToPublish: boolean;
  readonly asksToSubscribe: boolean;
  /** True if there are rules. */
  readonly hasRules: boolean;
  /** `broadFilters` and `deniedPublish`, for the data plane. */
  readonly grantsBroadFilters: boolean;
  readonly endsDeniedPublishers: boolean;
  /** The incarnation of the node whose log this one continues; 0: none. Not an option. */
  readonly standsFor: number | undefined;
  readonly limits: Limits;
  readonly tlsPort: number | false;
  /** All certificates, the default one first. */
  readonly tlsCertificates: readonly CertificateFiles[];
  readonly listeners: readonly ListenerConfig[];
};
