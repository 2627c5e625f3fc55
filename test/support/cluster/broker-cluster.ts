/** Brokers in their own processes, joined by a real nats-server; all end with the test. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { slotCount } from '../../../core/cluster/slots.ts';
import { apiKeyLine, hashOfApiKey } from '../../../core/security/api-keys.ts';
import { apiScopes } from '../../../core/security/api-scope.ts';
import { atEnd } from '../at-end.ts';
import { Command } from '../command.ts';
import { MqttSession } from '../mqtt-session.ts';
import { TcpProxy } from '../tcp-proxy.ts';
import { until } from '../wait.ts';
import { NatsServer } from './nats-server.ts';

const apiKey = 'rmq_cluster-test';

/** The response of `GET /api/v1/nodes`. */
interface NodesAnswer {
  readonly epoch: number;
  readonly isReached: boolean;
  readonly isSettled: boolean;
  readonly nodes: readonly {
    readonly name: string;
    readonly incarnation: number;
    readonly state: string;
    readonly slots: number;
  }[];
}

export class ClusterBroker {
  readonly name: string;
  /** Its current addresses. */
  readonly ports = { port: 0, tcpPort: 0 };
  /** Between it and NATS. */
  readonly proxy: TcpProxy;
  command: Command;

  constructor(name: string, proxy: TcpProxy, command: Command) {
    this.name = name;
    this.proxy = proxy;
    this.command = command;
  }

