/**
 * Every block of code of the documents is what it says: programs are programs and import what there is, options and
 * flags exist, configurations and rules are accepted, and commands name scripts and subcommands that there are.
 * `npm run test:first-hour` plays the commands of the first steps, test/e2e/browser/docs.test.ts those for a page.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { transformSync } from 'esbuild';
import { usage as benchUsage } from '../../../bench/command-line.ts';
import { apiKeyUsage } from '../../../core/command/api-key.ts';
import { banUsage } from '../../../core/command/ban.ts';
import { checkConfigUsage } from '../../../core/command/check-config.ts';
import { passwdUsage } from '../../../core/command/passwd.ts';
import { pubUsage } from '../../../core/command/pub.ts';
import { subUsage } from '../../../core/command/sub.ts';
import { tokenUsage } from '../../../core/command/token.ts';
import { parseAnnotatedJson } from '../../../core/config/annotated-json.ts';
import type { BrokerOptions } from '../../../core/config/options.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { usage } from '../../../core/config/usage.ts';
import { parseRuleFile } from '../../../core/security/rule-file.ts';
import { storeUsage } from '../../../core/storage/store-command.ts';

const root = resolve(import.meta.dirname, '../../../..');
const documents = [
  'README.md',
  'client/README.md',
  'deploy/README.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const brokerOptions = readFileSync(join(root, 'core/config/options.ts'), 'utf8');
const usages = [
  usage(),
  ...[apiKeyUsage, banUsage, checkConfigUsage, passwdUsage, pubUsage, subUsage, tokenUsage, storeUsage],
].join('\n');

interface Block {
  readonly language: string;
  readonly code: string;
}

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(root, document), 'utf8');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, language = '', code = '']) => ({
    language,
    code,
  }));
}

/** Commands, in blocks and on indented lines; what a `\` goes on with is one. */
function commandsOf(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8').replaceAll(/ *\\\n\s*/g, ' ');
  const indented = text.replaceAll(/^```[\s\S]*?^```/gm, '').match(/^ {4}\S.*$/gm) ?? [];
  const inBlocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, code = '']) =>
    code.split('\n'),
  );
  return [...indented, ...inBlocks].flatMap((line) =>
    line
      .trim()
      .replace(/^\$ /, '')
      .replace(/\s#\s.*$/, '')
      .split(/ && | \| /),
  );
}

const json = (code: string): unknown =>
  JSON.parse(JSON.stringify(parseAnnotatedJson(/^"/.test(code) ? `{${code}}` : code)));

/** By language: throws if the block is not what it says. */
const checks: Readonly<Record<string, (code: string) => void | Promise<void>>> = {
  js: checkScript,
  mjs: checkScript,
  vue: checkScript,
  svelte: checkScript,
  jsx: (code) => void transformSync(code, { loader: 'jsx', format: 'esm' }),
  html: async (code) => {
    for (const [, script = ''] of code.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g))
      await checkScript(script);
  },
  json: checkJson,
  sh: () => {}, // its commands are looked at below
  python: (code) =>
    void execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: code }),
  // There is no compiler of these here; brackets and quotes are the usual slips.
  php: checkBrackets,
  go: checkBrackets,
  java: checkBrackets,
  // test/e2e/clients/proxies.test.ts plays them; Debian has no Caddy.
  nginx: checkBrackets,
  haproxy: checkBrackets,
  caddyfile: checkBrackets,
  text: () => {}, // what is printed, as without a name
  '': () => {},
};

