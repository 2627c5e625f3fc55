// The allowed values of each option: one row per option, for values (from a program or a JSON file) and for text (from a flag
// or an environment variable).

import { isIP } from 'node:net';
import { isRecord, isWholeNumber } from '../unknown-value.ts';
import { isReservedTopic, isValidTopicName } from '../wire/topic.ts';
import type { Reload } from './limits.ts';
import { isNetwork } from './network.ts';
import {
  type BrokerOptions,
  broadFilterSettings,
  clientCertificateSettings,
  clientIdentities,
  deniedPublishSettings,
  durabilities,
  logFormats,
  logLevels,
  reasonStringSettings,
  workersMax,
} from './options.ts';
import { serialisedOrigin } from './origin-text.ts';

export type OptionName = keyof BrokerOptions;

/** Option values before they are resolved. */
export type OptionValues = { [Name in OptionName]?: unknown };

interface ValueRule {
  /** Ends the sentence "give ...". */
  readonly allowed: string;
  /** The same for a value given as text, if it differs. */
  readonly allowedAsText?: string;
  readonly accepts: (value: unknown) => boolean;
  /** Converts text to a value; invalid text is returned unchanged. */
  readonly fromText: (text: string) => unknown;
}

export interface OptionRule extends ValueRule {
  /** For `limits`: the rules of each are in limits.ts. */
  readonly reload: Reload;
}

// A label begins and ends with a letter or digit. A host name has at most 253 characters.
const hostName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
// Characters that need no percent-encoding, so that a path has one spelling.
const urlPath = /^\/[\w.~/-]*$/;

const truthRule: ValueRule = {
  allowed: 'true or false',
  accepts: (value) => typeof value === 'boolean',
  fromText: truth,
};

