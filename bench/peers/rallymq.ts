import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { version } from '../../core/version.ts';
import { root } from '../root.ts';
import { benchCertificate } from './certificate.ts';
import { readyChild, startChild } from './child.ts';
import { ours, type Peer, type RunningPeer } from './peer.ts';

const readyLines =
  / ws:\/\/[^/]*:(\d+)(\S*)\n.* mqtt:\/\/[^/]*:(\d+)\n.* wss:\/\/[^/]*:(\d+)\S*\n.*https:\S*\n/s;

const host = '127.0.0.1';

/** This broker as `npm start` starts it, except that, like the others, it keeps nothing on a disk. */
export function rallymq(workers: number): Peer {
  return {
    name: workers === 1 ? ours : `${ours}-${workers}`,
    description: `RallyMQ ${version}, ${workers} ${workers === 1 ? 'worker' : 'workers'}, in memory, everything else at its default`,
    start: () => start(workers),
  };
}

/** The same with further flags, by another name. */
export function rallymqWith(name: string, flags: readonly string[], what: string): Peer {
  const { description } = rallymq(1);
  return { name, description: `${description}, ${what}`, start: () => start(1, flags) };
}

async function start(workers: number, flags: readonly string[] = []): Promise<RunningPeer> {
  const { cert, key } = benchCertificate();
  const ports = ['--port', '0', '--tcp-port', '0', '--tls-port', '0', '--tls-cert', cert, '--tls-key', key];
  const inMemory = ['--data', 'none'];
  const args = [...ports, '--workers', `${workers}`, '--log-level', 'error', ...inMemory, ...flags];
  const child = await startChild('RallyMQ', process.execPath, [...(await startWords()), ...args]);
  const [port, path, tcpPort, tlsPort] = await readyChild('RallyMQ', child, () => {
    const ready = readyLines.exec(child.printed());
    return ready
      ? ([Number(ready[1]), ready[2] ?? '', Number(ready[3]), Number(ready[4])] as const)
      : undefined;
  });
  return {
    pid: child.pid,
    ws: { host, port, path },
    tcp: { host, port: tcpPort },
    wss: { host, port: tlsPort, path },
    http: { host, port },
    stop: child.stop,
  };
}

/** What `npm start` gives to node: the flags in scripts/run-built.sh, and the command. */
async function startWords(): Promise<string[]> {
  const script = await readFile(join(root, 'scripts', 'run-built.sh'), 'utf8');
  const [, flags = ''] = /^exec node (.*) "\$program"/m.exec(script) ?? [];
  return [...flags.split(' '), join(root, 'dist', 'core', 'rallymq.js')];
}
