/**
 * What the clients of a soak do, by their role. Each draws its next step from a random number generator of its own,
 * so that a seed gives the same steps however the clients' turns fall.
 *
 *   witness    subscribes to everything, reads fast, never leaves; the last of them takes over from itself
 *   publisher  publishes much, and roams
 *   roamer     has a lasting session, comes and goes in every way, subscribes and unsubscribes
 *   guest      the same with clean sessions
 *   sloth      stops reading, or holds its answers back
 *   member     is a member of shares that comes and goes
 *   stormer    is connected many times at once (storm.ts)
 *   sensor     connects, publishes and leaves in one go (dash.ts)
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { QoS } from '../../core/wire/packets.ts';
import type { Random } from '../support/random.ts';
import { transports } from '../support/raw-client.ts';
import type { Client } from './clients/client.ts';
import type { Death } from './clients/connection.ts';
import type { ConnectTerms, WillTerms } from './clients/terms.ts';
import { chance, type Pace, type Role, smallPacketBytes } from './plan.ts';
import type { Switches } from './switches.ts';
import {
  everything,
  ownTopic,
  plainTopic,
  retainedTopic,
  sharedTopic,
  shareFilterOf,
  someFilter,
} from './topics.ts';

/** The round as its actors see it. */
export interface Stage {
  readonly switches: Switches;
  readonly pace: Pace;
  /** The time is up: no new step. */
  isOver: boolean;
  /** The broker or this process has more to do than it can: nobody publishes. */
  isBusy: boolean;
}

type Step = (actor: Actor) => Promise<void> | void;
type Weighted = readonly (readonly [weight: number, step: Step])[];

export class Actor {
  readonly role: Role;
  readonly client: Client;
  readonly random: Random;
  readonly stage: Stage;
  /** What it wants to be subscribed to. */
  readonly filters = new Map<string, QoS>();

  constructor(role: Role, client: Client, random: Random, stage: Stage) {
    this.role = role;
    this.client = client;
    this.random = random;
    this.stage = stage;
  }

  /** Connects and subscribes to what the role begins with. */
  async begin(): Promise<void> {
    await this.connect();
    const first: (readonly [string, QoS])[] =
      this.role === 'witness'
        ? everything.map((filter) => [filter, 2] as const)
        : this.role === 'member'
          ? [shareFilterOf(this.client.id)]
          : this.role === 'publisher'
            ? []
            : [someFilter(this.random), someFilter(this.random)];
    this.subscribe(first);
  }

  /** The member of the steady share that always reads, so that nothing of it may be lost. */
  get isFirstMember(): boolean {
    return this.client.id === 'member-0';
  }

  async play(): Promise<void> {
    const steps = stepsOf[this.role];
    const total = steps.reduce((sum, [weight]) => sum + weight, 0);
    while (!this.stage.isOver) {
      const step = drawStep(steps, this.random.below(total));
      await step(this);
      await delay(1 + this.random.below(12));
    }
    this.client.link?.connection.resume();
    this.client.reception.releaseAnswers();
  }

  async connect(terms: Partial<ConnectTerms> = {}): Promise<void> {
    const isAlone = this.role === 'witness' || this.isFirstMember;
    const will = isAlone ? undefined : this.#someWill();
    const isIn = await this.client.connect({ transport: this.random.pick(transports), will, ...terms });
    if (!isIn) return;
    // What may have got lost with the last connection, or with its session.
    const missing = [...this.filters].filter(([filter]) => !this.isSure(filter));
    this.subscribe(missing);
  }

  isSure(filter: string): boolean {
    const period = this.client.life?.subscriptions.get(filter)?.periods.at(-1);
    return period !== undefined && Number.isFinite(period.sureAt) && !Number.isFinite(period.leftAt);
  }

  subscribe(filters: readonly (readonly [filter: string, qos: QoS])[]): void {
    const wanted = new Map(filters.map(([filter, qos]) => [filter, this.filters.get(filter) ?? qos]));
    for (const [filter, qos] of wanted) this.filters.set(filter, qos);
    if (wanted.size > 0) this.client.subscribe([...wanted]);
  }

  #someWill(): WillTerms | undefined {
    const { random, client, stage } = this;
    if (!stage.switches.has('wills') || chance(random, 40)) return undefined;
    const qos = random.below(3) as QoS;
    return {
      topic: ownTopic(client.id),
      qos,
      // One of QoS 0 may be retained and yet have been dropped for those who could tell.
      retain: qos > 0 && chance(random, 20),
      delaySeconds: chance(random, 70) ? 0 : 1,
    };
  }
}

function drawStep(steps: Weighted, drawn: number): Step {
  let left = drawn;
  for (const [weight, step] of steps) {
    if (left < weight) return step;
    left -= weight;
  }
  return rest;
}

// --- steps ------------------------------------------------------------------------------------------

const briskTimes = 4;

function publishSome(topicOf: (random: Random) => string, most: number): Step {
  return ({ client, random, stage }) => {
    if (stage.isBusy) return;
    const topic = topicOf(random);
    const qos = random.below(3) as QoS;
    const times = stage.pace === 'brisk' ? briskTimes : 1;
    for (let count = times * (1 + random.below(most)); count > 0; count--) {
      client.publish({ topic, qos, payloadBytes: someSize(random), mayExpire: mayExpire(client, random) });
    }
  };
}

