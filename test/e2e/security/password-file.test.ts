/** Users of a password file: `rallymq passwd`, files of mosquitto_passwd, and the answers to each kind of client. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { verifyPassword } from '../../../core/security/password-hash.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { startBroker } from '../../support/broker.ts';
import { startCommand } from '../../support/command.ts';
import { publishFrame } from '../../support/frames.ts';
import { openClient, openConnected, type Ports } from '../../support/raw-client.ts';
import { until, within } from '../../support/wait.ts';

const cli = resolve(import.meta.dirname, '../../../core/cli.js');

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

async function passwd(args: readonly string[], input: string | Buffer = '', hasEnd = true): Promise<Outcome> {
  const child = spawn(process.execPath, [cli, 'passwd', ...args], { stdio: 'pipe' });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  child.stdin.on('error', () => {}); // it may not want any
  child.stdin.write(input);
  if (hasEnd) child.stdin.end();
  const [code] = await within('the end of rallymq passwd', once(child, 'close'));
  return { code, output, errors };
}

async function reasonOf(
  t: Parameters<typeof openConnected>[0],
  ports: Ports,
  username?: string,
  password?: string,
): Promise<number> {
  const { connack } = await openConnected(t, 'tcp', ports, {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  });
  return connack.reasonCode;
}

test('rallymq passwd adds, changes and takes out, and leaves the rest of the file alone', async (t) => {
  const folder = accessFolder(t);
  const path = folder.write('users', `# our users\n${passwordLines({ old: 'o' })}`);
  const fresh = `${path}.new`;
  assert.deepEqual(await passwd([path, 'lee', '--batch'], 'sécret\n'), {
    code: 0,
    output: 'lee was added.\n',
    errors: '',
  });
  assert.match(
    readFileSync(path, 'utf8'),
    /^# our users\nold:\$7\$.*\nlee:\$argon2id\$v=19\$m=47104,t=1,p=1\$.*\n$/,
  );
  const running = await startBroker(t, { passwordFile: path });
  assert.equal(await reasonOf(t, running, 'lee', 'sécret'), 0);
  assert.equal(await reasonOf(t, running, 'old', 'o'), 0);
  assert.equal((await passwd([path, 'lee', '--batch'], 'other')).output, 'lee has a new password.\n');
  assert.equal((await passwd([path, 'old', '--delete'])).output, 'old was removed.\n');
  await running.broker.reload();
  assert.equal(await reasonOf(t, running, 'lee', 'other'), 0);
  assert.equal(await reasonOf(t, running, 'lee', 'sécret'), 0x86);
  assert.equal(await reasonOf(t, running, 'old', 'o'), 0x86);
  assert.equal((await passwd([fresh, 'lee', '--batch'], 'x\n')).code, 0);
  assert.equal(statSync(fresh).mode & 0o777, 0o600);
});

test('a password from a pipe is the bytes of its first line, whatever they are', async (t) => {
  const path = accessFolder(t).write('users', '');
  for (const [line, password] of [
    ['caf\xe9 \xff\x80\r\nmore\n', 'caf\xe9 \xff\x80'], // not UTF-8
    ['a\rb\xe2\x80\xa8c', 'a\rb\xe2\x80\xa8c'], // not the ends of lines that readline knows
  ] as const) {
    assert.equal((await passwd([path, 'lee', '--batch'], Buffer.from(line, 'latin1'))).code, 0);
    const hash = readFileSync(path, 'utf8').trim().slice('lee:'.length);
    assert.equal(verifyPassword(hash, Buffer.from(password, 'latin1')), true);
  }
  const endless = await passwd([path, 'lee', '--batch'], Buffer.alloc(100_000, 'a'), false);
  assert.match(endless.errors, /A password must have 1 to 65535 bytes/);
});

test('rallymq passwd refuses what it cannot do, and changes nothing then', async (t) => {
  const folder = accessFolder(t);
  const path = folder.write('users', passwordLines({ lee: 'l' }));
  const before = readFileSync(path, 'utf8');
  const expected: [string[], string, RegExp][] = [
    [[path], '', /Give a file and a user name/],
    [[path, 'a', 'b'], '', /Give a file and a user name/],
    [[path, 'a:b', '--batch'], 'x', /may not contain ':'/],
    [[path, ' a', '--batch'], 'x', /may not contain ':'/],
    [[path, 'a', '--bath'], '', /--bath is not a flag/],
    [[path, 'a', '--delete'], '', /has no user 'a'/],
    [['/nowhere/users', 'a', '--delete'], '', /no such file/],
    [[path, 'a', '--batch'], '', /A password must have 1 to 65535 bytes/],
    [[path, 'a'], 'x', /no terminal to ask/],
    [['/nowhere/users', 'a', '--batch'], 'x', /cannot be written/],
    [[folder.write('broken', 'x'), 'a', '--batch'], 'x', /line 1, column 1/],
  ];
  for (const [args, input, message] of expected) {
    const { code, output, errors } = await passwd(args, input);
    assert.equal(code, 2, args.join(' '));
    assert.equal(output, '');
    assert.match(errors, message);
  }
  assert.equal(readFileSync(path, 'utf8'), before);
});

test('at a terminal the password is asked for twice, and never shown', async (t) => {
  const folder = accessFolder(t);
  const path = folder.write('users', '');
  const program = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
for answer in (b'hidden1x\\x7f\\r', b'hidden1\\r'):
    while not seen.rstrip().endswith(b':'): seen += os.read(fd, 1000)
    seen += b'|'
    os.write(fd, answer)
try:
    while True: seen += os.read(fd, 1000)
except OSError: pass
os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)`;
  const shown = execFileSync('python3', ['-c', program, process.execPath, cli, 'passwd', path, 'lee'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.match(shown, /Password of lee: /);
  assert.match(shown, /lee was added/);
  assert.ok(!shown.includes('hidden'), shown);
  const running = await startBroker(t, { passwordFile: path });
  assert.equal(await reasonOf(t, running, 'lee', 'hidden1'), 0);
});

test('files that mosquitto_passwd has written are taken as they are', async (t) => {
  const folder = accessFolder(t);
  const path = folder.write('users', '');
  execFileSync('mosquitto_passwd', ['-b', path, 'lee', 'sécret']);
  execFileSync('mosquitto_passwd', ['-H', 'sha512', '-b', path, 'kim', 'other']);
  assert.match(readFileSync(path, 'utf8'), /lee:\$7\$[\s\S]*kim:\$6\$/);
  const running = await startBroker(t, { passwordFile: path });
  assert.equal(await reasonOf(t, running, 'lee', 'sécret'), 0);
  assert.equal(await reasonOf(t, running, 'kim', 'other'), 0);
  assert.equal(await reasonOf(t, running, 'kim', 'sécret'), 0x86);
});

test('clients are told why they are refused as their version has it', async (t) => {
  const folder = accessFolder(t);
  const running = await startBroker(t, { passwordFile: folder.write('users', passwordLines({ lee: 'l' })) });
  assert.equal(await reasonOf(t, running, 'lee', 'l'), 0);
  assert.equal(await reasonOf(t, running, 'lee', 'x'), 0x86);
  assert.equal(await reasonOf(t, running, 'lee'), 0x86);
  assert.equal(await reasonOf(t, running, 'nobody', 'l'), 0x86);
  assert.equal(await reasonOf(t, running), 0x87);
  const older = await openConnected(t, 'ws', running, {
    protocolVersion: 4,
    username: 'lee',
    password: Buffer.from('x'),
  });
  assert.equal(older.connack.reasonCode, 0x86); // on the wire: 4
});

test('allowAnonymous lets in who has no user name, and nobody with a wrong password', async (t) => {
  const folder = accessFolder(t);
  const passwordFile = folder.write('users', passwordLines({ lee: 'l' }));
  const running = await startBroker(t, { passwordFile, allowAnonymous: true });
  assert.equal(await reasonOf(t, running), 0);
  assert.equal(await reasonOf(t, running, 'lee', 'x'), 0x86);
  assert.equal(await reasonOf(t, running, 'nobody', 'x'), 0x86);
});

test('authenticate() is asked about users that the file does not have, and no others', async (t) => {
  const folder = accessFolder(t);
  const asked: (string | undefined)[] = [];
  const running = await startBroker(t, {
    passwordFile: folder.write('users', passwordLines({ lee: 'l' })),
    authenticate: ({ username }) => {
      asked.push(username);
      return username === 'kim';
    },
  });
  assert.equal(await reasonOf(t, running, 'lee', 'l'), 0);
  assert.equal(await reasonOf(t, running, 'lee', 'x'), 0x86);
  assert.equal(await reasonOf(t, running, 'kim', 'x'), 0);
  assert.equal(await reasonOf(t, running, 'nobody', 'x'), 0x86);
  assert.equal(await reasonOf(t, running), 0x86);
  assert.deepEqual(asked, ['kim', 'nobody', undefined]);
});

test('events name the user as it was verified', async (t) => {
  const folder = accessFolder(t);
  const running = await startBroker(t, {
    passwordFile: folder.write('users', passwordLines({ lee: 'l' })),
    allowAnonymous: true,
  });
  const seen: (string | undefined)[] = [];
  running.broker.on('clientConnected', ({ username }) => seen.push(username));
  await reasonOf(t, running, 'lee', 'l');
  await reasonOf(t, running);
  assert.deepEqual(seen, ['lee', undefined]);
});

test('a storm of logins waits in a line of its own: who is connected goes on, who is too many comes again', async (t) => {
  const folder = accessFolder(t);
  const path = folder.write('users', '');
  assert.equal((await passwd([path, 'lee', '--batch'], 'secret')).code, 0);
  // The threads that verify have what time all others leave: a machine that is busy leaves little.
  const limits = { passwordChecksPendingMax: 3, connectTimeoutMs: 120_000 };
  const running = await startBroker(t, { passwordFile: path, limits });
  const inside = await openClient(t, 'tcp', running, { username: 'lee', password: Buffer.from('secret') });
  const outcomes = Promise.all(Array.from({ length: 20 }, () => reasonOf(t, running, 'lee', 'wrong')));
  for (let i = 0; i < 20; i++) {
    inside.send(publishFrame('a', 'x', { qos: 1, packetId: 1 }));
    await inside.nextPacket();
  }
  const codes = await outcomes;
  assert.ok(codes.filter((code) => code === 0x86).length >= 3);
  assert.ok(codes.some((code) => code === 0x89));
  assert.ok(codes.every((code) => code === 0x86 || code === 0x89));
});

test('a password whose check takes too long is told 0x89, as no wrong one is, and the log says why', async (t) => {
  const folder = accessFolder(t);
  const digest = Buffer.alloc(64).toString('base64');
  const passwordFile = folder.write('users', `lee:$7$10000000$MDEyMzQ1Njc4OWFi$${digest}\n`); // takes some seconds
  const config = folder.write('rallymq.json', { passwordFile, limits: { connectTimeoutMs: 1_500 } });
  const command = startCommand(t, ['--config', config]);
  assert.equal(await reasonOf(t, await command.ready(), 'lee', 'x'), 0x89);
  await until('both lines', () => command.stderr.includes('"audit":"loginRefused"'));
  assert.match(command.stderr, /took longer than connectTimeoutMs \(1500 ms\)/);
  assert.match(command.stderr, /"audit":"loginRefused".*"reason":"serverBusy"/);
});
