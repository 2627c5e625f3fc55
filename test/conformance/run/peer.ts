/** Debian's mosquitto as a peer, with its own defaults, on free ports. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { unusedPort } from '../../support/command.ts';
import type { Target } from '../support/target.ts';

const program = '/usr/sbin/mosquitto';
const startDeadlineMs = 10_000;

export interface Peer {
  /** With its version. */
  readonly name: string;
  readonly target: Target;
  stop(): void;
}

export async function startMosquitto(): Promise<Peer> {
  const { stdout, error } = spawnSync(program, ['-h'], { encoding: 'utf8' });
  assert.equal(error, undefined, `${program} is missing: install the Debian package mosquitto`);
  const version = /version (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
  const [tcpPort, port] = [await unusedPort(), await unusedPort()];
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-conformance-'));
  const configuration = join(folder, 'mosquitto.conf');
  const lines = [`listener ${tcpPort} 127.0.0.1`, `listener ${port} 127.0.0.1`, 'protocol websockets'];
  writeFileSync(configuration, [...lines, 'allow_anonymous true', ''].join('\n'));
  const process = spawn(program, ['-c', configuration], { stdio: 'ignore' });
  await Promise.all([answers(tcpPort), answers(port)]);
  const stop = (): void => {
    process.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  };
  return { name: `mosquitto ${version}`, target: { isOurs: false, port, tcpPort }, stop };
}

async function answers(port: number): Promise<void> {
  const endMs = performance.now() + startDeadlineMs;
  while (!(await takesConnections(port))) {
    assert.ok(performance.now() < endMs, `nothing listens on ${port}`);
    await delay(20);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