/** Mostly small; some are too large for the clients that take only small packets, and fill sockets. */
function someSize(random: Random): number {
  return chance(random, 95) ? random.below(smallPacketBytes / 4) : smallPacketBytes * (2 + random.below(10));
}

function mayExpire({ version }: Client, random: Random): boolean {
  return version === 5 && chance(random, 1);
}

const speak: Step = ({ client, random, stage }) => {
  if (stage.isBusy) return;
  for (let count = 1 + random.below(4); count > 0; count--) {
    client.publish({ topic: ownTopic(client.id), qos: random.below(3) as QoS });
  }
};

const retainOne: Step = ({ client, random, stage }) => {
  if (!stage.switches.has('retained') || stage.isBusy) return;
  const isClearing = client.version === 5 && chance(random, 20);
  client.publish({ topic: retainedTopic(random), qos: random.below(3) as QoS, retain: true, isClearing });
};

const subscribeMore: Step = (actor) => {
  if (actor.client.reception.isAwaiting && chance(actor.random, 50)) return;
  actor.subscribe([someFilter(actor.random)]);
};

const joinShare: Step = (actor) => {
  actor.subscribe([shareFilterOf(actor.client.id)]);
};

const leaveFilter: Step = ({ client, random, filters }) => {
  const all = [...filters.keys()];
  if (all.length === 0 || !client.isConnected) return;
  const filter = random.pick(all);
  filters.delete(filter);
  client.unsubscribe(filter);
};

const leaveShare: Step = (actor) => (actor.isFirstMember ? undefined : leaveFilter(actor));

/** Leaves in one of many ways, perhaps with packets under way, stays away for a while and comes back. */
const roam: Step = async (actor) => {
  const { client, random } = actor;
  if (actor.isFirstMember) return;
  if (chance(random, 30)) await speak(actor);
  if (chance(random, 30)) subscribeOrLeave(actor);
  const way = random.below(4);
  if (way === 0) await client.part();
  if (way === 1) client.die('fin');
  if (way === 2) client.die('reset');
  if (way < 3 && chance(random, 40)) await delay(random.below(random.pick([5, 50, 400, 2_500])));
  await actor.connect();
};

function subscribeOrLeave(actor: Actor): void {
  const { role, random } = actor;
  if (role === 'publisher') return;
  if (chance(random, 50)) void (role === 'member' ? joinShare(actor) : subscribeMore(actor));
  else void leaveFilter(actor);
}

/** Connects again without having left: the broker ends the old connection. */
const takeOver: Step = async (actor) => {
  if (chance(actor.random, 50)) await speak(actor);
  await actor.connect();
  if (chance(actor.random, 50)) await speak(actor);
};

/** Ends the session and begins a new one. */
const startAnew: Step = async (actor) => {
  const { client, random, stage } = actor;
  if (!client.terms.isLasting) return;
  if (client.version === 5 && !client.world.hasCrashes && !stage.isOver && chance(random, 50)) {
    await client.part(true);
    await actor.connect();
  } else if (client.version === 5) await actor.connect({ cleanStart: true });
};

/** Opens a connection and gives it up before or about when it is let in. */
const beHasty: Step = async (actor) => {
  const { client, random, stage } = actor;
  if (!stage.switches.has('hasty')) return;
  const link = client.open({ transport: random.pick(transports) });
  if (chance(random, 60)) await delay(random.below(4));
  client.abandon(link, random.pick<Death>(['fin', 'reset']));
  await actor.connect();
};

const stopReading: Step = async ({ client, random }) => {
  client.reception.isSlow = true;
  const connection = client.link?.connection;
  connection?.pause();
  await delay(random.below(random.pick([20, 300, 1_500])));
  connection?.resume();
};

const holdAnswers: Step = async ({ client, random }) => {
  client.reception.isSlow = true;
  client.reception.holdAnswers();
  await delay(random.below(random.pick([20, 300, 1_500])));
  client.reception.releaseAnswers();
};

const rest: Step = async ({ random }) => {
  await delay(random.below(60));
};

const stepsOf: Readonly<Record<Role, Weighted>> = {
  witness: [[1, rest]],
  publisher: [
    [50, publishSome(plainTopic, 12)],
    [12, publishSome(sharedTopic, 8)],
    [8, retainOne],
    [8, speak],
    [2, roam],
    [2, takeOver],
  ],
  roamer: [
    [8, roam],
    [4, takeOver],
    [1, startAnew],
    [2, beHasty],
    [4, subscribeMore],
    [3, leaveFilter],
    [4, speak],
    [2, retainOne],
    [6, rest],
  ],
  guest: [
    [6, roam],
    [3, takeOver],
    [1, beHasty],
    [5, subscribeMore],
    [3, leaveFilter],
    [4, speak],
    [6, rest],
  ],
  sloth: [
    [4, stopReading],
    [4, holdAnswers],
    [1, roam],
    [2, takeOver],
    [3, rest],
  ],
  member: [
    [5, roam],
    [3, takeOver],
    [1, startAnew],
    [3, joinShare],
    [3, leaveShare],
    [20, rest],
  ],
  stormer: [[1, rest]],
  sensor: [[1, rest]],
};
