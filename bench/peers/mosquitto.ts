import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BenchError } from '../bench-error.ts';
import { freePort } from '../free-port.ts';
import { benchCertificate } from './certificate.ts';
import { accepts, readyChild, startChild } from './child.ts';
import type { Peer, RunningPeer } from './peer.ts';

const host = '127.0.0.1';

/**
 * Its settings that are not defaults: unlimited queues, as it must lose nothing under load; no Nagle's
 * algorithm, like all others; and nothing on disk.
 */
const settings = [
  'allow_anonymous true',
  'persistence false',
  'set_tcp_nodelay true',
  'max_queued_messages 0',
  'max_inflight_messages 1000',
  'log_type error',
];

/** Debian's mosquitto. Errors: BenchError if it is not installed. */
export async function mosquitto(): Promise<Peer> {
  const command = await find();
  // It prints its version with its help, and exits with 3.
  const { stdout } = await promisify(execFile)(command, ['-h']).catch((error: { stdout: string }) => error);
  const version = /version (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
  return {
    name: 'mosquitto',
    description: `mosquitto ${version}; ${settings.join(', ')}`,
    start: () => start(command),
  };
}

async function find(): Promise<string> {
  for (const command of ['mosquitto', '/usr/sbin/mosquitto']) {
    const error = await promisify(execFile)(command, ['-h']).then(
      () => undefined,
      (failure: { code?: string | number }) => failure,
    );
    if (error?.code !== 'ENOENT') return command;
  }
  throw new BenchError(
    'mosquitto is not installed: apt-get install mosquitto, or leave it out with --peers rallymq,aedes.',
  );
}

async function start(command: string): Promise<RunningPeer> {
  const [port, tcpPort, tlsPort] = [await freePort(host), await freePort(host), await freePort(host)];
  const { cert, key } = benchCertificate();
  const folder = await mkdtemp(join(tmpdir(), 'bench-mosquitto-'));
  const config = join(folder, 'mosquitto.conf');
  const listeners = [
    `listener ${port} ${host}`,
    'protocol websockets',
    `listener ${tlsPort} ${host}`,
    'protocol websockets',
    `certfile ${cert}`,
    `keyfile ${key}`,
    `listener ${tcpPort} ${host}`,
  ];
  await writeFile(config, `${[...settings, ...listeners].join('\n')}\n`);
  const child = await startChild('mosquitto', command, ['-c', config]);
  const isReady = async () => ((await accepts(host, port)) && (await accepts(host, tcpPort))) || undefined;
  await readyChild('mosquitto', child, isReady);
  return {
    pid: child.pid,
    ws: { host, port, path: '/mqtt' },
    tcp: { host, port: tcpPort },
    wss: { host, port: tlsPort, path: '/mqtt' },
    stop: async () => {
      await child.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
