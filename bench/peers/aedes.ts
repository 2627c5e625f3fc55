import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../root.ts';
import { readyChild, startChild } from './child.ts';
import type { Peer, RunningPeer } from './peer.ts';

const host = '127.0.0.1';

/** aedes from npm with ws, in a process of its own (aedes-process.ts). */
export async function aedes(): Promise<Peer> {
  const [own, ws] = await Promise.all([versionOf('aedes'), versionOf('ws')]);
  return {
    name: 'aedes',
    description: `aedes ${own} with ws ${ws} on Node.js ${process.version}, everything at its default; MQTT 3.1.1, as it has no 5.0`,
    isVersion4: true,
    start,
  };
}

async function versionOf(name: string): Promise<string> {
  const text = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

async function start(): Promise<RunningPeer> {
  const script = fileURLToPath(new URL('./aedes-process.js', import.meta.url));
  const child = await startChild('aedes', process.execPath, [script]);
  const [port, tcpPort] = await readyChild('aedes', child, () => {
    const ready = /^ready (\d+) (\d+)$/m.exec(child.printed());
    return ready ? ([Number(ready[1]), Number(ready[2])] as const) : undefined;
  });
  return {
    pid: child.pid,
    ws: { host, port, path: '/mqtt' },
    tcp: { host, port: tcpPort },
    stop: child.stop,
  };
}