async function checkScript(code: string): Promise<void> {
  if (/^\{\s*"/.test(code)) return checkJson(code);
  transformSync(code, { loader: 'js', format: 'esm' });
  for (const [, names = '', from = ''] of code.matchAll(/import \{([^}]*)\} from '([^']+)'/g)) {
    const path = moduleOf(from);
    if (path === undefined) continue;
    const exported = Object.keys((await import(join(root, 'dist', path))) as object);
    for (const name of names.split(',').map((each) => each.trim()))
      assert.ok(exported.includes(name), `${from} has no ${name}`);
  }
  for (const [, options = ''] of code.matchAll(/createBroker\(\{\n([\s\S]*?)^\}\)/gm))
    for (const [, name = ''] of options.matchAll(/^ {2}(\w+)[:,(]/gm))
      assert.match(brokerOptions, new RegExp(`^ {2}readonly ${name}\\??:`, 'm'), `no option ${name}`);
}

/** Of the modules of this project; undefined for those of others. */
function moduleOf(from: string): string | undefined {
  if (from === 'rallymq') return 'core/broker.js';
  if (from === 'rallymq-client' || from.endsWith('/rally.js')) return 'client/rally.js';
  return /^rallymq-client\/(.*)$/.exec(from)?.[1]?.replace(/^(.*)$/, 'client/$1.js');
}

function checkJson(code: string): void {
  // More than one value: each for itself.
  for (const value of code.trim().split(/\n\n(?=\{)/)) {
    const parsed = json(value.trim());
    assert.ok(parsed !== undefined);
    if (value.includes('"roles"')) parseRuleFile(value, 'rules.json');
    else if (/"(port|tlsPort|limits|tlsCertificates|listeners)":/.test(value))
      resolveConfig({ ...givenFor(value), ...optionsOf(value) });
  }
}

/** What listeners take for granted. */
function givenFor(text: string): BrokerOptions {
  return text.includes('"listeners"')
    ? { tlsCert: 'cert.pem', tlsKey: 'key.pem', passwordFile: 'users' }
    : {};
}

/** Comments may stand in a configuration. */
function optionsOf(text: string): BrokerOptions {
  return JSON.parse(text.replaceAll(/^(.*?)\s*\/\/ .*$/gm, '$1')) as BrokerOptions;
}

function checkBrackets(code: string): void {
  const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
  const open: string[] = [];
  for (const each of code.replaceAll(/"[^"\n]*"|'[^'\n]*'|\/\/ .*$|#.*$/gm, '')) {
    const other = closing[each];
    if (other !== undefined) open.push(other);
    else if (')]}'.includes(each)) assert.equal(open.pop(), each);
  }
  assert.deepEqual(open, []);
}

/** What is wrong with a command of ours; undefined for others. */
function faultOf(command: string): string | undefined {
  const [, script, rest = ''] = /^(?:\w+=\S+ )*npm run (?:--silent )?([\w:-]+)(.*)$/.exec(command) ?? [];
  if (script !== undefined) {
    if (scripts[script] === undefined) return `there is no script ${script}`;
    return script === 'bench' ? unknownFlag(rest, benchUsage) : undefined;
  }
  const [, words] =
    /^(?:\w+=\S+ )*(?:npx |node |npm start (?:--silent )?-- )?(?:rallymq )?(.*)$/.exec(command) ?? [];
  const isOurs = /^(?:\w+=\S+ )*(?:npx rallymq|rallymq|npm start)(?= |$)/.test(command);
  if (!isOurs || words === undefined) return undefined;
  const [subcommand = ''] = /^[a-z]+(-[a-z]+)*/.exec(words.replace(/^npm start.*/, '')) ?? [];
  if (subcommand !== '' && !usages.includes(`rallymq ${subcommand}`))
    return `there is no subcommand ${subcommand}`;
  return unknownFlag(words, usages);
}

/** A value in quotes may be the command of another program. */
function unknownFlag(words: string, text: string): string | undefined {
  const flags = words.replaceAll(/'[^']*'|"[^"]*"/g, '').match(/(?<=\s|^)--[a-z][\w-]*/g) ?? [];
  const unknown = flags.find((flag) => !new RegExp(`${flag}(?![\\w-])`).test(text) && flag !== '--silent');
  return unknown && `there is no flag ${unknown}`;
}

for (const document of documents) {
  test(`the blocks of ${document} are what they say`, async () => {
    for (const { language, code } of blocksOf(document)) {
      const check = checks[language] ?? assert.fail(`a block of "${language}"`);
      try {
        await check(code);
      } catch (error) {
        assert.fail(`${document}, a block of ${language}:\n${code}\n${error}`);
      }
    }
  });

  test(`the commands of ${document} name what there is`, () => {
    const faults = commandsOf(document).flatMap((command) => {
      const fault = faultOf(command);
      return fault === undefined ? [] : [`${command}: ${fault}`];
    });
    assert.deepEqual(faults, []);
  });
}

test('a command with a mistake is found', () => {
  const wrong = [
    'npm run bnech',
    'npm run bench -- --rouns 3',
    'rallymq --prot 1',
    'rallymq pasword users lee',
    'npm start -- --tls-crt x',
  ];
  for (const command of wrong) assert.notEqual(faultOf(command), undefined, command);
  for (const command of [
    'rallymq ban bans username lee --delete',
    'npm start',
    'PORT=1 npm start -- --port 1',
  ])
    assert.equal(faultOf(command), undefined, command);
});
