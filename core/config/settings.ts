// The options that the command takes: one row each with its flag, its variable of the environment and its
// line of the help. What a value may be is said in option-rules.ts.

import type { OptionName } from './option-rules.ts';
import {
  clientCertificateSettings,
  clientIdentities,
  commandDataDirectory,
  defaultOptions,
  logLevels,
  tlsPortDefault,
} from './options.ts';

export interface Setting {
  readonly option: OptionName;
  /** Without the leading dashes. */
  readonly flag: string;
  /** What stands after the flag in the help; undefined for a flag that takes no value and means true. */
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
    help: `port of HTTP and WebSocket, 0: any free, none: none (default ${defaultOptions.port})`,
  },
  {
    option: 'tcpPort',
    flag: 'tcp-port',
    placeholder: 'PORT',
    variable: 'RALLYMQ_TCP_PORT',
    help: `port of MQTT over TCP, 0: any free, off: none (default ${defaultOptions.tcpPort})`,
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
    help: 'certificate, and the intermediate ones, in PEM',
  },
  {
    option: 'tlsKey',
    flag: 'tls-key',
    placeholder: 'FILE',
    variable: 'RALLYMQ_TLS_KEY',
    help: 'its private key, in PEM',
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
    help: 'who signs the certificates of clients, in PEM',
  },
  {
    option: 'clientCrl',
    flag: 'client-crl',
    placeholder: 'FILE',
    variable: 'RALLYMQ_CLIENT_CRL',
    help: 'those that are revoked, in PEM',
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
    help: 'networks whose proxies say whose a connection is',
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
    help: 'worker threads, auto: the cores less one (default auto)',
  },
  {
    option: 'dataDirectory',
    flag: 'data',
    placeholder: 'DIR',
    variable: 'RALLYMQ_DATA',
    help: `folder for what is kept, none: memory only (default ${commandDataDirectory})`,
  },
  {
    option: 'durability',
    flag: 'durability',
    placeholder: 'WHEN',
    variable: 'RALLYMQ_DURABILITY',
    help: 'what is kept counts as safe on fsync, os or memory (default fsync)',
  },
  {
    option: 'logLevel',
    flag: 'log-level',
    placeholder: 'LEVEL',
    variable: 'RALLYMQ_LOG_LEVEL',
    help: `${logLevels.join(', ')} (default info)`,
  },
  {
    option: 'allowAnonymous',
    flag: 'allow-anonymous',
    variable: 'RALLYMQ_ALLOW_ANONYMOUS',
    help: 'let everyone connect, which a host other than loopback needs',
  },
  {
    option: 'passwordFile',
    flag: 'password-file',
    placeholder: 'FILE',
    variable: 'RALLYMQ_PASSWORD_FILE',
    help: 'users and hashes, from rallymq passwd or mosquitto_passwd',
  },
  {
    option: 'identityAsUser',
    flag: 'identity-as-user',
    variable: 'RALLYMQ_IDENTITY_AS_USER',
    help: 'let in by client certificate, whose identity is the user',
  },
  ...(
    [
      ['tokenSecretFile', 'token-secret-file', 'FILE', 'the secret that tokens (JWT) are signed with'],
      ['tokenKeyFile', 'token-key-file', 'FILE', 'the public key of tokens, in PEM'],
      ['tokenJwksUrl', 'token-jwks', 'URL', 'where the public keys of tokens are'],
      ['tokenIssuer', 'token-issuer', 'TEXT', 'what tokens have to have as iss'],
      ['tokenAudience', 'token-audience', 'TEXT', 'what tokens have to have as aud'],
      ['tokenUserClaim', 'token-user-claim', 'NAME', 'the claim that is the user name (default sub)'],
      ['tokenClientIdClaim', 'token-client-id-claim', 'NAME', 'the claim that is the client identifier'],
      ['tokenTenantClaim', 'token-tenant-claim', 'NAME', 'the claim that is the first level of all topics'],
      ['tokenCookie', 'token-cookie', 'NAME', 'the cookie that may bring a token'],
      ['revokedFile', 'revoked-file', 'FILE', 'tokens that are revoked'],
      ['authUrl', 'auth-url', 'URL', 'a back end that is asked who a client is'],
      ['authorizeUrl', 'authorize-url', 'URL', 'a back end that is asked what a client may do'],
      ['backendSecretFile', 'backend-secret-file', 'FILE', 'the secret that these are sent'],
      ['banFile', 'ban-file', 'FILE', 'who may not connect; rallymq ban writes it'],
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
    help: 'the same as an acl_file of mosquitto',
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
    option: 'allowedOrigins',
    flag: 'allowed-origins',
    placeholder: 'LIST',
    variable: 'RALLYMQ_ALLOWED_ORIGINS',
    help: 'origins of more pages that may connect, null: files, *: all',
  },
  {
    option: 'sysIntervalSeconds',
    flag: 'sys-interval',
    placeholder: 'SECONDS',
    variable: 'RALLYMQ_SYS_INTERVAL',
    help: `how often $SYS topics are published, 0: never (default ${defaultOptions.sysIntervalSeconds})`,
  },
];

export const configFileVariable = 'RALLYMQ_CONFIG';
