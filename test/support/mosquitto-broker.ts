/** Debian's mosquitto as a broker on a free port of loopback, over TCP: its WebSocket is not available everywhere. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.ts';
import { unusedPort } from './command.ts';
import { until, within } from './wait.ts';

export interface MosquittoBroker {
  readonly tcpPort: number;
  /** Ends it like a crash. */
  kill(): Promise<void>;
}

/** Returns its URL. It ends with the test. */
export async function startMosquitto(test: TestContext): Promise<string> {
  const { tcpPort } = await runMosquitto(test);
  return `tcp://127.0.0.1:${tcpPort}`;
}

/** `configuration`: further lines of its file. Without `tcpPort` it uses any free port. It ends with the test. */
export async function runMosquitto(
  test: TestContext,
  configuration: readonly string[] = [],
  tcpPort?: number,
): Promise<MosquittoBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-mosquitto-'));
  const port = tcpPort ?? (await unusedPort());
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'max_queued_messages 0',
    'user root',
    ...configuration,
  ];
  await writeFile(join(folder, 'mosquitto.conf'), `${lines.join('\n')}\n`);
  const mosquitto = spawn('/usr/sbin/mosquitto', ['-c', join(folder, 'mosquitto.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  mosquitto.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exit = new Promise((resolve) => mosquitto.once('close', resolve));
  const kill = async (): Promise<void> => {
    mosquitto.kill('SIGKILL');
    await within('the end of mosquitto', exit);
  };
  atEnd(test, async () => {
    await kill();
    await rm(folder, { recursive: true });
  });
  let isListening = false;
  const probe = (): void => {
    const socket = connect(port, '127.0.0.1', () => {
      isListening = true;
      socket.destroy();
    });
    socket.on('error', () => mosquitto.exitCode ?? setTimeout(probe, 20));
  };
  probe();
  await until('mosquitto listens', () => isListening || mosquitto.exitCode !== null);
  assert.ok(isListening, said);
  return { tcpPort: port, kill };
}
