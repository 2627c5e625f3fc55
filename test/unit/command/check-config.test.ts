/** `rallymq check-config`: what a start would refuse, and what is weak. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkConfig } from '../../../core/command/check-config.ts';
import { accessFolder, quickHash } from '../../support/access-files.ts';

const run = (...args: string[]): Promise<string> => checkConfig(args, {}, Date.now());

test('what is in order is said to be, without a word more', async (t) => {
  assert.equal(await run(), 'The configuration is valid.\n');
  const folder = accessFolder(t);
  const users = folder.write('users', `lee:${quickHash('x')}\n`);
  chmodSync(users, 0o600);
  const rules = folder.write('rules', { roles: { all: { allow: { subscribe: 'a/#' } } }, everyone: 'all' });
  const config = folder.write('rallymq.json', { passwordFile: users, rulesFile: rules });
  assert.equal(await run('--config', config), `${config} is valid.\n`);
});

test('what a start would refuse is refused, with the same sentence', async (t) => {
  const folder = accessFolder(t);
  await assert.rejects(run('--password-file', '/nowhere'), { code: 'ACCESS_FILE_UNREADABLE' });
  await assert.rejects(run('--password-file', folder.write('users', 'lee')), { code: 'ACCESS_FILE_INVALID' });
  await assert.rejects(run('--ban-file', folder.write('bans', 'lee')), { code: 'ACCESS_FILE_INVALID' });
  await assert.rejects(run('--tls-cert', '/nowhere', '--tls-key', '/nowhere'), {
    code: 'CERTIFICATE_INVALID',
  });
  await assert.rejects(run('--host', '0.0.0.0'), { code: 'OPEN_WITHOUT_AUTHENTICATION' });
  await assert.rejects(run('--host', 'no-such-host.invalid', '--allow-anonymous'), {
    code: 'ADDRESS_NOT_AVAILABLE',
  });
  const listeners = [{ port: 1, host: 'no-such-host.invalid', anonymous: true }];
  await assert.rejects(run('--config', folder.write('config', { listeners })), {
    code: 'ADDRESS_NOT_AVAILABLE',
  });
  for (const data of [folder.write('file', ''), join(folder.write('file', ''), 'below')])
    await assert.rejects(run('--data', data), { code: 'STORE_NOT_USABLE', message: /cannot be used/ });
  await assert.rejects(run('--prot', '1'), { code: 'FLAG_UNKNOWN' });
});

test('a password file without users, and a file without API keys, are weak', async (t) => {
  const folder = accessFolder(t);
  const users = folder.write('users', '# none yet\n');
  const keys = folder.write('keys', '');
  for (const path of [users, keys]) chmodSync(path, 0o600);
  const shown = await run('--password-file', users, '--api-keys', keys);
  assert.match(
    shown,
    /weak: the password file .*users has no users: add them with rallymq passwd .*users USER\./,
  );
  assert.match(shown, /weak: the file .*keys has no API keys: create one with rallymq api-key add\./);
});

test('what is weak is named with what to do', async (t) => {
  const folder = accessFolder(t);
  const sha512 = `$6$MDEyMzQ1Njc4OWFi$${Buffer.alloc(64).toString('base64')}`;
  const users = folder.write('users', `lee:${sha512}\n`);
  chmodSync(users, 0o644);
  const rules = folder.write('rules', {
    roles: { all: { allow: { subscribe: '#', publish: '#' } } },
    everyone: 'all',
  });
  const flags = ['--host', '0.0.0.0', '--allow-anonymous', '--password-file', users];
  const open = await run(...flags, '--allowed-origins', '*,null', '--trusted-proxies', '0.0.0.0/0');
  for (const weak of [
    /everyone who can reach 0\.0\.0\.0/,
    /pages of every origin/,
    /opened as files/,
    /trustedProxies has 0\.0\.0\.0\/0/,
    /there are no rules/,
    /unencrypted on the plain ports/,
    /1 user has a password hashed with SHA-512/,
    /can read .*users/,
  ])
    assert.match(open, weak);
  assert.match(open, /is valid, with 8 weak settings\.\n$/);
  const listeners = [
    { port: 1, host: '192.0.2.1', anonymous: true },
    { port: 2, host: '192.0.2.2' },
    { socket: '/run/mqtt', anonymous: true },
  ];
  const config = folder.write('config', { passwordFile: users, listeners });
  const sentences = (await run('--config', config)).split('\n');
  for (const weak of [
    'everyone who can reach 192.0.2.1 may connect',
    'passwords, tokens and messages are sent unencrypted on the plain ports of 192.0.2.1',
    'passwords, tokens and messages are sent unencrypted on the plain ports of 192.0.2.2',
  ])
    assert.equal(sentences.filter((each) => each.startsWith(`weak: ${weak}`)).length, 1, weak);
  assert.equal(sentences.filter((each) => each.includes('who can reach')).length, 1);
  const keys = folder.write('keys', 'lee:read:user\nkim:read:user\n');
  const named = await run('--password-file', users, '--rules', rules, '--api-keys', keys);
  assert.match(named, /scopes to the user 'kim', who/);
  assert.doesNotMatch(named, /user 'lee'/);
  const ruled = await run('--password-file', users, '--rules', rules, '--auth-url', 'http://auth.example/x');
  assert.match(ruled, /everybody publish to '#'/);
  assert.match(ruled, /everybody subscribe to '#'/);
  assert.match(ruled, /http:\/\/auth\.example gets passwords unencrypted/);
});
