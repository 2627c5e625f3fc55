/**
 * Brokers that are already running: `--peer name=url[,pid]`, where a name may appear once for each transport.
 */
import { lookup } from 'node:dns/promises';
import { BenchError } from '../bench-error.ts';
import { accepts } from './child.ts';
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

/** Errors: BenchError if one cannot be understood. */
export async function externalPeers(texts: readonly string[]): Promise<Peer[]> {
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
  return [...byName].map(([name, reached]) => ({
    name,
    description: `${reached.urls.join(' and ')}, as it was running; not restarted, so the growth of its memory is not shown`,
    isExternal: true,
    start: () => reach(name, reached),
  }));
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
