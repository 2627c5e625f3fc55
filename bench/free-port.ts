/**
 * A loopback port for a program that must be told its port. It is chosen here and bound there; in between
 * nobody else may take it, neither the kernel, which gives client sockets any port of its range, nor another
 * test or benchmark.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ListenOptions } from 'node:net';

const lowest = 10_000;

/**
 * Two calls always return two ports, even in different processes: each is below the kernel's ephemeral range,
 * and is reserved as long as this process lives, by a socket with its number in Linux's abstract namespace.
 */
export async function freePort(host: string): Promise<number> {
  const end = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]);
  const count = Math.max(1, end - lowest);
  const first = Math.floor(Math.random() * count);
  for (let tried = 0; tried < count; tried++) {
    const port = lowest + ((first + tried) % count);
    if (!(await listens({ path: `\0rallymq-port-${port}` }, 'for good'))) continue;
    if (await listens({ host, port }, 'for a moment')) return port;
  }
  throw new Error(`there is no free port from ${lowest} to ${lowest + count - 1}`);
}

async function listens(options: ListenOptions, until: 'for good' | 'for a moment'): Promise<boolean> {
  const server = createServer().listen(options);
  try {
    await once(server, 'listening');
  } catch {
    return false; // another process has reserved it
  }
  if (until === 'for good') {
    server.unref();
  } else {
    server.close();
    await once(server, 'close');
  }
  return true;
}
