/** What happens to a cluster under load, one fault at a time. See the table in docs/clustering.md. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerCluster, ClusterBroker } from '../../support/cluster/broker-cluster.ts';
import type { Random } from '../../support/random.ts';
import { until } from '../../support/wait.ts';
import type { Place, Traffic } from './traffic.ts';

export interface Scene {
  readonly cluster: BrokerCluster;
  readonly traffic: Traffic;
  readonly random: Random;
  /** Each log has copies, so that a lost node's sessions continue elsewhere. */
  readonly isReplicated: boolean;
}

type Fault = (scene: Scene) => Promise<string>;

const settledMs = 90_000;

/** What keeps a node from its cluster until it ends. */
interface Disturbance {
  readonly what: string;
  begin(broker: ClusterBroker): void;
  end(broker: ClusterBroker): void;
}

const pause: Disturbance = {
  what: 'paused',
  begin: ({ command }) => command.kill('SIGSTOP'),
  end: ({ command }) => command.kill('SIGCONT'),
};
const cut: Disturbance = {
  what: 'cut off',
  begin: ({ proxy }) => proxy.cut(),
  end: ({ proxy }) => proxy.mend(),
};

/** Of these no node is removed. */
const unnoticed: readonly string[] = ['pause-briefly', 'cut-briefly', 'restart-nats'];

/** A node is dead after 3 s of silence. */
function briefMs(random: Random): number {
  return 200 + random.below(1_300);
}

/** Nobody notices more than a delay. */
function briefly({ what, begin, end }: Disturbance): Fault {
  return async ({ traffic, random }) => {
    const { broker } = random.pick(traffic.places);
    const ms = briefMs(random);
    begin(broker);
    await delay(ms);
    end(broker);
    return `${broker.name} is ${what} for ${ms} ms`;
  };
}

function forLong({ what, begin, end }: Disturbance): Fault {
  return async (scene) => {
    const { traffic, random } = scene;
    const place = random.pick(traffic.places);
    const { broker } = place;
    const ms = 5_000 + random.below(3_000);
    await lose(scene, place, async () => {
      begin(broker);
      await delay(ms);
      return async () => {
        end(broker);
        await until('it has joined again', () => broker.isReady(), settledMs);
      };
    });
    return `${broker.name} is ${what} for ${ms} ms`;
  };
}

async function restartNats({ cluster, random }: Scene): Promise<string> {
  const server = random.pick(cluster.natsServers);
  const ms = briefMs(random);
  await server.kill();
  await delay(ms);
  await server.run();
  return `a nats-server is killed, and back after ${ms} ms`;
}

/**
 * Every node is without NATS for longer than it takes to be declared dead, and nobody can write the view: no node is
 * removed, and clients stay connected. The servers are killed, or stand still with all connections open.
 */
async function loseNats({ cluster, random }: Scene): Promise<string> {
  const servers = cluster.natsServers;
  const before = await incarnations(cluster);
  const ms = 10_000 + random.below(10_000);
  const isKilled = random.below(2) === 0;
  if (isKilled) await Promise.all(servers.map((server) => server.kill()));
  else for (const server of servers) server.signal('SIGSTOP');
  await delay(ms);
  if (isKilled) await Promise.all(servers.map((server) => server.run()));
  else for (const server of servers) server.signal('SIGCONT');
  for (const broker of cluster.brokers)
    await until(`${broker.name} has joined again`, () => broker.isReady(), settledMs);
  assert.deepEqual(await incarnations(cluster), before, 'no node is removed');
  return `all of NATS is ${isKilled ? 'killed' : 'paused'} for ${ms} ms`;
}

async function incarnations(cluster: BrokerCluster): Promise<string[]> {
  const { nodes } = await cluster.broker(0).nodes();
  return nodes.map(({ name, incarnation }) => `${name} ${incarnation}`).sort();
}

