/** API keys: their file, the command that writes it, and the tickets that dashboards get for them. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { apiKeyCommand } from '../../../core/command/api-key.ts';
import type { ApiCaller } from '../../../core/security/api-caller.ts';
import { ApiKeys, hashOfApiKey, newApiKey } from '../../../core/security/api-keys.ts';
import { DashboardTickets } from '../../../core/security/dashboard-tickets.ts';
import { altered } from '../../support/altered.ts';

const folder = mkdtempSync(join(tmpdir(), 'rallymq-keys-'));
after(() => rmSync(folder, { recursive: true }));

test('a key is found by what its holder sends, and by nothing else', () => {
  const key = newApiKey();
  const keys = ApiKeys.parse(`# of the shop\nshop:read, publish:${hashOfApiKey(key)}\n`, 'keys');
  assert.deepEqual(keys.find(key), { name: 'shop', scopes: new Set(['read', 'publish']) });
  for (const other of [newApiKey(), hashOfApiKey(key), '', 'rmq_', `${key} `])
    assert.equal(keys.find(other), undefined);
});

test('a user has the scopes of its line, and a line is no key', () => {
  const keys = ApiKeys.parse('ada:read,config:user\n', 'keys');
  assert.deepEqual([...keys.scopesOfUser('ada')], ['read', 'config']);
  assert.equal(keys.scopesOfUser('kim').size, 0);
  for (const text of ['user', 'ada', 'rmq_user']) assert.equal(keys.find(text), undefined);
});

test('a file with a mistake says where, and shows no hash', () => {
  const hash = hashOfApiKey('rmq_x');
  const faults: [string, RegExp][] = [
    ['shop', /line 1.*a name, ':', scopes/],
    [`shop:read:${hash}:x`, /line 1/],
    [`shop:read:${hash.slice(1)}`, /line 1/],
    [`:read:${hash}`, /line 1/],
    [`shop:write:${hash}`, /'write' is not a scope/],
    [`shop::${hash}`, /'' is not a scope/],
    [`a:read:${hash}\n\na:read:${hash}`, /line 3.*second time/],
    [`a:read:${hash}\na:read:user`, /line 2.*second time/],
    ['a:read:users', /line 1.*'user'/],
  ];
  for (const [text, message] of faults) {
    assert.throws(
      () => ApiKeys.parse(text, 'keys'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ACCESS_FILE_INVALID');
        assert.match(error.message, message);
        assert.ok(!error.message.includes(hash));
        return true;
      },
    );
  }
});

test('rallymq api-key adds, lists and removes', () => {
  const path = join(folder, 'keys');
  const key = apiKeyCommand(['add', path, 'shop', '--scopes', 'publish,read']).trim();
  assert.match(key, /^rmq_[\w-]{43}$/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const text = readFileSync(path, 'utf8');
  assert.ok(!text.includes(key.slice(4)));
  assert.deepEqual([...(ApiKeys.parse(text, path).find(key)?.scopes ?? [])], ['publish', 'read']);
  writeFileSync(path, `# mine\n${text}`);
  const admin = apiKeyCommand(['add', path, 'admin', '--scopes', 'all']).trim();
  assert.equal(
    apiKeyCommand(['list', path]),
    'shop  publish,read\nadmin  read,publish,subscribe,clients,config\n',
  );
  const added = apiKeyCommand(['add', path, 'ada', '--user', '--scopes', 'read,config']);
  assert.equal(added, 'The user ada now has read, config.\n');
  assert.match(apiKeyCommand(['list', path]), /^ada {2}read,config {2}user$/m);
  assert.equal(apiKeyCommand(['remove', path, 'ada']), 'ada was removed.\n');
  assert.equal(apiKeyCommand(['remove', path, 'shop']), 'shop was removed.\n');
  const rest = readFileSync(path, 'utf8');
  assert.match(rest, /^# mine\nadmin:/);
  assert.equal(ApiKeys.parse(rest, path).find(key), undefined);
  assert.equal(ApiKeys.parse(rest, path).find(admin)?.name, 'admin');
});

test('a file that root changes stays that of its owner, with its rights, and a link to it stays a link', {
  skip: process.getuid?.() !== 0 && 'only root may change the files of others',
}, () => {
  const [path, link] = [join(folder, 'owned'), join(folder, 'link')];
  apiKeyCommand(['add', path, 'shop', '--scopes', 'read']);
  chownSync(path, 65_534, 65_533);
  chmodSync(path, 0o640);
  symlinkSync(path, link);
  apiKeyCommand(['add', link, 'admin', '--scopes', 'all']);
  const { uid, gid, mode } = statSync(path);
  assert.deepEqual([uid, gid, mode & 0o777], [65_534, 65_533, 0o640]);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.match(readFileSync(path, 'utf8'), /^shop:.*\nadmin:/);
});

test('wrong use of rallymq api-key changes nothing', () => {
  const path = join(folder, 'wrong');
  const faults: [string[], string, RegExp][] = [
    [[], 'FLAG_VALUE_INVALID', /add FILE NAME/],
    [['make', path, 'a'], 'FLAG_VALUE_INVALID', /add FILE NAME/],
    [['add', path, 'a'], 'FLAG_VALUE_INVALID', /--scopes/],
    [['add', path, '--scopes', 'read'], 'FLAG_VALUE_INVALID', /add FILE NAME/],
    [['add', path, 'a:b', '--scopes', 'read'], 'FLAG_VALUE_INVALID', /no ':'/],
    [['add', path, 'a', '--scopes', 'write'], 'FLAG_VALUE_INVALID', /'write' is not a scope/],
    [
      ['add', path, 'a', '--scope', 'read'],
      'FLAG_UNKNOWN',
      /--scope is not a flag of rallymq api-key: did you mean --scopes\?$/,
    ],
    [['list', path], 'ACCESS_FILE_UNREADABLE', /no such file/],
    [['remove', path, 'a'], 'ACCESS_FILE_UNREADABLE', /no such file/],
    [['list', path, 'a'], 'FLAG_VALUE_INVALID', /list FILE/],
    [['add', path, 'a', '--user'], 'FLAG_VALUE_INVALID', /--scopes/],
    [['list', path, '--user'], 'FLAG_VALUE_INVALID', /are for rallymq api-key add/],
  ];
  for (const [args, code, message] of faults)
    assert.throws(() => apiKeyCommand(args), { code, message }, args.join(' '));
  assert.throws(() => readFileSync(path), /ENOENT/);
  const there = join(folder, 'there');
  apiKeyCommand(['add', there, 'a', '--scopes', 'read']);
  const before = readFileSync(there, 'utf8');
  assert.throws(() => apiKeyCommand(['add', there, 'a', '--scopes', 'read']), /already/);
  assert.throws(() => apiKeyCommand(['remove', there, 'b']), /no line for 'b'/);
  assert.equal(readFileSync(there, 'utf8'), before);
});

test('a ticket of a dashboard is good once, for 30 s, and 1,000 of them are kept', () => {
  let nowMs = 0;
  const tickets = new DashboardTickets(undefined, () => nowMs);
  const caller: ApiCaller = { name: 'ops', scopes: new Set(['read']) };
  const issue = (clientId: string): Buffer => Buffer.from(tickets.issue(caller, clientId));
  const first = issue('first');
  assert.equal(tickets.redeem(undefined), undefined);
  assert.equal(tickets.redeem(Buffer.from('x'.repeat(first.length))), undefined);
  assert.equal(tickets.redeem(Buffer.from(altered(first.toString()))), 'unknown');
  assert.deepEqual(
    [tickets.redeem(first), tickets.redeem(first)].map((each) => typeof each === 'object' && each.clientId),
    ['first', false],
  );
  const late = issue('late');
  nowMs += 30_001;
  assert.equal(tickets.redeem(late), 'unknown');
  const many = Array.from({ length: 1_001 }, (_, index) => issue(`dashboard-${index}`));
  assert.equal(tickets.redeem(many[0]), 'unknown');
  assert.ok(many.slice(1).every((ticket) => typeof tickets.redeem(ticket) === 'object'));
});
