/** The notifications of a running broker to systemd, on the socket that systemd names. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadAddon } from '../../../core/data-plane/addon.ts';
import { accessFolder } from '../../support/access-files.ts';
import { startCommand } from '../../support/command.ts';
import { until } from '../../support/wait.ts';

/** Node.js has no datagrams of Unix sockets. Prints each as a line of JSON. */
const receiver = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print(json.dumps("bound"), flush=True)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

/** Resolves when the socket is bound, with a function that gives what has been received. */
async function receive(t: TestContext, program: string, socket: string): Promise<() => string> {
  const python = spawn('python3', ['-c', program, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => python.kill());
  let told = '';
  python.stdout.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  await until('the socket is bound', () => told.includes('bound'));
  return () => told;
}

test('systemd is told when the broker is ready, lives, reads its files again and stops', async (t) => {
  const folder = accessFolder(t);
  const socket = join(folder.write('marker', ''), '..', 'notify');
  const told = await receive(t, receiver, socket);
  const users = folder.write('users', '');
  const command = startCommand(t, ['--password-file', users], {
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: '200000',
  });
  await command.ready();
  await until('it is ready and lives', () => /READY=1.*\n(.*\n)*.*WATCHDOG=1/.test(told()));
  command.kill('SIGHUP');
  await until('it has read its files', () =>
    /RELOADING=1\\nMONOTONIC_USEC=\d+.*\n(.*\n)*.*READY=1/.test(told()),
  );
  command.kill('SIGTERM');
  assert.equal((await command.exited()).code, 0);
  await until('it stops', () => told().includes('STOPPING=1'));
});

/** Its queue is full when it says that it is bound, and a moment later it reads. */
const busyReceiver = `
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.setblocking(False)
try:
  while True: sender.sendto(b"x", sys.argv[1])
except BlockingIOError: pass
print(json.dumps("bound"), flush=True)
time.sleep(0.3)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

test('a service manager that is busy for a moment gets what it is told', async (t) => {
  const socket = join(accessFolder(t).write('marker', ''), '..', 'notify');
  const told = await receive(t, busyReceiver, socket);
  assert.equal(loadAddon().notifyService(socket, 'READY=1'), true);
  await until('it is told', () => told().includes('READY=1'));
});
