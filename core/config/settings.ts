// The options of the command: one row each with its flag, its environment variable and its
// line of the help. Their allowed values are in option-rules.ts.

import type { OptionName } from './option-rules.ts';
import {
  clientCertificateSettings,
  clientIdentities,
  commandDataDirectory,
  defaultOptions,
  logFormats,
  logLevels,
  tlsPortDefault,
} from './options.ts';

export interface Setting {
  readonly option: OptionName;
  /** Without the leading dashes. */
  readonly flag: string;
  /** The placeholder of the value in the help; undefined for a flag without a value, which means true. */
  readonly placeholder?: string;
  readonly variable?: string;
  readonly help: string;
}

export const settings: readonly Setting[] = [
  {
    option: 'host',
    flag: 'host',
    placeholder: 'HOST',
    variable: 'RALLYMQ_HOST',
    help: `address to listen on (default ${defaultOptions.host})`,
  },
  {
    option: 'port',
    flag: 'port',
    placeholder: 'PORT',
    variable: 'RALLYMQ_PORT',
    help: `port of HTTP and WebSocket, 0: any, none: off (default ${defaultOptions.port})`,
  },
  {
    option: 'tcpPort',
    flag: 'tcp-port',
    placeholder: 'PORT',
    variable: 'RALLYMQ_TCP_PORT',
    help: `port of MQTT over TCP, 0: any, none: off (default ${defaultOptions.tcpPort})`,
  },
  {
    option: 'tlsPort',
    flag: 'tls-port',
    placeholder: 'PORT',
    variable: 'RALLYMQ_TLS_PORT',
    help: `port of wss, https and mqtts (default ${tlsPortDefault} with --tls-cert)`,
  },
  {
    option: 'mqttsPort',
    flag: 'mqtts-port',
    placeholder: 'PORT',
    variable: 'RALLYMQ_MQTTS_PORT',
    help: 'port of MQTT over TLS alone, such as 8883 (default: none)',
  },
  {
    option: 'tlsCert',
    flag: 'tls-cert',
    placeholder: 'FILE',
    variable: 'RALLYMQ_TLS_CERT',
    help: 'certificate chain in PEM (fullchain.pem)',
  },
  {
    option: 'tlsKey',
    flag: 'tls-key',
    placeholder: 'FILE',
    variable: 'RALLYMQ_TLS_KEY',
    help: 'private key of the certificate, in PEM',
  },
  {
    option: 'tlsOcsp',
    flag: 'tls-ocsp',
    placeholder: 'FILE',
    variable: 'RALLYMQ_TLS_OCSP',
    help: 'OCSP response about the certificate, in DER',
  },
  {
    option: 'clientCertificates',
    flag: 'client-certificates',
    placeholder: 'WHEN',
    variable: 'RALLYMQ_CLIENT_CERTIFICATES',
    help: `${clientCertificateSettings.join(', ')} (default ${defaultOptions.clientCertificates})`,
  },
  {
    option: 'clientCa',
    flag: 'client-ca',
    placeholder: 'FILE',
    variable: 'RALLYMQ_CLIENT_CA',
    help: 'authorities that sign client certificates, in PEM',
  },
  {
    option: 'clientCrl',
    flag: 'client-crl',
    placeholder: 'FILE',
    variable: 'RALLYMQ_CLIENT_CRL',
    help: 'revoked client certificates (CRL), in PEM',
  },
  {
    option: 'pskFile',
    flag: 'psk-file',
    placeholder: 'FILE',
    variable: 'RALLYMQ_PSK_FILE',
    help: 'pre-shared keys of clients, lines of identity:hexkey',
  },
  {
    option: 'clientIdentity',
    flag: 'client-identity',
    placeholder: 'NAME',
    help: `${clientIdentities.join(', ')} (default ${defaultOptions.clientIdentity})`,
  },
  {
    option: 'trustedProxies',
    flag: 'trusted-proxies',
    placeholder: 'LIST',
    variable: 'RALLYMQ_TRUSTED_PROXIES',
    help: 'networks of proxies that may name the client address',
  },
  {
    option: 'path',
    flag: 'path',
    placeholder: 'PATH',
    help: `path of WebSocket connections (default ${defaultOptions.path})`,
  },
  {
    option: 'workers',
    flag: 'workers',
    placeholder: 'N',
    variable: 'RALLYMQ_WORKERS',
    help: 'worker threads, auto: one less than the cores (default auto)',
  },
  {
    option: 'dataDirectory',
    flag: 'data',
    placeholder: 'DIR',
    variable: 'RALLYMQ_DATA',
    help: `data directory, none: in memory only (default ${commandDataDirectory})`,
  },
  {
    option: 'durability',
    flag: 'durability',
    placeholder: 'WHEN',
    variable: 'RALLYMQ_DURABILITY',
    help: 'when a message counts as stored: fsync, os or memory (default fsync)',
  },
  {
    option: 'logLevel',
    flag: 'log-level',
    placeholder: 'LEVEL',
    variable: 'RALLYMQ_LOG_LEVEL',
    help: `${logLevels.join(', ')} (default info)`,
  },
  {
    option: 'logFormat',
    flag: 'log-format',
    placeholder: 'FORMAT',
    variable: 'RALLYMQ_LOG_FORMAT',
    help: `${logFormats.join(' or ')} (default text on a terminal, else json)`,
  },
  {
    option: 'allowAnonymous',
    flag: 'allow-anonymous',
    variable: 'RALLYMQ_ALLOW_ANONYMOUS',
    help: 'let everyone connect, beyond loopback and through proxies',
  },
  {
    option: 'passwordFile',
    flag: 'password-file',
    placeholder: 'FILE',
    variable: 'RALLYMQ_PASSWORD_FILE',
    help: 'users and password hashes, by rallymq passwd or mosquitto_passwd',
  },
  {
    option: 'identityAsUser',
    flag: 'identity-as-user',
    variable: 'RALLYMQ_IDENTITY_AS_USER',
    help: 'use the identity of the client certificate as user name',
  },
  ...(
    [
      ['tokenSecretFile', 'token-secret-file', 'FILE', 'secret that tokens (JWT) are signed with'],
      ['tokenKeyFile', 'token-key-file', 'FILE', 'public key of tokens, in PEM'],
      ['tokenJwksUrl', 'token-jwks', 'URL', 'public keys of tokens (JWKS)'],
      ['tokenIssuer', 'token-issuer', 'TEXT', 'required iss of tokens'],
      ['tokenAudience', 'token-audience', 'TEXT', 'required aud of tokens'],
      ['tokenUserClaim', 'token-user-claim', 'NAME', 'claim with the user name (default sub)'],
      ['tokenClientIdClaim', 'token-client-id-claim', 'NAME', 'claim with the client identifier'],
      ['tokenTenantClaim', 'token-tenant-claim', 'NAME', 'claim with the first level of all topics'],
      ['tokenCookie', 'token-cookie', 'NAME', 'cookie that may carry a token'],
      ['revokedFile', 'revoked-file', 'FILE', 'revoked tokens'],
      ['authUrl', 'auth-url', 'URL', 'back end that authenticates clients'],
      ['authorizeUrl', 'authorize-url', 'URL', 'back end that authorizes clients'],
      ['backendSecretFile', 'backend-secret-file', 'FILE', 'secret that is sent to both'],
      ['banFile', 'ban-file', 'FILE', 'bans; rallymq ban writes it'],
    ] as const
  ).map(([option, flag, placeholder, help]) => ({
    option,
    flag,
    placeholder,
    variable: `RALLYMQ_${flag.toUpperCase().replaceAll('-', '_')}`,
    help,
  })),
  {
    option: 'rulesFile',
    flag: 'rules',
    placeholder: 'FILE',
    variable: 'RALLYMQ_RULES_FILE',
    help: 'roles, and what they may publish and subscribe to',
  },
  {
    option: 'aclFile',
    flag: 'acl-file',
    placeholder: 'FILE',
    variable: 'RALLYMQ_ACL_FILE',
    help: 'rules in the format of an acl_file of mosquitto',
  },
  {
    option: 'broadFilters',
    flag: 'broad-filters',
    placeholder: 'WHAT',
    variable: 'RALLYMQ_BROAD_FILTERS',
    help: 'refuse or deliverAllowed (default: the latter with --acl-file)',
  },
  {
    option: 'deniedPublish',
    flag: 'denied-publish',
    placeholder: 'WHAT',
    variable: 'RALLYMQ_DENIED_PUBLISH',
    help: `refuse or disconnect (default ${defaultOptions.deniedPublish})`,
  },
  {
    option: 'apiKeysFile',
    flag: 'api-keys',
    placeholder: 'FILE',
    variable: 'RALLYMQ_API_KEYS',
    help: 'keys of the HTTP API and the dashboard, from rallymq api-key',
  },
  {
    option: 'allowedOrigins',
    flag: 'allowed-origins',
    placeholder: 'LIST',
    variable: 'RALLYMQ_ALLOWED_ORIGINS',
    help: 'more web origins that may connect, null: files, *: all',
  },
  {
    option: 'sysIntervalSeconds',
    flag: 'sys-interval',
    placeholder: 'SECONDS',
    variable: 'RALLYMQ_SYS_INTERVAL',
    help: `how often $SYS topics are published, 0: never (default ${defaultOptions.sysIntervalSeconds})`,
  },
  {
    option: 'cluster',
    flag: 'cluster',
    placeholder: 'URLS',
    variable: 'RALLYMQ_CLUSTER',
    help: 'NATS servers that connect the nodes of a cluster',
  },
  {
    option: 'nodeName',
    flag: 'node-name',
    placeholder: 'NAME',
    variable: 'RALLYMQ_NODE_NAME',
    help: 'name of this node (default: the host name)',
  },
  {
    option: 'clusterName',
    flag: 'cluster-name',
    placeholder: 'NAME',
    variable: 'RALLYMQ_CLUSTER_NAME',
    help: `name of the cluster, if NATS serves several (default ${defaultOptions.clusterName})`,
  },
  {
    option: 'clusterCredentials',
    flag: 'cluster-credentials',
    placeholder: 'FILE',
    variable: 'RALLYMQ_CLUSTER_CREDENTIALS',
    help: 'credentials for NATS: a .creds file, or user:password',
  },
  {
    option: 'clusterTlsCa',
    flag: 'cluster-tls-ca',
    placeholder: 'FILE',
    variable: 'RALLYMQ_CLUSTER_TLS_CA',
    help: 'authorities that sign the NATS certificate, in PEM',
  },
  {
    option: 'replicas',
    flag: 'replicas',
    placeholder: 'COUNT',
    variable: 'RALLYMQ_REPLICAS',
    help: `1: on the disk of each node, 3: also in JetStream (default ${defaultOptions.replicas})`,
  },
];

export const configFileVariable = 'RALLYMQ_CONFIG';
