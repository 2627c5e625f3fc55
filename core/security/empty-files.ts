/** Files that are valid but have no entries, which is rarely intended: a sentence for each, with a remedy. */
import type { AccessFilePaths, AccessFiles } from './access-files.ts';

export function emptyFilesOf(
  { passwordFile, apiKeysFile }: Pick<AccessFilePaths, 'passwordFile' | 'apiKeysFile'>,
  { users, apiKeys }: Pick<AccessFiles, 'users' | 'apiKeys'>,
): string[] {
  return [
    ...(users?.size === 0
      ? [`the password file ${passwordFile} has no users: add them with rallymq passwd ${passwordFile} USER`]
      : []),
    ...(apiKeys?.all.length === 0
      ? [`the file ${apiKeysFile} has no API keys: create one with rallymq api-key add`]
      : []),
  ];
}
