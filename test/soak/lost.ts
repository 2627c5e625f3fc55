/**
 * A network is lost: many clients with wills are gone in the same moment. Each will must go out once, whoever watches
 * them must lose none, and nothing may be left of the clients. How many there can be is up to the system, which lets a
 * process have only so many open files; test/native/mass-wills.cpp does it with 100,000, without sockets.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Statistics } from '../../core/broker.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import {
  connectFrame,
  pubackFrame,
  pubcompFrame,
  publishOf,
  pubrecFrame,
  subscribeFrame,
} from '../support/frames.ts';
import { RawClient, type ReceivedPacket } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { BrokerProcess } from './broker/broker-process.ts';
import { patienceMs } from './clients/terms.ts';
import type { LostClientsTerms } from './lost-clients.ts';

export interface LossTerms {
  readonly clients: number;
  readonly workers: number;
}

export interface Loss {
  /** As many as were asked for, or as there could be. */
  readonly clients: number;
  readonly workers: number;
  /** The topics of the wills, as they came; those of QoS 2 once. */
  readonly topics: readonly string[];
  /** From the end of the clients to the last will. */
  readonly tookMs: number;
  /** When all is over; undefined if the broker has ended. */
  readonly counters: Statistics | undefined;
}

/** What a broker has open beside its clients. */
const otherFiles = 500;
const clientsPerProcess = 10_000;

/** How many clients a broker can have here. */
export function clientsMax(): number {
  const text = execFileSync('sh', ['-c', 'ulimit -Hn']).toString().trim();
  return text === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(text) - otherFiles;
}

export async function loseNetwork({ clients: asked, workers }: LossTerms): Promise<Loss> {
  const clients = Math.min(asked, clientsMax());
  const broker = await BrokerProcess.start({ workers }, undefined);
  const crowd: ChildProcess[] = [];
  try {
    const topics: string[] = [];
    await watch(broker, topics);
    for (let first = 0; first < clients; first += clientsPerProcess) {
      const count = Math.min(clientsPerProcess, clients - first);
      const localAddress = `127.0.0.${2 + crowd.length}`;
      crowd.push(startClients({ tcpPort: broker.tcpPort, localAddress, first, count }));
    }
    await Promise.all(crowd.map(connected));
    const lostMs = performance.now();
    for (const each of crowd) each.kill('SIGKILL');
    await untilOrLate(() => topics.length >= clients);
    const tookMs = performance.now() - lostMs;
    let counters = await broker.statistics();
    await untilOrLate(async () => {
      counters = await broker.statistics();
      return counters === undefined || counters.sessions === 1;
    });
    return { clients, workers, topics, tookMs, counters };
  } finally {
    for (const each of crowd) each.kill('SIGKILL');
    await broker.stop();
  }
}

/** What is wrong; nothing: all is as it should be. */
export function faultsOf({ clients, topics, counters }: Loss): readonly string[] {
  const faults: string[] = [];
  const distinct = new Set(topics).size;
  if (distinct !== clients) faults.push(`${clients - distinct} wills have not come`);
  if (topics.length !== distinct) faults.push(`${topics.length - distinct} wills came again`);
  if (counters === undefined) return [...faults, 'the broker has ended'];
  const { connections, sessions, droppedQos0, droppedQueueFull, droppedTotalFull } = counters;
  if (connections !== 1 || sessions !== 1)
    faults.push(`${connections} connections and ${sessions} sessions are left`);
  const dropped = droppedQos0 + droppedQueueFull + droppedTotalFull;
  if (dropped > 0) faults.push(`${dropped} messages were dropped`);
  return faults;
}

function startClients(terms: LostClientsTerms): ChildProcess {
  return fork(fileURLToPath(new URL('./lost-clients.js', import.meta.url)), [JSON.stringify(terms)]);
}

async function connected(clients: ChildProcess): Promise<void> {
  const ended = once(clients, 'exit').then(() => 'ended');
  const [message] = await Promise.race([once(clients, 'message'), ended.then(() => ['ended'])]);
  if (message !== 'connected') throw new Error('the clients could not connect');
}

async function watch({ port, tcpPort }: BrokerProcess, topics: string[]): Promise<void> {
  const watcher = await RawClient.open('tcp', { port, tcpPort });
  watcher.send(connectFrame({ clientId: 'watcher' }), subscribeFrame('lost/#', 2));
  await watcher.nextPacket();
  await watcher.nextPacket();
  watcher.onPacket((packet) => onPacket(watcher, packet, topics));
}

function onPacket(watcher: RawClient, packet: ReceivedPacket, topics: string[]): void {
  if (packet.type === PacketType.pubrel) {
    watcher.send(pubcompFrame(((packet.body[0] ?? 0) << 8) | (packet.body[1] ?? 0)));
    return;
  }
  const { topic, qos, packetId = 0 } = publishOf(packet);
  topics.push(topic);
  if (qos > 0) watcher.send(qos === 1 ? pubackFrame(packetId) : pubrecFrame(packetId));
}

async function untilOrLate(condition: () => boolean | Promise<boolean>): Promise<void> {
  await until('it', condition, patienceMs).catch(() => {}); // what is missing is said by faultsOf()
}
