/** `rallymq api-key add|list|remove`: manages the file of `--api-keys`. A key is shown once, when it is created. */
import { existsSync } from 'node:fs';
import { invalid, readArguments } from '../config/arguments.ts';
import { readAccessFile } from '../security/access-file.ts';
import {
  type ApiKey,
  ApiKeys,
  apiKeyLine,
  apiUserLine,
  hashOfApiKey,
  isApiKeyName,
  newApiKey,
} from '../security/api-keys.ts';
import { type ApiScope, apiScopes, isApiScope } from '../security/api-scope.ts';
import { replaceFile } from '../security/replace-file.ts';

export const apiKeyUsage = [
  'Usage: rallymq api-key add FILE NAME --scopes LIST [--user]',
  '       rallymq api-key list FILE',
  '       rallymq api-key remove FILE NAME',
  '',
  'Manages the keys of the HTTP API and the dashboard, for a broker started with --api-keys FILE.',
  'The file contains hashes only: a new key is printed once and cannot be recovered.',
  '',
  `  --scopes LIST  some of ${apiScopes.join(', ')}, with ',' between, or all`,
  '  --user         NAME is a user of the broker, who signs in with the password or token used for',
  '                 MQTT; no key is created',
  '',
  'A running broker reads the file again on SIGHUP.',
  '',
].join('\n');

/** Returns the text to print. Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function apiKeyCommand(args: readonly string[]): string {
  const { action, path, name, scopes, isUser } = readRequest(args);
  const before = action !== 'add' || existsSync(path) ? readAccessFile(path) : '';
  if (before === '' && action !== 'add')
    throw invalid(`There are no keys in ${path}: add one with rallymq api-key add.`);
  const keys = ApiKeys.parse(before, path);
  if (action === 'list') return keys.all.map((line) => shown(line, keys.isUser(line.name))).join('');
  if (action === 'remove') return remove(path, before, keys.all, name);
  if (keys.all.some((line) => line.name === name))
    throw invalid(`${path} has a line for '${name}' already: remove it first, or take another name.`);
  const added = { name, scopes: new Set(scopes) };
  return isUser ? addUser(path, before, added) : addKey(path, before, added);
}

function shown({ name, scopes }: ApiKey, isUser: boolean): string {
  return `${name}  ${[...scopes].join(',')}${isUser ? '  user' : ''}\n`;
}

function addKey(path: string, before: string, added: ApiKey): string {
  const key = newApiKey();
  addLine(path, before, apiKeyLine(added, hashOfApiKey(key)));
  return `${key}\n`;
}

function addUser(path: string, before: string, added: ApiKey): string {
  addLine(path, before, apiUserLine(added));
  return `The user ${added.name} now has ${[...added.scopes].join(', ')}.\n`;
}

function addLine(path: string, before: string, line: string): void {
  replaceFile(path, `${before === '' || before.endsWith('\n') ? before : `${before}\n`}${line}\n`);
}

/** All other lines, including comments, stay unchanged. */
function remove(path: string, before: string, keys: readonly ApiKey[], name: string): string {
  if (!keys.some((key) => key.name === name))
    throw invalid(`${path} has no line for '${name}': nothing was changed.`);
  const lines = before.split('\n').filter((line) => !line.startsWith(`${name}:`));
  replaceFile(path, lines.join('\n'));
  return `${name} was removed.\n`;
}

interface Request {
  readonly action: 'add' | 'list' | 'remove';
  readonly path: string;
  readonly name: string;
  readonly scopes: readonly ApiScope[];
  readonly isUser: boolean;
}

function readRequest(args: readonly string[]): Request {
  const { flags, operands } = readArguments('rallymq api-key', args, { scopes: 'text', user: 'switch' });
  const [action, path, name, ...more] = operands;
  const isKnown = action === 'add' || action === 'list' || action === 'remove';
  if (!isKnown || path === undefined || more.length > 0 || (name === undefined) !== (action === 'list'))
    throw invalid('Give add FILE NAME, list FILE or remove FILE NAME: see rallymq api-key --help.');
  if (name !== undefined && !isApiKeyName(name))
    throw invalid("A name has at most 100 characters and no ':', and begins with neither space nor '#'.");
  if (action === 'add' && flags.scopes === undefined)
    throw invalid(`Give --scopes LIST: some of ${apiScopes.join(', ')}, or all.`);
  if (action !== 'add' && (flags.scopes !== undefined || flags.user === true))
    throw invalid(`--scopes and --user are for rallymq api-key add.`);
  return { action, path, name: name ?? '', scopes: readScopes(flags.scopes), isUser: flags.user === true };
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