const fileRule: ValueRule = {
  allowed: 'the path of a file',
  accepts: (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
  fromText: asText,
};

const offOrPortRule: ValueRule = {
  allowed: 'a whole number from 0 to 65535, or false to turn it off',
  allowedAsText: "a whole number from 0 to 65535, or 'none' to turn it off",
  accepts: (value) => value === false || isPort(value),
  fromText: portFromText,
};

const functionRule: ValueRule = {
  allowed: 'a function, which only a program that calls createBroker() can do',
  accepts: (value) => typeof value === 'function',
  fromText: asText,
};

const backendUrlRule: ValueRule = {
  allowed: 'a URL that begins with https:// or http://, without a user name',
  accepts: isBackendUrl,
  fromText: asText,
};

/** It becomes one level of a NATS subject, and of a topic. */
const nameRule: ValueRule = {
  allowed: "a name of at most 64 letters, digits, '-' and '_'",
  accepts: (value) => typeof value === 'string' && /^[\w-]{1,64}$/.test(value),
  fromText: asText,
};

const textRule: ValueRule = {
  allowed: 'a text of at most 1000 characters',
  accepts: (value) => isShortText(value) && value !== '',
  fromText: asText,
};

function live(rule: ValueRule): OptionRule {
  return { ...rule, reload: 'live' };
}

function restart(rule: ValueRule): OptionRule {
  return { ...rule, reload: 'restart' };
}

export const optionRules: Readonly<Record<OptionName, OptionRule>> = {
  host: {
    reload: 'restart',
    allowed: 'an IP address or a host name',
    accepts: (value) => typeof value === 'string' && (isIP(value) !== 0 || hostName.test(value)),
    fromText: asText,
  },
  port: restart(offOrPortRule),
  listeners: {
    reload: 'restart',
    allowed: 'a list of listeners, each an object: docs/security.md',
    accepts: (value) => Array.isArray(value),
    fromText: asText,
  },
  path: {
    reload: 'restart',
    allowed: "a path that begins with '/' and has only letters, digits, '/', '-', '.', '_' and '~'",
    accepts: (value) => typeof value === 'string' && value.length <= 255 && urlPath.test(value),
    fromText: asText,
  },
  tcpPort: restart({
    ...offOrPortRule,
    allowed: 'a whole number from 0 to 65535, or false to turn it off',
    allowedAsText: "a whole number from 0 to 65535, or 'none' to turn it off",
  }),
  tlsPort: restart(offOrPortRule),
  mqttsPort: restart(offOrPortRule),
  tlsCert: live(fileRule),
  tlsKey: live(fileRule),
  tlsOcsp: live(fileRule),
  tlsCertificates: {
    reload: 'live',
    allowed:
      "a list of certificates, each with the paths of its files: { cert: '…', key: '…', ocsp: '…' }; ocsp may be left out",
    accepts: (value) => Array.isArray(value) && value.every(areCertificateFiles),
    fromText: asText,
  },
  clientCertificates: {
    reload: 'restart',
    allowed: `one of ${clientCertificateSettings.join(', ')}`,
    accepts: (value) => clientCertificateSettings.some((setting) => setting === value),
    fromText: asText,
  },
  clientCa: live(fileRule),
  clientCrl: live(fileRule),
  pskFile: live(fileRule),
  clientIdentity: {
    reload: 'restart',
    allowed: `one of ${clientIdentities.join(', ')}`,
    accepts: (value) => clientIdentities.some((identity) => identity === value),
    fromText: asText,
  },
  trustedProxies: {
    reload: 'restart',
    allowed: "a list of IP addresses and networks like '10.0.0.0/8'",
    allowedAsText: "IP addresses and networks like 10.0.0.0/8, with ',' between",
    accepts: (value) => Array.isArray(value) && value.every(isNetwork),
    fromText: (text) => text.split(',').map((network) => network.trim()),
  },
  workers: {
    reload: 'restart',
    allowed: `'auto' or a whole number from 1 to ${workersMax}`,
    accepts: (value) => value === 'auto' || isWholeNumber(value, 1, workersMax),
    fromText: wholeNumber,
  },
  dataDirectory: {
    reload: 'restart',
    allowed: 'the path of a folder, or false to keep everything in memory',
    allowedAsText: "the path of a folder, or 'none' to keep everything in memory",
    accepts: (value) =>
      value === false || (typeof value === 'string' && value !== '' && !value.includes('\0')),
    fromText: (text) => (text === 'none' ? false : text),
  },
  durability: restart(oneOf(durabilities)),
  logLevel: live(oneOf(logLevels)),
  logFormat: restart(oneOf(logFormats)),
  allowAnonymous: restart(truthRule),
  pages: restart(truthRule),
  authenticate: {
    reload: 'restart',
    allowed: 'a function, or a list of functions, which only a program that calls createBroker() can do',
    accepts: (value) =>
      typeof value === 'function' ||
      (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'function')),
    fromText: asText,
  },
  authorizePublish: restart(functionRule),
  authorizeSubscribe: restart(functionRule),
  authUrl: restart(backendUrlRule),
  authorizeUrl: restart(backendUrlRule),
  backendSecretFile: restart(fileRule),
  banFile: restart(fileRule),
  authenticationMethods: {
    reload: 'restart',
    allowed:
      'an array of methods, each with its own name, which only a program that calls createBroker() can do',
    accepts: areMethods,
    fromText: asText,
  },
  passwordFile: restart(fileRule),
  identityAsUser: restart(truthRule),
  tokenSecretFile: restart(fileRule),
  tokenKeyFile: restart(fileRule),
  tokenJwksUrl: {
    reload: 'restart',
    allowed: 'a URL that begins with https://, or with http:// on this machine',
    accepts: isKeyUrl,
    fromText: asText,
  },
  tokenIssuer: restart(textRule),
  tokenAudience: restart(textRule),
  tokenUserClaim: restart(textRule),
  tokenClientIdClaim: restart(textRule),
  tokenTenantClaim: restart(textRule),
  tokenCookie: {
    reload: 'restart',
    allowed: 'the name of a cookie',
    accepts: (value) => typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]{1,255}$/.test(value),
    fromText: asText,
  },
  revokedFile: restart(fileRule),
  rulesFile: restart(fileRule),
  apiKeysFile: restart(fileRule),
  aclFile: restart(fileRule),
  broadFilters: restart(oneOf(broadFilterSettings)),
  deniedPublish: restart(oneOf(deniedPublishSettings)),
  retainAvailable: restart(truthRule),
  wildcardSubscriptionAvailable: restart(truthRule),
  subscriptionIdentifiersAvailable: restart(truthRule),
  sharedSubscriptionAvailable: restart(truthRule),
  checksPayloadFormat: restart(truthRule),
  allowedOrigins: {
    reload: 'live',
    allowed:
      "a list of origins like 'https://scores.example' (scheme, host and port, no path), 'null' or '*'",
    allowedAsText:
      "origins like https://scores.example (scheme, host and port, no path), null or *, with ',' between",
    accepts: (value) => Array.isArray(value) && value.every(isOrigin),
    fromText: (text) => text.split(',').map((origin) => origin.trim()),
  },
  sysIntervalSeconds: {
    reload: 'live',
    allowed: 'a whole number of seconds from 0 to 86400',
    accepts: (value) => isWholeNumber(value, 0, 86_400),
    fromText: wholeNumber,
  },
  responseTopicPrefix: {
    reload: 'live',
    allowed:
      "a topic name that clients may publish to, of at most 1000 characters and without '/' at its end",
    accepts: (value) =>
      isShortText(value) && isValidTopicName(value) && !isReservedTopic(`${value}/x`) && !value.endsWith('/'),
    fromText: asText,
  },
  serverReference: {
    reload: 'live',
    allowed: "servers like 'mqtt2.example:1883', with a space between, in at most 1000 characters",
    accepts: (value) => isShortText(value) && /^[^\s\p{C}]+( [^\s\p{C}]+)*$/u.test(value),
    fromText: asText,
  },
  serverMoved: restart(truthRule),
  reasonStrings: live(oneOf(reasonStringSettings)),
  cluster: restart({
    allowed: "a list of NATS servers like 'nats://10.0.0.1:4222' or 'tls://nats.example:4222'",
    allowedAsText: "NATS servers like nats://10.0.0.1:4222 or tls://nats.example:4222, with ',' between",
    accepts: (value) => Array.isArray(value) && value.length > 0 && value.every(isNatsUrl),
    fromText: (text) => text.split(',').map((url) => url.trim()),
  }),
  nodeName: restart({
    allowed: "a name of at most 64 letters, digits, '-', '_' and '.'",
    accepts: (value) => typeof value === 'string' && /^[\w.-]{1,64}$/.test(value),
    fromText: asText,
  }),
  clusterName: restart(nameRule),
  clusterCredentials: restart(fileRule),
  clusterTlsCa: restart(fileRule),
  replicas: restart({
    allowed: '1 or 3',
    accepts: (value) => value === 1 || value === 3,
    fromText: wholeNumber,
  }),
  limits: {
    reload: 'live',
    allowed: 'an object with limits by name',
    accepts: isRecord,
    fromText: asText,
  },
};

