/**
 * Other brokers by their addresses: `--peer name=url[,pid]`, where a name may appear once for each transport. They run
 * already, or `--peer-command name=command` tells how to start them.
 */
import { lookup } from 'node:dns/promises';
import { BenchError } from '../bench-error.ts';
import { accepts, readyChild, startChild } from './child.ts';
import type { Endpoint, Peer, RunningPeer } from './peer.ts';

type Transport = 'ws' | 'wss' | 'tcp';

interface Reached {
  readonly urls: string[];
  readonly endpoints: Partial<Record<Transport, Endpoint>>;
  pid?: number;
}

const transports = new Map<string, Transport>([
  ['ws:', 'ws'],
  ['wss:', 'wss'],
  ['mqtt:', 'tcp'],
  ['tcp:', 'tcp'],
]);
const example =
  '--peer name=ws://127.0.0.1:8083/mqtt,4711, wss://127.0.0.1:8084/mqtt, or mqtt://127.0.0.1:1883';

const commandExample = '--peer-command "name=/opt/broker --config /tmp/broker.conf"';

/** Errors: BenchError if one cannot be understood. */
export async function externalPeers(
  texts: readonly string[],
  commandTexts: readonly string[] = [],
): Promise<Peer[]> {
  const byName = new Map<string, Reached>();
  for (const text of texts) {
    const match = /^([\w.-]+)=([^,]+)(?:,(\d+))?$/.exec(text);
    const [, name, url, pid] = match ?? [];
    if (name === undefined || url === undefined) throw new BenchError(`${text} is no peer: ${example}`);
    const reached = byName.get(name) ?? { urls: [], endpoints: {} };
    byName.set(name, reached);
    reached.urls.push(url);
    if (pid !== undefined) reached.pid = Number(pid);
    const { transport, endpoint } = await endpointOf(url);
    reached.endpoints[transport] = endpoint;
  }
  const commands = commandsOf(commandTexts);
  for (const [name, command] of commands) {
    const reached = byName.get(name);
    if (reached === undefined) throw new BenchError(`${name} has a command and no address: add ${example}`);
    if (reached.pid !== undefined)
      throw new BenchError(
        `${name} has a process identifier and a command that would start another process.`,
      );
    reached.urls.push(`started with "${command}"`);
  }
  return [...byName].map(([name, reached]) => {
    const command = commands.get(name);
    const what = reached.urls.join(' and ');
    return command === undefined
      ? {
          name,
          description: `${what}, as it was running; not restarted, so the growth of its memory is not shown`,
          isExternal: true,
          start: () => reach(name, reached),
        }
      : { name, description: what, start: () => start(name, command, reached) };
  });
}

function commandsOf(texts: readonly string[]): Map<string, string> {
  const commands = new Map<string, string>();
  for (const text of texts) {
    const [, name, command] = /^([\w.-]+)=(.*\S.*)$/.exec(text) ?? [];
    if (name === undefined || command === undefined)
      throw new BenchError(`${text} is no command of a peer: ${commandExample}`);
    if (commands.has(name)) throw new BenchError(`${name} has two commands.`);
    commands.set(name, command);
  }
  return commands;
}

async function endpointOf(text: string): Promise<{ transport: Transport; endpoint: Endpoint }> {
  if (!URL.canParse(text)) throw new BenchError(`${text} is no URL: ${example}`);
  const url = new URL(text);
  const transport = transports.get(url.protocol);
  if (transport === undefined)
    throw new BenchError(`${text} is none of ws://, wss:// and mqtt://: ${example}`);
  if (url.port === '') throw new BenchError(`${text} has no port: ${example}`);
  const found = await lookup(url.hostname, { family: 4 }).catch(() => undefined);
  if (found === undefined) throw new BenchError(`${url.hostname} has no IPv4 address.`);
  return { transport, endpoint: { host: found.address, port: Number(url.port), path: url.pathname } };
}

/** The command's words, quotes and variables are a shell's, in whose place the broker runs. */
async function start(name: string, command: string, { endpoints }: Reached): Promise<RunningPeer> {
  const places = Object.values(endpoints);
  for (const { host, port } of places) {
    if (await accepts(host, port))
      throw new BenchError(`${name} is not started: something listens on ${host}:${port} already.`);
  }
  const child = await startChild(name, '/bin/sh', ['-c', `exec ${command}`]);
  await readyChild(name, child, async () => {
    const accepting = await Promise.all(places.map(({ host, port }) => accepts(host, port)));
    return accepting.every(Boolean) || undefined;
  });
  return { pid: child.pid, ...endpoints, stop: child.stop };
}

async function reach(name: string, { endpoints, pid }: Reached): Promise<RunningPeer> {
  for (const endpoint of Object.values(endpoints)) {
    if (!(await accepts(endpoint.host, endpoint.port))) {
      throw new BenchError(
        `${name} cannot be reached: nothing listens on ${endpoint.host}:${endpoint.port}.`,
      );
    }
  }
  return {
    ...(pid === undefined ? {} : { pid }),
    ...endpoints,
    stop: async () => {},
  };
}
