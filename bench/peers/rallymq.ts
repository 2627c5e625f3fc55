import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { version } from '../../core/broker.ts';
import { root } from '../root.ts';
import { readyChild, startChild } from './child.ts';
import { ours, type Peer, type RunningPeer } from './peer.ts';

const host = '127.0.0.1';

/** This broker, as `npm start` starts it. */
export function rallymq(workers: number): Peer {
  return {
    name: workers === 1 ? ours : `${ours}-${workers}`,
    description: `RallyMQ ${version}, ${workers} ${workers === 1 ? 'worker' : 'workers'}, everything else at its default`,
    start: () => start(workers),
  };
}

/** The same with further flags, by another name. */
export function rallymqWith(name: string, flags: readonly string[], what: string): Peer {
  const { description } = rallymq(1);
  return { name, description: `${description}, ${what}`, start: () => start(1, flags) };
}

async function start(workers: number, flags: readonly string[] = []): Promise<RunningPeer> {
  const common = ['--port', '0', '--tcp-port', '0', '--workers', `${workers}`, '--log-level', 'error'];
  const args = [...common, ...flags];
  const child = await startChild('RallyMQ', process.execPath, [...(await startWords()), ...args]);
  const [port, path, tcpPort] = await readyChild('RallyMQ', child, () => {
    const ready = /ws:\/\/[^/]*:(\d+)(\S*)\n.*mqtt:\/\/[^/]*:(\d+)\n.*Page/s.exec(child.printed());
    return ready ? ([Number(ready[1]), ready[2] ?? '', Number(ready[3])] as const) : undefined;
  });
  return {
    pid: child.pid,
    ws: { host, port, path },
    tcp: { host, port: tcpPort },
    http: { host, port },
    stop: child.stop,
  };
}

/** What `npm start` gives to node: its flags, and the command. */
async function startWords(): Promise<string[]> {
  const text = await readFile(join(root, 'package.json'), 'utf8');
  const { scripts } = JSON.parse(text) as { scripts: { start: string } };
  const words = scripts.start.split(' ');
  return words
    .slice(words.indexOf('node') + 1)
    .map((word) => (word.startsWith('-') ? word : join(root, word)));
}
