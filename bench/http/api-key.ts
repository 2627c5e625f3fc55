/** A key of the HTTP API for a benchmark, in a folder that is removed with the process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiKeyLine, hashOfApiKey, newApiKey } from '../../core/security/api-keys.ts';
import { apiScopes } from '../../core/security/api-scope.ts';

interface ApiKeyFile {
  readonly key: string;
  readonly file: string;
}

let made: ApiKeyFile | undefined;

/** The same for all brokers of the process. */
export function benchApiKey(): ApiKeyFile {
  made ??= make();
  return made;
}

function make(): ApiKeyFile {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const key = newApiKey();
  const file = join(folder, 'keys');
  writeFileSync(file, `${apiKeyLine({ name: 'bench', scopes: new Set(apiScopes) }, hashOfApiKey(key))}\n`, {
    mode: 0o600,
  });
  return { key, file };
}
