/** Files of users and rules for one test, removed when it ends. */
import { pbkdf2Sync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.ts';

export interface AccessFolder {
  /** Writes a file, and returns its path. */
  write(name: string, content: string | object): string;
}

export function accessFolder(test: TestContext): AccessFolder {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-access-'));
  atEnd(test, () => rmSync(folder, { recursive: true }));
  return {
    write: (name, content) => {
      const path = join(folder, name);
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
      return path;
    },
  };
}

/** Lines of a password file, with hashes that are fast to verify. */
export function passwordLines(users: Readonly<Record<string, string>>): string {
  return Object.entries(users)
    .map(([username, password]) => `${username}:${quickHash(password)}\n`)
    .join('');
}

export function quickHash(password: string): string {
  const salt = Buffer.from('0123456789ab');
  const digest = pbkdf2Sync(password, salt, 1, 64, 'sha512');
  return `$7$1$${salt.toString('base64')}$${digest.toString('base64')}`;
}