export const optionNames = Object.keys(optionRules) as readonly OptionName[];

/** Keys fetched over an unencrypted connection could be anyone's. */
function isKeyUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return username === '' && password === '' && (protocol === 'https:' || (protocol === 'http:' && isHere));
}

/** Unencrypted over a private network, if necessary: `rallymq check-config` explains the risk. */
function isBackendUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
}

/** Credentials belong in a file, not on a command line. */
function isNatsUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !/^(nats|tls):\/\//.test(value) || !URL.canParse(value)) return false;
  const { hostname, username, password, pathname, search } = new URL(value);
  return hostname !== '' && `${username}${password}${search}` === '' && (pathname === '' || pathname === '/');
}

function oneOf(settings: readonly string[]): ValueRule {
  return {
    allowed: `one of ${settings.join(', ')}`,
    accepts: (value) => settings.some((setting) => setting === value),
    fromText: asText,
  };
}

function areMethods(value: unknown): boolean {
  if (!Array.isArray(value) || !value.every(isMethod)) return false;
  return new Set(value.map(({ name }) => name)).size === value.length;
}

function isMethod(value: unknown): value is { name: string } {
  const { name, begin } = isRecord(value) ? value : {};
  return typeof name === 'string' && name !== '' && typeof begin === 'function';
}

function areCertificateFiles(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { cert, key, ocsp, ...others } = value;
  if (Object.keys(others).length > 0) return false;
  return fileRule.accepts(cert) && fileRule.accepts(key) && (ocsp === undefined || fileRule.accepts(ocsp));
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 1_000;
}

function isOrigin(value: unknown): boolean {
  if (value === '*' || value === 'null') return true;
  return typeof value === 'string' && serialisedOrigin(value) !== undefined;
}

function isPort(value: unknown): boolean {
  return isWholeNumber(value, 0, 65_535);
}

function asText(text: string): string {
  return text;
}

function wholeNumber(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** `off` is the former name of `none`. */
function portFromText(text: string): number | string | false {
  return text === 'none' || text === 'off' ? false : wholeNumber(text);
}

function truth(text: string): boolean | string {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  return text;
}