  async ready(): Promise<void> {
    Object.assign(this.ports, await this.command.ready());
  }

  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await fetch(`http://127.0.0.1:${this.ports.port}${path}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    return { status: answer.status, text: await answer.text() };
  }

  async send(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.ports.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await answer.arrayBuffer();
    return answer.status;
  }

  async nodes(): Promise<NodesAnswer> {
    const { status, text } = await this.get('/api/v1/nodes');
    assert.equal(status, 200, text);
    return JSON.parse(text) as NodesAnswer;
  }

  async isReady(): Promise<boolean> {
    return (await this.get('/readyz').catch(() => undefined))?.status === 200;
  }
}

export interface ClusterTerms {
  /** Of each broker. Default 1. */
  readonly workers?: number;
  /** Each broker has its own data directory. Default false. */
  readonly hasData?: boolean;
  /** With 3 JetStream keeps a copy of each log on each of its servers. Default 1. */
  readonly replicas?: 1 | 3;
  /** Of NATS. Default 1. */
  readonly servers?: number;
}

export class BrokerCluster {
  readonly natsServers: readonly NatsServer[];
  /** Has all rights. */
  readonly apiKey = apiKey;
  readonly brokers: ClusterBroker[] = [];
  readonly #test: TestContext;
  readonly #folder: string;
  #sessions = 0;
  #hasData = false;
  #replicas = 1;

  private constructor(test: TestContext, nats: readonly NatsServer[], folder: string) {
    this.#test = test;
    this.natsServers = nats;
    this.#folder = folder;
  }

  /** Resolves when all have their share of the slots. */
  static async start(
    test: TestContext,
    count: number,
    { workers = 1, hasData = false, replicas = 1, servers = 1 }: ClusterTerms = {},
  ): Promise<BrokerCluster> {
    const nats =
      servers === 1 ? [await NatsServer.start(test)] : await NatsServer.startCluster(test, servers);
    const folder = await mkdtemp(join(tmpdir(), 'rallymq-cluster-'));
    atEnd(test, () => rm(folder, { recursive: true, force: true }));
    const key = apiKeyLine({ name: 'test', scopes: new Set(apiScopes) }, hashOfApiKey(apiKey));
    await writeFile(join(folder, 'keys'), `${key}\n`);
    const limits = { logCopies: servers };
    await writeFile(join(folder, 'config'), JSON.stringify({ replicas, limits }));
    const cluster = new BrokerCluster(test, nats, folder);
    cluster.#hasData = hasData;
    cluster.#replicas = replicas;
    for (let index = 0; index < count; index++) await cluster.add(`node-${index}`, workers);
    await cluster.settled();
    return cluster;
  }

  /** The first one. */
  get nats(): NatsServer {
    return this.natsServers[0] ?? assert.fail();
  }

  broker(index: number): ClusterBroker {
    return this.brokers[index] ?? assert.fail(`there is no broker ${index}`);
  }

  async add(name: string, workers = 1): Promise<ClusterBroker> {
    const { port } = this.natsServers[this.brokers.length % this.natsServers.length] ?? this.nats;
    const proxy = await TcpProxy.start(this.#test, port);
    const broker = new ClusterBroker(name, proxy, this.#run(name, proxy, workers));
    await broker.ready();
    this.brokers.push(broker);
    return broker;
  }

  /** Its process has ended: starts another one with its name. */
  async again(broker: ClusterBroker, workers = 1): Promise<void> {
    broker.command = this.#run(broker.name, broker.proxy, workers);
    await broker.ready();
  }

  dataOf(name: string): string {
    return join(this.#folder, `data-${name}`);
  }

  #run(name: string, proxy: TcpProxy, workers: number): Command {
    const data = this.#hasData ? ['--data', this.dataOf(name)] : [];
    const flags = [
      '--cluster',
      `nats://127.0.0.1:${proxy.port}`,
      '--node-name',
      name,
      '--workers',
      `${workers}`,
    ];
    const keys = ['--api-keys', join(this.#folder, 'keys')];
    if (this.#replicas > 1) flags.push('--config', join(this.#folder, 'config'));
    const command = new Command(['--port', '0', '--tcp-port', '0', ...flags, ...keys, ...data]);
    atEnd(this.#test, () => command.end());
    return command;
  }

  /** All processes end at once, and are restarted. */
  async killAll(workers = 1): Promise<void> {
    for (const { command } of this.brokers) command.kill('SIGKILL');
    await Promise.all(this.brokers.map(({ command }) => command.exited()));
    await Promise.all(this.brokers.map((broker) => this.again(broker, workers)));
    await this.settled();
  }

  remove(broker: ClusterBroker): void {
    this.brokers.splice(this.brokers.indexOf(broker), 1);
  }

  /** Exactly these are in the cluster, and each has its share of the slots. */
  async settled(deadlineMs?: number): Promise<void> {
    const names = this.brokers.map(({ name }) => name).sort();
    const isSettled = async (broker: ClusterBroker): Promise<boolean> => {
      const answer = await broker.nodes().catch(() => undefined); // it may close connections while it joins again
      if (answer === undefined) return false;
      const { isSettled: isDone, nodes } = answer;
      const least = (0.4 * slotCount) / names.length; // they may have different numbers of workers
      const seen = nodes.filter(({ state, slots }) => state === 'serving' && slots > least);
      return isDone && nodes.length === names.length && seen.length === names.length;
    };
    await until(
      `${names.join(', ')} share the slots`,
      async () => (await Promise.all(this.brokers.map(isSettled))).every(Boolean),
      deadlineMs,
    );
  }

  /** A session that connects to the broker given by `on`. */
  session(broker: ClusterBroker, clientId = `session-${++this.#sessions}`): RoamingSession {
    return new RoamingSession(this.#test, broker, clientId);
  }

  async connected(broker: ClusterBroker, clientId?: string): Promise<RoamingSession> {
    const session = this.session(broker, clientId);
    await session.connectTo(broker);
    return session;
  }
}

/** A client that goes from broker to broker. */
export class RoamingSession extends MqttSession {
  readonly #ports: { port: number; tcpPort: number };

  constructor(test: TestContext, broker: ClusterBroker, clientId: string) {
    const ports = { ...broker.ports };
    super(test, ports, clientId);
    this.#ports = ports;
  }

  async connectTo(broker: ClusterBroker): Promise<void> {
    Object.assign(this.#ports, broker.ports);
    await this.connect('tcp');
  }
}