/** In order: its sessions go to others, and come back with their clients. */
async function stop({ cluster, traffic, random }: Scene): Promise<string> {
  const place = random.pick(traffic.places);
  const { broker } = place;
  place.isUp = false;
  broker.command.kill('SIGTERM');
  await broker.command.exited();
  cluster.remove(broker);
  await place.again(random.pick(cluster.brokers));
  place.isUp = true;
  await delay(random.below(2_000));
  await cluster.again(broker, 1 + random.below(2));
  await comeBack(cluster, place);
  return `${broker.name} is stopped`;
}

async function kill(scene: Scene): Promise<string> {
  const { cluster, traffic, random } = scene;
  const place = random.pick(traffic.places);
  const { broker } = place;
  await lose(scene, place, async () => {
    broker.command.kill('SIGKILL');
    await broker.command.exited();
    return () => cluster.again(broker, 1 + random.below(2));
  });
  return `${broker.name} is killed`;
}

/** The others continue without the node. With replicas its clients do so too, elsewhere; otherwise they wait for it. */
async function lose(
  { cluster, traffic, random, isReplicated }: Scene,
  place: Place,
  end: () => Promise<() => Promise<void>>,
): Promise<void> {
  place.isUp = false;
  traffic.shake(true);
  const lostAt = traffic.now();
  const again = await end();
  cluster.remove(place.broker);
  await cluster.settled(settledMs);
  if (isReplicated) {
    await place.again(random.pick(cluster.brokers));
    place.isUp = true;
    await delay(1_000);
    place.isUp = false;
  }
  traffic.shake();
  await again();
  await comeBack(cluster, place);
  if (!isReplicated) place.away.push([lostAt, traffic.now()]);
  place.isUp = true;
}

/** The node is there again, and its clients follow. */
async function comeBack(cluster: BrokerCluster, place: Place): Promise<void> {
  cluster.brokers.push(place.broker);
  await cluster.settled(settledMs);
  await place.again();
}

async function killAll({ cluster, traffic, random }: Scene): Promise<string> {
  for (const place of traffic.places) place.isUp = false;
  traffic.shake();
  await cluster.killAll(1 + random.below(2));
  for (const place of traffic.places) {
    await place.again();
    place.isUp = true;
  }
  return 'all nodes are killed';
}

export const faults = {
  'pause-briefly': briefly(pause),
  'cut-briefly': briefly(cut),
  'restart-nats': restartNats,
  'lose-nats': loseNats,
  stop,
  kill,
  'pause-for-long': forLong(pause),
  'cut-for-long': forLong(cut),
  'kill-all': killAll,
} satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof faults;

export function isFault(name: string): name is FaultName {
  return Object.hasOwn(faults, name);
}

/** What happened. Everyone is there again afterwards. */
export async function play(name: FaultName, scene: Scene): Promise<string> {
  const { cluster, traffic } = scene;
  const before = await incarnations(cluster);
  const begun = traffic.now();
  let what = await faults[name](scene);
  await cluster.settled(settledMs);
  if (unnoticed.includes(name)) {
    const after = await incarnations(cluster);
    const removed = traffic.places.filter(({ broker }) => isOfNew(broker.name, before, after));
    for (const place of removed) {
      await findAgain(scene, place, begun);
      what += `; this machine was so slow that ${place.broker.name} was removed`;
    }
  }
  assert.ok(traffic.places.every(({ isUp }) => isUp));
  return what;
}

function isOfNew(name: string, before: readonly string[], after: readonly string[]): boolean {
  return after.some((each) => each.startsWith(`${name} `) && !before.includes(each));
}

/** Its clients are disconnected, and find the node that has joined anew. */
async function findAgain({ traffic, isReplicated }: Scene, place: Place, lostAt: number): Promise<void> {
  place.isUp = false;
  traffic.shake();
  await place.again();
  if (!isReplicated) place.away.push([lostAt, traffic.now()]);
  place.isUp = true;
}
