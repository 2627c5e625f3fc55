// Turns the input of a program or a file into the broker's configuration. Input is unknown until it has been checked
// here; every error names the key, the given value and the allowed ones.

import { BlockList, isIP } from 'node:net';
import { availableParallelism, hostname } from 'node:os';
import { inspect } from 'node:util';
import { BrokerError, type BrokerErrorCode } from '../broker-error.ts';
import { isRecord, isWholeNumber } from '../unknown-value.ts';
import {
  defaultLimits,
  type LimitName,
  type LimitRange,
  type Limits,
  limitNames,
  limitRanges,
} from './limits.ts';
import { listenerFault, resolveListener } from './listeners.ts';
import { nearestName } from './nearest-name.ts';
import { type OptionName, optionNames, optionRules } from './option-rules.ts';
import {
  type BrokerConfig,
  type BrokerOptions,
  type CertificateFiles,
  defaultOptions,
  type LogLevel,
  tlsPortDefault,
  workersMax,
} from './options.ts';
import { serialisedOrigin } from './origin-text.ts';
import { isServedPath } from './served-paths.ts';
import { settings } from './settings.ts';

/**
 * Resolves the options of `createBroker`, or those collected by the command. Throws a BrokerError:
 * CONFIG_INVALID or OPEN_WITHOUT_AUTHENTICATION.
 */
export function resolveConfig(options: unknown = {}, logLevelDefault: LogLevel = 'silent'): BrokerConfig {
  const given = checkOptions(options, 'the options');
  const {
    authenticate,
    authenticationMethods = [],
    workers,
    limits,
    tlsCert,
    tlsKey,
    tlsOcsp,
    ...rest
  } = given;
  const { authorizePublish, authorizeSubscribe, listeners = [], ...values } = rest;
  const config: BrokerConfig = {
    ...optionalOptions,
    ...defaultOptions,
    logLevel: logLevelDefault,
    ...values,
    workers: workers === undefined || workers === 'auto' ? workersOf(availableParallelism()) : workers,
    authenticates:
      authenticate !== undefined ||
      authenticationMethods.length > 0 ||
      values.passwordFile !== undefined ||
      values.authUrl !== undefined ||
      values.identityAsUser === true ||
      hasTokenKeys(values),
    hasAuthenticateHook: authenticate !== undefined,
    asksToPublish: authorizePublish !== undefined || values.authorizeUrl !== undefined,
    asksToSubscribe: authorizeSubscribe !== undefined || values.authorizeUrl !== undefined,
    ...rulesOf(values),
    allowedOrigins: (values.allowedOrigins ?? []).map((origin) => serialisedOrigin(origin) ?? origin),
    ...tlsOf(given),
    listeners: listeners.map((listener) => resolveListener(listener, values.host ?? defaultOptions.host)),
    standsFor: undefined,
    nodeName: values.nodeName ?? (values.cluster && nodeNameOf(hostname())),
    limits: { ...defaultLimits, ...limits },
  };
  checkTogether(config);
  return config;
}

/** Checks combinations of values. Errors: see resolveConfig(). */
export function checkTogether(config: BrokerConfig): void {
  checkLimitsTogether(config.limits);
  checkTls(config);
  checkServerReference(config);
  checkRuleFiles(config);
  checkTokens(config);
  checkBackends(config);
  checkPath(config);
  checkPorts(config);
  checkCluster(config);
  checkClosedByDefault(config);
}

/** Options without a default that are nevertheless part of the configuration. */
const optionalOptions = {
  responseTopicPrefix: undefined,
  serverReference: undefined,
  passwordFile: undefined,
  rulesFile: undefined,
  aclFile: undefined,
  clientCa: undefined,
  clientCrl: undefined,
  pskFile: undefined,
  tokenSecretFile: undefined,
  tokenKeyFile: undefined,
  tokenJwksUrl: undefined,
  tokenIssuer: undefined,
  tokenAudience: undefined,
  tokenClientIdClaim: undefined,
  tokenTenantClaim: undefined,
  tokenCookie: undefined,
  revokedFile: undefined,
  authUrl: undefined,
  authorizeUrl: undefined,
  backendSecretFile: undefined,
  banFile: undefined,
  apiKeysFile: undefined,
  cluster: undefined,
  nodeName: undefined,
  clusterCredentials: undefined,
  clusterTlsCa: undefined,
};

type ResolvedRules = Pick<
  BrokerConfig,
  'hasRules' | 'broadFilters' | 'grantsBroadFilters' | 'endsDeniedPublishers'
>;

