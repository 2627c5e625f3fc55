/**
 * mosquitto's acl_file, in its own format.
 *
 *     topic read scores/#              for clients without a user name
 *     user umpire
 *     topic readwrite scores/court/+   for this user: read, write, readwrite (the default) or deny
 *     pattern write state/%c/#         for everyone, if no line of the user matches
 */
import { accessFileFault, type FileLine, linesOf } from './access-file.ts';
import { compileFilter, filterFault, placeholderFault, type Rule, type RuleBook } from './rules.ts';

const accesses = ['read', 'write', 'readwrite', 'deny'] as const;
type FileAccess = (typeof accesses)[number];

const patterns = 'pattern';
const anonymous = 'anonymous';

/** `path` is for errors. Errors: ACCESS_FILE_INVALID. */
export function parseAclFile(text: string, path: string): RuleBook {
  const roles = new Map<string, Rule[]>([
    [patterns, []],
    [anonymous, []],
  ]);
  const users = new Map<string, readonly string[]>();
  let current = anonymous;
  for (const line of linesOf(text)) {
    const { keyword, rest, column } = readKeyword(line);
    switch (keyword) {
      case 'user':
        if (rest === '') throw accessFileFault(path, line.number, column, "give a user name after 'user'.");
        current = `user ${rest}`;
        users.set(rest, [current]);
        if (!roles.has(current)) roles.set(current, []);
        break;
      case 'topic':
        roles.get(current)?.push(...readRules(line, rest, column, path, false));
        break;
      case 'pattern':
        roles.get(patterns)?.push(...readRules(line, rest, column, path, true));
        break;
      default:
        throw accessFileFault(
          path,
          line.number,
          1,
          `a line must begin with 'user', 'topic' or 'pattern', not '${keyword}'.`,
        );
    }
  }
  return { roles, users, everyone: [patterns], anonymous: [anonymous], prefixes: new Map() };
}

interface Split {
  readonly keyword: string;
  readonly rest: string;
  /** In `rest`. */
  readonly column: number;
}

function readKeyword({ text }: FileLine): Split {
  const match = /^(\s*)(\S+)\s*/.exec(text);
  const [whole = '', , keyword = ''] = match ?? [];
  return { keyword, rest: text.slice(whole.length), column: whole.length + 1 };
}

/** A topic may contain spaces if the access precedes it. */
function readRules(line: FileLine, rest: string, column: number, path: string, isPattern: boolean): Rule[] {
  const [, word = '', space = '', behind = ''] = /^(\S*)(\s*)(.*)$/.exec(rest) ?? [];
  const hasAccess = behind !== '';
  const access = hasAccess ? accesses.find((each) => each === word) : 'readwrite';
  if (access === undefined)
    throw accessFileFault(
      path,
      line.number,
      column,
      `'${word}' is not an access: give one of ${accesses.join(', ')}.`,
    );
  const filter = hasAccess ? behind : word;
  const at = hasAccess ? column + word.length + space.length : column;
  const fault =
    filter === ''
      ? 'is missing'
      : (filterFault(filter) ?? (isPattern ? placeholderFault(filter, 'names') : undefined));
  if (fault !== undefined) throw accessFileFault(path, line.number, at, `the topic ${fault}.`);
  return rulesOf(access, isPattern ? compileFilter(filter, 'names') : filter, isPattern);
}

function rulesOf(access: FileAccess, filter: string, isLater: boolean): Rule[] {
  const rule = (effect: Rule['effect'], action: Rule['action']): Rule => ({
    effect,
    action,
    filter,
    isLater,
  });
  if (access === 'deny') return [rule('deny', 'subscribe'), rule('deny', 'publish')];
  const rules: Rule[] = [];
  if (access !== 'write') rules.push(rule('allow', 'subscribe'));
  if (access !== 'read') rules.push(rule('allow', 'publish'));
  return rules;
}
