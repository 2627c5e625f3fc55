/** The files of users and rules that the configuration names, read whole: one that is wrong changes nothing. */
import type { BrokerConfig } from '../config/options.ts';
import { readAccessFile } from './access-file.ts';
import { parseAclFile } from './acl-file.ts';
import { type PasswordFile, parsePasswordFile } from './password-file.ts';
import { parseRuleFile } from './rule-file.ts';
import type { RuleBook } from './rules.ts';

export interface AccessFiles {
  /** Undefined where no file is configured, here and below. */
  readonly users: PasswordFile | undefined;
  readonly rules: RuleBook | undefined;
}

export type AccessFilePaths = Pick<BrokerConfig, 'passwordFile' | 'rulesFile' | 'aclFile'>;

/** Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function readAccessFiles({ passwordFile, rulesFile, aclFile }: AccessFilePaths): AccessFiles {
  const read = <Content>(path: string | undefined, parse: (text: string, path: string) => Content) =>
    path === undefined ? undefined : parse(readAccessFile(path), path);
  return {
    users: read(passwordFile, parsePasswordFile),
    rules: read(rulesFile, parseRuleFile) ?? read(aclFile, parseAclFile),
  };
}
