/** `rallymq api-key add|list|remove`: looks after the file of `--api-keys`. A key is shown once, when it is made. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BrokerError } from '../broker-error.ts';
import { readAccessFile } from '../security/access-file.ts';
import {
  type ApiKey,
  ApiKeys,
  type ApiScope,
  apiKeyLine,
  apiScopes,
  hashOfApiKey,
  isApiKeyName,
  isApiScope,
  newApiKey,
} from '../security/api-keys.ts';
import { replaceFile } from '../security/replace-file.ts';

export const apiKeyUsage = [
  'Usage: rallymq api-key add FILE NAME --scopes LIST',
  '       rallymq api-key list FILE',
  '       rallymq api-key remove FILE NAME',
  '',
  'Looks after the keys of the HTTP API and the dashboard, for a broker that is started with --api-keys FILE.',
  'The file contains hashes only: a new key is printed once and cannot be recovered.',
  '',
  `  --scopes LIST  some of ${apiScopes.join(', ')}, with ',' between, or all`,
  '',
  'A broker that runs reads the file again when it gets SIGHUP.',
  '',
].join('\n');

/** Returns the text to print. Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function apiKeyCommand(args: readonly string[]): string {
  const { action, path, name, scopes } = readRequest(args);
  const before = existsSync(path) ? readAccessFile(path) : '';
  if (before === '' && action !== 'add') throw invalid(`${path} has no keys: nothing was changed.`);
  const keys = ApiKeys.parse(before, path).all;
  if (action === 'list') return keys.map(shown).join('');
  return action === 'add' ? add(path, before, keys, name, scopes) : remove(path, before, keys, name);
}

function shown({ name, scopes }: ApiKey): string {
  return `${name}  ${[...scopes].join(',')}\n`;
}

function add(
  path: string,
  before: string,
  keys: readonly ApiKey[],
  name: string,
  scopes: readonly ApiScope[],
): string {
  if (keys.some((key) => key.name === name))
    throw invalid(`${path} has a key '${name}' already: remove it first, or take another name.`);
  const key = newApiKey();
  const line = apiKeyLine({ name, scopes: new Set(scopes) }, hashOfApiKey(key));
  replaceFile(path, `${before === '' || before.endsWith('\n') ? before : `${before}\n`}${line}\n`);
  return `${key}\n`;
}

/** All other lines, comments too, stay as they are. */
function remove(path: string, before: string, keys: readonly ApiKey[], name: string): string {
  if (!keys.some((key) => key.name === name))
    throw invalid(`${path} has no key '${name}': nothing was changed.`);
  const lines = before.split('\n').filter((line) => !line.startsWith(`${name}:`));
  replaceFile(path, lines.join('\n'));
  return `${name} was taken out.\n`;
}

interface Request {
  readonly action: 'add' | 'list' | 'remove';
  readonly path: string;
  readonly name: string;
  readonly scopes: readonly ApiScope[];
}

function readRequest(args: readonly string[]): Request {
  const { values, positionals } = parse(args);
  const [action, path, name, ...more] = positionals;
  const isKnown = action === 'add' || action === 'list' || action === 'remove';
  if (!isKnown || path === undefined || more.length > 0 || (name === undefined) !== (action === 'list'))
    throw invalid('Give add FILE NAME, list FILE or remove FILE NAME: see rallymq api-key --help.');
  if (name !== undefined && !isApiKeyName(name))
    throw invalid("A name has at most 100 characters and no ':', and begins with neither space nor '#'.");
  if ((values.scopes === undefined) !== (action !== 'add'))
    throw invalid(`--scopes LIST belongs to add: give some of ${apiScopes.join(', ')}, or all.`);
  return { action, path, name: name ?? '', scopes: readScopes(values.scopes) };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: { scopes: { type: 'string' } }, allowPositionals: true });
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('.')[0] ?? '') : String(cause);
    throw new BrokerError('FLAG_UNKNOWN', `${reason}: see rallymq api-key --help.`, { cause });
  }
}

function readScopes(text: string | undefined): readonly ApiScope[] {
  if (text === undefined) return [];
  if (text === 'all') return apiScopes;
  const given = text.split(',').map((scope) => scope.trim());
  const unknown = given.find((scope) => !isApiScope(scope));
  if (unknown !== undefined)
    throw invalid(`'${unknown.slice(0, 40)}' is not a scope: give some of ${apiScopes.join(', ')}, or all.`);
  return [...new Set(given.filter(isApiScope))];
}

function invalid(sentence: string): BrokerError {
  return new BrokerError('FLAG_VALUE_INVALID', sentence);
}