/** mosquitto grants filters that are too broad, so clients of a broker with its file depend on it. */
function rulesOf({ rulesFile, aclFile, ...options }: BrokerOptions): ResolvedRules {
  const broadFilters = options.broadFilters ?? (aclFile === undefined ? 'refuse' : 'deliverAllowed');
  return {
    hasRules: rulesFile !== undefined || aclFile !== undefined,
    broadFilters,
    grantsBroadFilters: broadFilters === 'deliverAllowed',
    endsDeniedPublishers: options.deniedPublish === 'disconnect',
  };
}

/** Checks each value separately. `place`: where the options come from, for errors. Undefined counts as missing. */
export function checkOptions(input: unknown, place: string): BrokerOptions {
  const options = presentValues(input, place);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(optionRules, name)) throw unknownName(name, optionNames, place, optionOfFlag(name));
    const rule = optionRules[name as OptionName];
    if (!rule.accepts(value)) throw valueRefused(`${name} in ${place}`, value, rule.allowed);
  }
  checkListeners(options['listeners'], place);
  const { limits } = options;
  if (limits === undefined) return options as BrokerOptions;
  return { ...options, limits: checkLimits(limits, place) } as BrokerOptions;
}

function checkListeners(listeners: unknown, place: string): void {
  if (!Array.isArray(listeners)) return;
  for (const [index, listener] of listeners.entries()) {
    const fault = listenerFault(listener);
    if (fault !== undefined)
      throw new BrokerError('CONFIG_INVALID', `listeners[${index}] in ${place} ${fault}.`);
  }
}

/** The value of an option given as text, in a flag or an environment variable. */
export function optionFromText(
  name: OptionName,
  text: string,
  shown: string,
  code: BrokerErrorCode,
): unknown {
  const rule = optionRules[name];
  const value = rule.fromText(text);
  if (!rule.accepts(value)) throw valueRefused(shown, text, rule.allowedAsText ?? rule.allowed, code);
  return value;
}

/** The number of workers for 'auto'. */
export function workersOf(cores: number): number {
  return Math.min(workersMax, Math.max(1, cores - 1));
}

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host.toLowerCase() === 'localhost';
  return loopback.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

// It recognises an IPv4 address written as an IPv6 one.
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function presentValues(input: unknown, place: string): Record<string, unknown> {
  if (!isRecord(input))
    throw valueRefused(`the content of ${place}`, input, 'an object with options by name');
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

function checkLimits(input: unknown, place: string): Partial<Limits> {
  const limits = presentValues(input, `limits in ${place}`);
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(limitRanges, name)) throw unknownName(name, limitNames, `limits in ${place}`);
    checkLimit(limitRanges[name as LimitName], value, `limits.${name} in ${place}`);
  }
  return limits as Partial<Limits>;
}

function checkLimit(range: LimitRange, value: unknown, shown: string): void {
  const { min, max, powerOfTwo = false } = range;
  const accepted = isWholeNumber(value, min, max) && (!powerOfTwo || Number.isInteger(Math.log2(value)));
  if (accepted) return;
  throw valueRefused(shown, value, `a ${powerOfTwo ? 'power of two' : 'whole number'} from ${min} to ${max}`);
}

// An accepted packet must fit into the queues where it may wait, or it could never be delivered; and a client is
// considered silent only after it was pinged.
const limitOrder: readonly (readonly [smaller: LimitName, larger: LimitName])[] = [
  ['maximumPacketSizeBytes', 'outboxBytesMax'],
  ['maximumPacketSizeBytes', 'sessionQueueBytesMax'],
  ['outboxBytesMax', 'outboxTotalBytesMax'],
  ['topicAliasBytesMax', 'topicAliasesTotalBytesMax'],
  ['subscriptionBytesPerSessionMax', 'subscriptionsTotalBytesMax'],
  ['sessionQueueBytesMax', 'sessionsTotalBytesMax'],
  ['maximumPacketSizeBytes', 'inputTotalBytesMax'],
  ['webSocketPingMs', 'webSocketSilenceMs'],
];

function checkLimitsTogether(limits: Limits): void {
  for (const [smaller, larger] of limitOrder) {
    if (limits[smaller] <= limits[larger]) continue;
    const shown = `limits.${larger} is ${limits[larger]} and limits.${smaller} is ${limits[smaller]}`;
    throw new BrokerError('CONFIG_INVALID', `${shown}: raise the first or lower the second.`);
  }
}

