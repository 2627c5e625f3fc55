/**
 * Brokers that are already running: `--peer name=url[,pid]`, where a name may appear once for each transport.
 */
import { lookup } from 'node:dns/promises';
import { BenchError } from '../bench-error.ts';
import { accepts } from './child.ts';
import type { Endpoint, Peer, RunningPeer } from './peer.ts';

interface Reached {
  readonly urls: string[];
  pid?: number;
  ws?: Endpoint;
  tcp?: Endpoint;
}

const example = '--peer name=ws://127.0.0.1:8083/mqtt,4711, or mqtt://127.0.0.1:1883';

/** Errors: BenchError if one cannot be understood. */
export async function externalPeers(texts: readonly string[]): Promise<Peer[]> {
  const byName = new Map<string, Reached>();
  for (const text of texts) {
    const match = /^([\w.-]+)=([^,]+)(?:,(\d+))?$/.exec(text);
    const [, name, url, pid] = match ?? [];
    if (name === undefined || url === undefined) throw new BenchError(`${text} is no peer: ${example}`);
    const reached = byName.get(name) ?? { urls: [] };
    byName.set(name, reached);
    reached.urls.push(url);
    if (pid !== undefined) reached.pid = Number(pid);
    const { protocol, endpoint } = await endpointOf(url);
    reached[protocol] = endpoint;
  }
  return [...byName].map(([name, reached]) => ({
    name,
    description: `${reached.urls.join(' and ')}, as it was running; not restarted, so the growth of its memory is not shown`,
    isExternal: true,
    start: () => reach(name, reached),
  }));
}

async function endpointOf(text: string): Promise<{ protocol: 'ws' | 'tcp'; endpoint: Endpoint }> {
  if (!URL.canParse(text)) throw new BenchError(`${text} is no URL: ${example}`);
  const url = new URL(text);
  const protocol = { 'ws:': 'ws', 'mqtt:': 'tcp', 'tcp:': 'tcp' }[url.protocol] as 'ws' | 'tcp' | undefined;
  if (protocol === undefined) throw new BenchError(`${text} is neither ws:// nor mqtt://: ${example}`);
  if (url.port === '') throw new BenchError(`${text} has no port: ${example}`);
  const found = await lookup(url.hostname, { family: 4 }).catch(() => undefined);
  if (found === undefined) throw new BenchError(`${url.hostname} has no IPv4 address.`);
  return { protocol, endpoint: { host: found.address, port: Number(url.port), path: url.pathname } };
}

async function reach(name: string, reached: Reached): Promise<RunningPeer> {
  for (const endpoint of [reached.ws, reached.tcp]) {
    if (endpoint && !(await accepts(endpoint.host, endpoint.port))) {
      throw new BenchError(
        `${name} cannot be reached: nothing listens on ${endpoint.host}:${endpoint.port}.`,
      );
    }
  }
  return {
    ...(reached.pid === undefined ? {} : { pid: reached.pid }),
    ...(reached.ws ? { ws: reached.ws } : {}),
    ...(reached.tcp ? { tcp: reached.tcp } : {}),
    stop: async () => {},
  };
}
