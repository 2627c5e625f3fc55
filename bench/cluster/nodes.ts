/** A nats-server and nodes of a cluster, as separate processes on loopback. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { slotCount } from '../../core/cluster/slots.ts';
import { BenchError } from '../bench-error.ts';
import { freePort } from '../free-port.ts';
import { benchApiKey } from '../http/api-key.ts';
import { readyChild, startChild } from '../peers/child.ts';
import type { Endpoint, Peer, RunningPeer } from '../peers/peer.ts';
import { rallymqWith } from '../peers/rallymq.ts';

const host = '127.0.0.1';
/** Debian installs it in a folder that may not be in PATH. */
const candidates = ['nats-server', '/usr/sbin/nats-server'];
const settleMs = 60_000;

/** Errors: BenchError if there is none. */
export function natsServer(): { readonly command: string; readonly version: string } {
  for (const command of candidates) {
    const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
    if (status === 0) return { command, version: stdout.trim().replace(/^.*v/, '') };
  }
  throw new BenchError('nats-server is not installed: apt-get install nats-server, or leave out `cluster`.');
}

export class ClusterUnderTest {
  readonly #natsUrl: string;
  readonly #stopNats: () => Promise<void>;
  readonly #apiKey = benchApiKey();
  readonly nodes = new Map<string, RunningPeer>();
  readonly natsPid: number;

  private constructor(natsUrl: string, natsPid: number, stopNats: () => Promise<void>) {
    this.natsPid = natsPid;
    this.#natsUrl = natsUrl;
    this.#stopNats = stopNats;
  }

  /** With `count` nodes of one worker, each with its part of the slots. Errors: BenchError. */
  static async start(count: number, flags: readonly string[] = []): Promise<ClusterUnderTest> {
    const folder = mkdtempSync(join(tmpdir(), 'rallymq-bench-nats-'));
    const port = await freePort(host);
    const args = ['-js', '-a', host, '-p', `${port}`, '-sd', folder];
    const child = await startChild('nats-server', natsServer().command, args);
    await readyChild('nats-server', child, () => child.printed().includes('Server is ready') || undefined);
    const cluster = new ClusterUnderTest(`nats://${host}:${port}`, child.pid, async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    try {
      for (let index = 0; index < count; index++) await cluster.add(`node-${index}`, flags);
      await cluster.settled();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** A node that was started elsewhere. */
  peer(name: string, flags: readonly string[] = []): Peer {
    const own = ['--cluster', this.#natsUrl, '--node-name', name, '--api-keys', this.#apiKey.file];
    return rallymqWith(name, [...own, ...flags], 'in a cluster');
  }

  async add(name: string, flags: readonly string[] = []): Promise<RunningPeer> {
    const node = await this.peer(name, flags).start();
    this.nodes.set(name, node);
    return node;
  }

  node(index: number): RunningPeer {
    const node = [...this.nodes.values()][index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  /** Resolves when its process has ended: SIGTERM, so that it gives its slots to the others. */
  async leave(name: string): Promise<void> {
    const pid = this.nodes.get(name)?.pid;
    this.nodes.delete(name);
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    const endMs = performance.now() + settleMs;
    while (isThere(pid)) {
      if (performance.now() > endMs) throw new BenchError(`${name} does not stop.`);
      await delay(20);
    }
  }

  kill(name: string): void {
    const pid = this.nodes.get(name)?.pid;
    this.nodes.delete(name);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }

  /** All nodes see each other, have applied the last change, and each has its share of the slots. */
  async settled(): Promise<void> {
    const endMs = performance.now() + settleMs;
    const names = [...this.nodes.keys()].sort().join();
    const least = (0.6 * slotCount) / this.nodes.size;
    const isSettled = async (node: RunningPeer): Promise<boolean> => {
      const { nodes, isSettled } = await this.ask<NodesAnswer>(node, '/api/v1/nodes');
      const seen = nodes.map(({ name }) => name).sort();
      return isSettled && seen.join() === names && nodes.every(({ slots }) => slots >= least);
    };
    while (!(await Promise.all([...this.nodes.values()].map(isSettled))).every(Boolean)) {
      if (performance.now() > endMs)
        throw new BenchError('The nodes do not come to an end with their slots.');
      await delay(50);
    }
  }

  /** Errors: BenchError. */
  async ask<Answer>({ http }: RunningPeer, path: string): Promise<Answer> {
    const answer = await fetch(`http://${http?.host}:${http?.port}${path}`, {
      headers: { authorization: `Bearer ${this.#apiKey.key}` },
    });
    if (!answer.ok) throw new BenchError(`${path} answers with ${answer.status}.`);
    return (await answer.json()) as Answer;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.stop()));
    await this.#stopNats();
  }
}

interface NodesAnswer {
  readonly isSettled: boolean;
  readonly nodes: readonly { readonly name: string; readonly slots: number }[];
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export function tcpOf({ tcp }: RunningPeer): Endpoint {
  if (tcp === undefined) throw new BenchError('The broker has no TCP.');
  return tcp;
}

/** For `--nodes` of the generator. */
export function portsOf(nodes: Iterable<RunningPeer>): string {
  return [...nodes].map((node) => tcpOf(node).port).join('+');
}