function tlsOf({ tlsPort, tlsCert, tlsKey, tlsOcsp, tlsCertificates = [] }: BrokerOptions): {
  tlsPort: number | false;
  tlsCertificates: readonly CertificateFiles[];
} {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const [given, missing] = tlsKey === undefined ? ['tlsCert', 'tlsKey'] : ['tlsKey', 'tlsCert'];
    throw new BrokerError('CONFIG_INVALID', `${given} is given alone: give ${missing} too.`);
  }
  if (tlsOcsp !== undefined && tlsCert === undefined) {
    throw new BrokerError('CONFIG_INVALID', 'tlsOcsp is given alone: give tlsCert and tlsKey too.');
  }
  const ocsp = tlsOcsp === undefined ? {} : { ocsp: tlsOcsp };
  const first =
    tlsCert !== undefined && tlsKey !== undefined ? [{ cert: tlsCert, key: tlsKey, ...ocsp }] : [];
  const all = [...first, ...tlsCertificates];
  return { tlsPort: tlsPort ?? (all.length > 0 ? tlsPortDefault : false), tlsCertificates: all };
}

function checkTls(config: BrokerConfig): void {
  const { port, tcpPort, tlsPort, mqttsPort, tlsCertificates, clientCertificates, clientCa } = config;
  const isSecure = tlsPort !== false || mqttsPort !== false || config.listeners.some(({ tls }) => tls);
  if (isSecure && tlsCertificates.length === 0) {
    throw new BrokerError(
      'CONFIG_INVALID',
      'A port with TLS needs a certificate: give tlsCert and tlsKey; `rallymq dev-cert` makes one to try it with.',
    );
  }
  const secure = [tlsPort, mqttsPort].filter((one) => one !== false && one !== 0);
  if (secure.some((one) => one === port || one === tcpPort) || (tlsPort === mqttsPort && secure.length > 0)) {
    throw new BrokerError(
      'CONFIG_INVALID',
      'A TLS port has the number of another port: give tlsPort and mqttsPort numbers of their own.',
    );
  }
  if (clientCertificates !== 'off' && clientCa === undefined) {
    throw new BrokerError(
      'CONFIG_INVALID',
      `clientCertificates is '${clientCertificates}': give clientCa, the authorities that sign them.`,
    );
  }
  if (clientCertificates === 'off' && (clientCa !== undefined || config.clientCrl !== undefined)) {
    throw new BrokerError(
      'CONFIG_INVALID',
      "clientCa and clientCrl are for clientCertificates 'asked' or 'required': give it, or leave them out.",
    );
  }
  if (config.pskFile !== undefined && (!isSecure || clientCertificates === 'required')) {
    throw new BrokerError(
      'CONFIG_INVALID',
      isSecure
        ? "pskFile admits clients without a certificate, but clientCertificates is 'required': make it 'asked'."
        : 'pskFile is for ports with TLS, and there is none: give tlsPort.',
    );
  }
}

function checkPath({ path, pages }: BrokerConfig): void {
  if (!isServedPath(path, pages)) return;
  throw new BrokerError(
    'CONFIG_INVALID',
    `The broker itself serves ${path}: give the option path another value, such as /mqtt.`,
  );
}

function checkPorts({ port, tcpPort, tlsPort, mqttsPort, listeners }: BrokerConfig): void {
  if ([port, tcpPort, tlsPort, mqttsPort].some((each) => each !== false) || listeners.length > 0) return;
  throw new BrokerError(
    'CONFIG_INVALID',
    'All ports are off and there are no listeners: turn one on, such as port (--port 8080).',
  );
}

/** The host name, as far as it is allowed in a node name. */
export function nodeNameOf(host: string): string {
  return host.replaceAll(/[^\w.-]/g, '-').slice(0, 64) || 'node';
}

/** The name has a default, and has no effect on its own. */
function checkCluster({ cluster, ...config }: BrokerConfig): void {
  const keepsData = config.dataDirectory !== false && config.durability !== 'memory';
  if (config.replicas > 1 && (cluster === undefined || !keepsData))
    throw new BrokerError(
      'CONFIG_INVALID',
      `replicas is ${config.replicas}: give cluster, and a dataDirectory without durability memory.`,
    );
  if (cluster !== undefined) return;
  const { nodeName, clusterCredentials, clusterTlsCa } = config;
  const alone = Object.entries({ nodeName, clusterCredentials, clusterTlsCa }).find(
    ([, value]) => value !== undefined,
  );
  if (alone === undefined) return;
  throw new BrokerError('CONFIG_INVALID', `${alone[0]} is for a cluster: give cluster too.`);
}

function checkServerReference({ serverMoved, serverReference }: BrokerConfig): void {
  if (!serverMoved || serverReference !== undefined) return;
  throw new BrokerError('CONFIG_INVALID', 'serverMoved is true: give the new server as serverReference.');
}

function checkRuleFiles({ rulesFile, aclFile }: BrokerConfig): void {
  if (rulesFile === undefined || aclFile === undefined) return;
  throw new BrokerError('CONFIG_INVALID', 'rulesFile and aclFile exclude each other: give one of them.');
}

