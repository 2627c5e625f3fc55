/** Debian's nats-server with JetStream on a free port of loopback. It ends with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { atEnd } from '../at-end.ts';
import { unusedPort } from '../command.ts';
import { until } from '../wait.ts';

export class NatsServer {
  readonly port: number;
  readonly #folder: string;
  readonly #flags: readonly string[];
  #process: ChildProcess | undefined;
  #said = '';

  private constructor(port: number, folder: string, flags: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#flags = flags;
  }

  static async start(test: TestContext, flags: readonly string[] = ['-js']): Promise<NatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'rallymq-nats-'));
    const server = new NatsServer(await unusedPort(), folder, flags);
    atEnd(test, async () => {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    });
    await server.run();
    return server;
  }

  /**
   * This many as one cluster, once they have elected a leader. Their clients do not learn of the others, so that a
   * proxy can cut them off.
   */
  static async startCluster(test: TestContext, count: number): Promise<NatsServer[]> {
    const routes: string[] = [];
    for (let index = 0; index < count; index++) routes.push(`nats://127.0.0.1:${await unusedPort()}`);
    const servers = await Promise.all(
      routes.map((route, index) => {
        const own = ['--name', `nats-${index}`, '--cluster_name', 'test', '--cluster', route];
        return NatsServer.start(test, ['-js', '--no_advertise', ...own, '--routes', routes.join(',')]);
      }),
    );
    await until(
      'a leader of JetStream',
      () => servers.some((server) => server.#said.includes('new metadata leader')),
      30_000,
    );
    return servers;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts it, or restarts it with its stored data; `flags`: other flags than before. */
  async run(flags = this.#flags): Promise<void> {
    this.#said = '';
    const args = ['-a', '127.0.0.1', '-p', `${this.port}`, '-sd', this.#folder, ...flags];
    const child = spawn('/usr/sbin/nats-server', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    child.stderr.on('data', (chunk: Buffer) => (this.#said += chunk.toString()));
    await until('nats-server is ready', () => {
      if (child.exitCode !== null) throw new Error(`nats-server does not run:\n${this.#said}`);
      return this.#said.includes('Server is ready');
    });
  }

  /** Why a test has failed: what JetStream says of its streams, and what the server has said since it was started. */
  async report(): Promise<string> {
    return `${await this.#streams()}\n${this.#said}`;
  }

  async #streams(): Promise<string> {
    const connection = await connect({ servers: this.url, timeout: 2_000 });
    try {
      const manager = await jetstreamManager(connection, { timeout: 2_000, checkAPI: false });
      const lines: string[] = [];
      for await (const { config, state, cluster } of manager.streams.list())
        lines.push(`${config.name} ${JSON.stringify({ state, cluster })}`);
      return lines.join('\n');
    } catch (error) {
      return `JetStream does not list its streams: ${error}`;
    } finally {
      await connection.close();
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
