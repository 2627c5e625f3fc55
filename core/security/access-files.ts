/** The files of users and rules that the configuration names. They are read completely: an invalid one changes nothing. */
import type { BrokerConfig } from '../config/options.ts';
import { accessFileFault, readAccessFile } from './access-file.ts';
import { parseAclFile } from './acl-file.ts';
import { ApiKeys } from './api-keys.ts';
import { type PasswordFile, parsePasswordFile } from './password-file.ts';
import { RevocationFile } from './revocation-file.ts';
import { parseRuleFile } from './rule-file.ts';
import type { RuleBook } from './rules.ts';
import { Secret } from './secret.ts';
import { publicKeys, secretKeys, type TokenKeys } from './token-keys.ts';

export interface AccessFiles {
  /** Undefined if no file is configured, here and below. */
  readonly users: PasswordFile | undefined;
  readonly rules: RuleBook | undefined;
  readonly keys: TokenKeys | undefined;
  readonly revoked: RevocationFile | undefined;
  readonly backendSecret: Secret | undefined;
  readonly apiKeys: ApiKeys | undefined;
}

export type AccessFilePaths = Pick<
  BrokerConfig,
  | 'passwordFile'
  | 'rulesFile'
  | 'aclFile'
  | 'tokenSecretFile'
  | 'tokenKeyFile'
  | 'revokedFile'
  | 'backendSecretFile'
  | 'apiKeysFile'
>;

/** Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function readAccessFiles(paths: AccessFilePaths): AccessFiles {
  const { passwordFile, rulesFile, aclFile, tokenSecretFile, tokenKeyFile, revokedFile } = paths;
  const { backendSecretFile, apiKeysFile } = paths;
  const read = <Content>(path: string | undefined, parse: (text: string, path: string) => Content) =>
    path === undefined ? undefined : parse(readAccessFile(path), path);
  return {
    users: read(passwordFile, parsePasswordFile),
    rules: read(rulesFile, parseRuleFile) ?? read(aclFile, parseAclFile),
    keys: keysOf(tokenSecretFile, secretKeys) ?? keysOf(tokenKeyFile, publicKeys),
    revoked: read(revokedFile, RevocationFile.parse),
    backendSecret: read(backendSecretFile, parseSecret),
    apiKeys: read(apiKeysFile, ApiKeys.parse),
  };
}

/** A line. */
function parseSecret(text: string, path: string): Secret {
  const secret = text.trim();
  if (/^[\x21-\x7e]+$/.test(secret)) return new Secret(secret);
  throw accessFileFault(path, 1, 1, 'a secret is a line of ASCII without spaces.');
}

function keysOf(path: string | undefined, readKeys: (path: string) => TokenKeys): TokenKeys | undefined {
  return path === undefined ? undefined : readKeys(path);
}