/** The options that name the keys of tokens. */
function keySourcesOf(options: BrokerOptions | BrokerConfig): string[] {
  return (['tokenSecretFile', 'tokenKeyFile', 'tokenJwksUrl'] as const).filter(
    (name) => options[name] !== undefined,
  );
}

/** Whether the broker itself verifies tokens. */
export function hasTokenKeys(options: BrokerOptions | BrokerConfig): boolean {
  return keySourcesOf(options).length > 0;
}

function checkTokens(config: BrokerConfig): void {
  if (config.identityAsUser && config.clientCertificates === 'off' && config.pskFile === undefined)
    throw new BrokerError(
      'CONFIG_INVALID',
      'identityAsUser is true: ask for certificates with clientCertificates, or give pskFile.',
    );
  const sources = keySourcesOf(config);
  if (sources.length > 1)
    throw new BrokerError('CONFIG_INVALID', `${sources.join(' and ')} exclude each other: give one of them.`);
  const { tokenIssuer, tokenAudience, tokenClientIdClaim, tokenTenantClaim } = config;
  const { revokedFile, hasAuthenticateHook } = config;
  const tokenCookie = hasAuthenticateHook ? undefined : config.tokenCookie; // the hook may know what is in it
  if (
    sources.length === 1 ||
    [tokenIssuer, tokenAudience, tokenClientIdClaim, tokenTenantClaim, tokenCookie, revokedFile].every(
      (each) => each === undefined,
    )
  )
    return;
  const advice = 'give tokenSecretFile, tokenKeyFile or tokenJwksUrl';
  throw new BrokerError(
    'CONFIG_INVALID',
    `There are options for tokens, but none to verify them with: ${advice}.`,
  );
}

function checkBackends({ authUrl, authorizeUrl, backendSecretFile }: BrokerConfig): void {
  if (backendSecretFile === undefined || authUrl !== undefined || authorizeUrl !== undefined) return;
  throw new BrokerError(
    'CONFIG_INVALID',
    'backendSecretFile is for a back end: give authUrl or authorizeUrl too.',
  );
}

function checkClosedByDefault({
  host,
  allowAnonymous,
  authenticates,
  listeners,
  ...ports
}: BrokerConfig): void {
  if (authenticates) return;
  const { port, tcpPort, tlsPort, mqttsPort } = ports;
  const hasPorts = [port, tcpPort, tlsPort, mqttsPort].some((each) => each !== false);
  if (hasPorts && !allowAnonymous && !isLoopback(host)) throw openWithoutAuthentication('host', host);
  for (const [index, listener] of listeners.entries()) {
    const isOpen = listener.anonymous ?? allowAnonymous;
    if (!isOpen && listener.host !== undefined && !isLoopback(listener.host))
      throw openWithoutAuthentication(`the host of listeners[${index}]`, listener.host);
  }
}

function openWithoutAuthentication(what: string, host: string): BrokerError {
  return new BrokerError(
    'OPEN_WITHOUT_AUTHENTICATION',
    `${what} is ${inspect(host)}, which others can reach, and clients need no credentials: listen on 127.0.0.1, ` +
      'configure authentication, such as a passwordFile or, in a program, the function authenticate, or let everyone connect with allowAnonymous.',
  );
}

function valueRefused(
  shown: string,
  value: unknown,
  allowed: string,
  code: BrokerErrorCode = 'CONFIG_INVALID',
): BrokerError {
  const given = inspect(withoutUsers(value), {
    depth: 0,
    compact: true,
    breakLength: Infinity,
    maxStringLength: 60,
  });
  return new BrokerError(code, `${shown} is ${given}: give ${allowed}.`);
}

/** Credentials in addresses, which are refused, are secrets all the same. */
function withoutUsers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUsers);
  return typeof value === 'string' ? value.replace(/:\/\/[^\s,]*@/g, '://…@') : value;
}

/** Flags and options have different names, and users may mix them up: `--data` is `dataDirectory`. */
function optionOfFlag(name: string): string | undefined {
  return settings.find(({ flag }) => flag === name.replace(/^--/, ''))?.option;
}

function unknownName(name: string, known: readonly string[], place: string, meant?: string): BrokerError {
  const nearest = meant ?? nearestName(name, known);
  const advice =
    nearest === undefined ? 'see docs/configuration.md for all names' : `did you mean '${nearest}'?`;
  const given = inspect(name, { maxStringLength: 60 });
  return new BrokerError(
    'CONFIG_INVALID',
    `${given} is not known in ${place}: ${advice}${nearest ? '' : '.'}`,
  );
}
