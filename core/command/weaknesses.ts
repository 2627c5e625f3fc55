/** Risks that a configuration may take unintentionally, each as a sentence with a remedy. */
import { statSync } from 'node:fs';
import { isOnLoopbackOnly } from '../config/local-only.ts';
import type { BrokerConfig } from '../config/options.ts';
import { isLoopback } from '../config/resolve.ts';
import type { AccessFiles } from '../security/access-files.ts';
import { emptyFilesOf } from '../security/empty-files.ts';
import type { Rule } from '../security/rules.ts';

export interface WeaknessInput {
  readonly config: BrokerConfig;
  readonly files: AccessFiles;
  /** Of the first certificate; undefined without TLS. */
  readonly expiresAtMs: number | undefined;
  readonly nowMs: number;
}

export function weaknessesOf(input: WeaknessInput): string[] {
  return [whoComesIn, apiUsers, whatTheyMay, whatCrossesTheNetwork, files, certificates, bounds].flatMap(
    (look) => look(input),
  );
}

function whoComesIn({ config }: WeaknessInput): string[] {
  const { host, listeners, allowAnonymous } = config;
  const openHosts = [
    ...(allowAnonymous ? [host] : []),
    ...listeners.filter(({ anonymous }) => anonymous ?? allowAnonymous).map((listener) => listener.host),
  ];
  return [
    ...reachable(openHosts).map(
      (each) =>
        `everyone who can reach ${each} may connect (allowAnonymous, or anonymous of a listener): use a password file or tokens, or rules for clients without a user name.`,
    ),
    ...said(
      config.allowedOrigins.includes('*'),
      "pages of every origin may connect (allowedOrigins '*'): any page can act with the rights of its visitor. Name your origins.",
    ),
    ...said(
      !isOnLoopbackOnly(config) && config.allowedOrigins.includes('null'),
      "pages that were opened as files, and sandboxed frames of every page, may connect (allowedOrigins 'null'): name your origins.",
    ),
    ...config.trustedProxies
      .filter((network) => network.endsWith('/0'))
      .map((network) => `trustedProxies has ${network}: anyone can claim any address. Name your proxies.`),
  ];
}

/** Unused lines of the file of API keys: nobody can sign in with them. */
function apiUsers({ config, files: { users, apiKeys } }: WeaknessInput): string[] {
  const { authUrl, tokenSecretFile, tokenKeyFile, tokenJwksUrl } = config;
  const others = [authUrl, tokenSecretFile, tokenKeyFile, tokenJwksUrl].some((one) => one !== undefined);
  if (others) return [];
  const unknown = (apiKeys?.all ?? []).filter(
    ({ name }) => apiKeys?.isUser(name) && users?.has(name) !== true,
  );
  return unknown.map(
    ({ name }) =>
      `apiKeysFile gives scopes to the user '${name}', who is not in the password file: nobody can sign in with that name.`,
  );
}

function whatTheyMay({ config, files: { rules } }: WeaknessInput): string[] {
  const everybody = rules === undefined ? [] : [...rules.everyone, ...rules.anonymous];
  const open = (action: Rule['action']): boolean =>
    everybody.some((role) =>
      (rules?.roles.get(role) ?? []).some(
        (rule) => rule.effect === 'allow' && rule.action === action && rule.filter === '#',
      ),
    );
  return [
    ...said(
      !config.hasRules && !config.asksToPublish && (config.authenticates || !isOnLoopbackOnly(config)),
      'there are no rules: every client may publish and subscribe to everything. Set rulesFile (--rules).',
    ),
    ...said(open('publish'), "the rules let everybody publish to '#': list the topics."),
    ...said(open('subscribe'), "the rules let everybody subscribe to '#': list the topics."),
  ];
}

function whatCrossesTheNetwork({ config }: WeaknessInput): string[] {
  const { host, listeners, authenticates } = config;
  const plainHosts = [host, ...listeners.filter(({ tls }) => !tls).map((listener) => listener.host)];
  const backends = [config.authUrl, config.authorizeUrl].filter((url) => url !== undefined);
  return [
    ...reachable(authenticates ? plainHosts : []).map(
      (each) =>
        `passwords, tokens and messages are sent unencrypted on the plain ports of ${each}: accept clients over TLS only, or listen on 127.0.0.1 behind a proxy with TLS.`,
    ),
    ...backends
      .filter((url) => url.startsWith('http:') && !isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, '')))
      .map((url) => `${new URL(url).origin} gets passwords unencrypted: use https.`),
  ];
}

function files({ config, files: { users, apiKeys } }: WeaknessInput): string[] {
  const old = [...(users ?? [])].filter(([, hash]) => hash.startsWith('$6$')).length;
  const secrets = [
    config.passwordFile,
    config.tokenSecretFile,
    config.backendSecretFile,
    ...config.tlsCertificates.map(({ key }) => key),
  ];
  return [
    ...emptyFilesOf(config, { users, apiKeys }).map((sentence) => `${sentence}.`),
    ...said(
      old > 0,
      `${old} ${old === 1 ? 'user has a password' : 'users have passwords'} hashed with SHA-512 only once ($6$), which makes them quick to guess: set them again with rallymq passwd.`,
    ),
    ...secrets
      .filter((path) => path !== undefined)
      .filter((path) => (statSync(path).mode & 0o007) !== 0)
      .map((path) => `everybody on this machine can read ${path}: run chmod o= on it.`),
  ];
}

function certificates({ expiresAtMs, nowMs }: WeaknessInput): string[] {
  if (expiresAtMs === undefined) return [];
  const days = Math.floor((expiresAtMs - nowMs) / 86_400_000);
  if (days < 0) return ['a certificate has expired: clients will refuse it. Renew it.'];
  return said(days < daysWarned, `a certificate expires in ${days} days: renew it.`);
}

const daysWarned = 30;

function bounds({ config: { limits, authenticates } }: WeaknessInput): string[] {
  return [
    ...said(
      authenticates && (limits.failedLoginsPerAddressMax === 0 || limits.banMs === 0),
      'clients that guess passwords are never banned (failedLoginsPerAddressMax, banMs).',
    ),
  ];
}

/** Those that other machines can reach, each once. Undefined: of a Unix socket. */
function reachable(hosts: readonly (string | undefined)[]): string[] {
  return [...new Set(hosts)].filter((host) => host !== undefined).filter((host) => !isLoopback(host));
}

function said(isSo: boolean, sentence: string): string[] {
  return isSo ? [sentence] : [];
}
