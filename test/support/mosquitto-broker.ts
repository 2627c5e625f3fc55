/** Debian's mosquitto as a broker on a free port of loopback, over TCP: its WebSocket is not everywhere to be had. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { until } from './wait.ts';

/** Returns its URL. It ends with the test. */
export async function startMosquitto(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-mosquitto-'));
  const port = await freePort();
  const configuration = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'max_queued_messages 0',
    'user root',
  ];
  await writeFile(join(folder, 'mosquitto.conf'), `${configuration.join('\n')}\n`);
  const mosquitto = spawn('/usr/sbin/mosquitto', ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' });
  test.after(async () => {
    mosquitto.kill();
    await rm(folder, { recursive: true });
  });
  let isListening = false;
  const probe = (): void => {
    const socket = connect(port, '127.0.0.1', () => {
      isListening = true;
      socket.destroy();
    });
    socket.on('error', () => setTimeout(probe, 20));
  };
  probe();
  await until('mosquitto listens', () => isListening);
  return `tcp://127.0.0.1:${port}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
