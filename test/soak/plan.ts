/**
 * What the seed of a round decides: the broker's bounds, who takes part, what may happen. The same seed, number of
 * workers and switches give the same plan, and each client draws what it does from a seed of its own.
 */
import type { Limits } from '../../core/config/limits.ts';
import type { ProtocolVersion } from '../../core/wire/packets.ts';
import { Random } from '../support/random.ts';
import type { Failure } from './broker/broker-process.ts';
import type { Switches } from './switches.ts';

/** What a client is there for; each is explained in actors.ts. */
export type Role = 'witness' | 'publisher' | 'roamer' | 'guest' | 'sloth' | 'member' | 'stormer' | 'sensor';

export interface CastMember {
  readonly role: Role;
  readonly clientId: string;
  readonly seed: number;
  readonly version: ProtocolVersion;
  readonly isLasting: boolean;
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number;
  readonly topicAliasMaximum: number;
}

export interface Plan {
  readonly seed: number;
  readonly workers: number;
  readonly seconds: number;
  readonly switches: Switches;
  /** Bounds are so small that messages may be dropped. */
  readonly isTight: boolean;
  readonly limits: Partial<Limits>;
  readonly cast: readonly CastMember[];
  readonly crashes: readonly Crash[];
  /** Of 100 commits of a lane how many are put off; 0: none. */
  readonly delayPercent: number;
  readonly pace: Pace;
  /** From the end of the actions until everybody must have caught up. */
  readonly restMsMax: number;
}

/** `brisk`: default bounds, no crashes, and publishers that publish much more, so that a short round sees many messages. */
export type Pace = 'even' | 'brisk';

/** A worker's thread ends: by an error of its own, or from outside. */
export interface Crash {
  readonly how: Failure;
  /** Any number: the worker that is left when it is divided by how many there are. */
  readonly worker: number;
  /** From the start. */
  readonly atMs: number;
}

export interface PlanTerms {
  readonly seed: number;
  readonly workers: number;
  readonly seconds: number;
  readonly switches: Switches;
  /** Default `even`. */
  readonly pace?: Pace;
  /** Default 60,000. */
  readonly restMsMax?: number;
}

/** How many of each there are, at least and at most. */
const castSizes: Readonly<Record<Role, readonly [number, number]>> = {
  witness: [3, 4],
  publisher: [3, 4],
  roamer: [4, 7],
  guest: [2, 4],
  sloth: [1, 2],
  member: [4, 7],
  stormer: [1, 2],
  sensor: [1, 3],
};

/** A client that takes only small packets takes those of at most this many bytes. */
export const smallPacketBytes = 512;

export function planOf({
  seed,
  workers,
  seconds,
  switches,
  pace = 'even',
  restMsMax = 60_000,
}: PlanTerms): Plan {
  const random = new Random(seed);
  if (pace === 'brisk') {
    const cast = castOf(random, switches);
    const base = { seed, workers, seconds, switches, cast, pace, restMsMax };
    return { ...base, isTight: false, limits: queueLimits, crashes: [], delayPercent: 0 };
  }
  const isTight = chance(random, 25) && switches.has('tight');
  const crashes = crashesOf(random, seconds, switches);
  const isDelayed = chance(random, 50);
  return {
    seed,
    workers,
    seconds,
    switches,
    isTight,
    limits: isTight ? tightLimits(random) : roomyLimits(random),
    cast: castOf(random, switches),
    crashes,
    delayPercent: isDelayed && switches.has('delays') ? 1 + random.below(60) : 0,
    pace,
    restMsMax,
  };
}

function crashesOf(random: Random, seconds: number, switches: Switches): Crash[] {
  const ways: Failure[] = [];
  if (switches.has('crashes')) ways.push('crash');
  if (switches.has('terminate')) ways.push('terminate');
  const count = chance(random, 40) ? 1 + random.below(3) : 0;
  // Drawn whatever is switched on, so that the rest of the plan stays the same.
  const drawn = Array.from({ length: count }, () => {
    return { atMs: random.below(seconds * 1_000), worker: random.below(64), way: random.below(64) };
  });
  return drawn.flatMap(({ atMs, worker, way }) => {
    const how = ways[way % ways.length];
    return how === undefined ? [] : [{ how, worker, atMs }];
  });
}

export function chance(random: Random, percent: number): boolean {
  return random.below(100) < percent;
}

/** Nothing is dropped but QoS 0; flow control is as tight as may be. */
function roomyLimits(random: Random): Partial<Limits> {
  return {
    ...flowLimits(random),
    ...queueLimits,
  };
}

/** More than a round has. */
const queueLimits = {
  sessionQueueMessagesMax: 10_000_000,
  sessionQueueBytesMax: 2 ** 31,
  sessionsTotalBytesMax: 2 ** 34,
};

function tightLimits(random: Random): Partial<Limits> {
  return {
    ...flowLimits(random),
    sessionQueueMessagesMax: random.pick([20, 100, 400]),
    sessionQueueBytesMax: 2 ** 21,
  };
}

function flowLimits(random: Random): Partial<Limits> {
  return {
    receiveMaximum: random.pick([1, 3, 20, 200, 1_024]),
    inflightMax: random.pick([1, 2, 10, 100, 1_024]),
    outboxMessagesMax: random.pick([2, 20, 1_000]),
    outboxBytesMax: random.pick([2 ** 16, 2 ** 20]),
    maximumPacketSizeBytes: 2 ** 16,
    inputBufferBytesMax: random.pick([0, 2_048, 2 ** 18]),
    laneRecords: random.pick([1_024, 16_384]),
    topicAliasMaximum: random.pick([0, 2, 64]),
    outgoingTopicAliasesMax: random.pick([0, 2, 64]),
  };
}

function castOf(random: Random, switches: Switches): CastMember[] {
  const cast: CastMember[] = [];
  for (const [role, [least, most]] of Object.entries(castSizes) as [Role, readonly [number, number]][]) {
    const count = least + random.below(most - least + 1);
    for (let index = 0; index < count; index++) cast.push(memberOf(random, role, index));
  }
  return cast.filter(
    ({ role }) =>
      (role !== 'member' || switches.has('shares')) &&
      (role !== 'stormer' || switches.has('storms')) &&
      (role !== 'sloth' || switches.has('slow')) &&
      (role !== 'sensor' || switches.has('dashes')),
  );
}

function memberOf(random: Random, role: Role, index: number): CastMember {
  // The witnesses see all: what they are subscribed to, and that they are the best readers, is not left to chance.
  const isWitness = role === 'witness';
  const version = isWitness || chance(random, 60) ? 5 : 4;
  const isLasting = isWitness
    ? index > 0
    : role === 'guest'
      ? false
      : role !== 'sensor' && chance(random, 75);
  const isV5 = version === 5;
  return {
    role,
    clientId: `${role}-${index}`,
    seed: random.below(2 ** 31),
    version,
    isLasting: role === 'roamer' || role === 'sloth' || isLasting,
    receiveMaximum: isV5 && !isWitness ? random.pick([1, 2, 5, 50, 65_535]) : 65_535,
    maximumPacketSize: isV5 && !isWitness && chance(random, 25) ? smallPacketBytes : 0,
    topicAliasMaximum: isV5 ? random.pick([0, 1, 10]) : 0,
  };
}
