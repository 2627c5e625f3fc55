/** Accidents of an operator that must not end the broker. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SignJWT } from 'jose';
import { accessFolder } from '../../support/access-files.ts';
import { startCommand, unusedPort } from '../../support/command.ts';
import { openClient, openConnected, RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const cli = resolve(import.meta.dirname, '../../../../dist/core/cli.js');
const start = resolve(import.meta.dirname, '../../../../dist/core/rallymq.js');

async function isHealthy(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/healthz`)).ok;
  } catch {
    return false;
  }
}

async function healthy(port: number): Promise<void> {
  let answers = false;
  await until('an answer to /healthz', () => {
    void isHealthy(port).then((isOk) => (answers ||= isOk));
    return answers;
  });
}

/** What makes the broker write a line of log. */
async function beRefused(tcpPort: number): Promise<void> {
  const client = await RawClient.overTcp(tcpPort);
  client.send(Uint8Array.of(0x10, 2, 0, 0));
  await client.closed();
}

function killAtEnd(t: TestContext, child: ChildProcess): void {
  t.after(() => child.kill('SIGKILL'));
}

test('SIGHUP without anything to reload ends nothing', async (t) => {
  const command = startCommand(t);
  const ports = await command.ready();
  const client = await openClient(t, 'tcp', ports);
  command.kill('SIGHUP');
  await until('the line in the log', () => command.stderr.includes('"audit":"reloaded"'));
  client.send(Uint8Array.of(0xc0, 0));
  assert.equal(await client.nextHex(), 'd000');
  command.kill('SIGTERM');
  assert.equal((await command.exited()).code, 0);
});

test('a disk that is full and takes no log ends nothing', async (t) => {
  const [port, tcpPort] = [await unusedPort(), await unusedPort()];
  const full = openSync('/dev/full', 'w');
  const args = [cli, '--data', 'none', '--port', `${port}`, '--tcp-port', `${tcpPort}`];
  killAtEnd(t, spawn(process.execPath, args, { stdio: ['ignore', full, full] }));
  await healthy(port);
  await beRefused(tcpPort);
  await healthy(port);
});

test('standard output and standard error that nobody reads end nothing', async (t) => {
  const [port, tcpPort] = [await unusedPort(), await unusedPort()];
  const args = [cli, '--data', 'none', '--port', `${port}`, '--tcp-port', `${tcpPort}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  killAtEnd(t, child);
  child.stdout.destroy();
  child.stderr.destroy();
  await healthy(port);
  await beRefused(tcpPort);
  await healthy(port);
});

// The broker has a terminal of its own, which closes when it runs.
const inTerminal = `
import fcntl, os, sys, termios
child, terminal = os.forkpty()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
print(child, flush=True)
sys.stdin.read(1)
print(os.read(terminal, 65536).decode(), flush=True)
os.close(terminal)
sys.stdin.read()
`;

test('on a terminal the log is text, and its end ends nothing', async (t) => {
  const [port, tcpPort] = [await unusedPort(), await unusedPort()];
  const args = [process.execPath, cli, '--data', 'none', '--port', `${port}`, '--tcp-port', `${tcpPort}`];
  const holder = spawn('python3', ['-c', inTerminal, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let printed = '';
  holder.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  await until('the process', () => printed.includes('\n'));
  const pid = Number(printed);
  t.after(() => {
    process.kill(pid, 'SIGKILL');
    holder.kill('SIGKILL');
  });
  await healthy(port);
  holder.stdin.write('x');
  await until('the log', () => /^\S+Z info {2}ready /m.test(printed));
  for (let round = 0; round < 3; round++) await beRefused(tcpPort);
  await healthy(port);
});

/** What a shell gives the command, which is its first argument, and what it says. */
function inShell(line: string, ...args: readonly string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync('sh', ['-c', line, process.execPath, cli, ...args], {
    encoding: 'utf8',
  });
  return { status, stderr };
}

test('a command whose output nobody reads any more ends without a word, one that cannot write it says so', () => {
  assert.equal(inShell('"$0" "$@" | true', '--help').stderr, '');
  assert.deepEqual(inShell('"$0" "$@" > /dev/full', '--help'), {
    status: 1,
    stderr: 'rallymq: Standard output cannot be written: no space left on device.\n',
  });
});

test('too few open files are named: a sentence where not even the program fits, a line where few clients do', async (t) => {
  const run = (files: number): string[] => [
    '-c',
    `ulimit -n ${files} && exec "$0" "$@"`,
    process.execPath,
    start,
  ];
  const none = spawnSync('sh', [...run(30), '--port', '0', '--no-tcp', '--data', 'none', '--workers', '1'], {
    encoding: 'utf8',
  });
  assert.equal(none.status, 1);
  assert.match(none.stderr, /^rallymq: The limit of open files is 30, too low to start: raise it .*\n$/);
  const many = spawnSync(
    'sh',
    [...run(200), '--port', '0', '--no-tcp', '--data', 'none', '--workers', '64'],
    {
      encoding: 'utf8',
    },
  );
  assert.equal(many.status, 1);
  assert.match(many.stderr, /^rallymq: The limit of open files is 200, but the broker needs 676 /);
  const few = spawn('sh', [...run(150), '--port', '0', '--no-tcp', '--data', 'none', '--workers', '1']);
  killAtEnd(t, few);
  let log = '';
  few.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  await until('the line', () => log.includes('only about 104 clients can connect at once'));
});

test('a refused client is in the log with address, client identifier and reason', async (t) => {
  const secret = accessFolder(t).write('secret', 'x'.repeat(32));
  const command = startCommand(t, ['--token-secret-file', secret]);
  const ports = await command.ready();
  const { tcpPort } = ports;
  const client = await RawClient.overTcp(tcpPort);
  client.send(Buffer.from('100c00044d515454090200000000', 'hex')); // a CONNECT of version 9
  await client.closed();
  await until('the line', () => command.stderr.includes('connectionRefused'));
  const line = command.stderr.split('\n').find((each) => each.includes('connectionRefused')) ?? '';
  const { remoteAddress, transport, reason } = JSON.parse(line);
  assert.deepEqual(
    { remoteAddress, transport, reason },
    {
      remoteAddress: '127.0.0.1',
      transport: 'tcp',
      reason: 'unsupportedProtocolVersion',
    },
  );
  const expired = await new SignJWT({ sub: 'lee', exp: 1 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.alloc(32, 'x'));
  const { connack } = await openConnected(t, 'tcp', ports, { password: Buffer.from(expired) });
  assert.equal(connack.reasonCode, 0x87);
  const why = '"why":"the token expired at 1970-01-01T00:00:01.000Z"';
  await until('the line about the token', () => command.stderr.includes(why));
});
