/** The topics of a soak and the filters over them. What a topic is there for stands in its first level. */
import type { QoS } from '../../core/wire/packets.ts';
import type { Random } from '../support/random.ts';

const plainCount = 8;
const retainedCount = 5;
const sharedCount = 4;
const groupCount = 2;

/** The share that always has a member which reads; the other one is left to its members. */
export const steadyGroup = 'g0';

export const everything = ['t/#', 'w/#', 'r/#', 's/#'] as const;

export function plainTopic(random: Random): string {
  return `t/${random.below(plainCount)}`;
}

export function retainedTopic(random: Random): string {
  return `r/${random.below(retainedCount)}`;
}

export function sharedTopic(random: Random): string {
  return `s/${random.below(sharedCount)}`;
}

/** What a client says about itself, and its will. */
export function ownTopic(clientId: string): string {
  return `w/${clientId}`;
}

export function isShared(topic: string): boolean {
  return topic.startsWith('s/');
}

/** A filter over what is not shared, with the QoS that everybody asks for there. */
export function someFilter(random: Random): readonly [filter: string, qos: QoS] {
  const index = random.below(plainCount);
  const filter = random.pick([
    `t/${index}`,
    `t/${index}`,
    't/+',
    't/#',
    'w/#',
    'w/+',
    'r/#',
    `r/${index % retainedCount}`,
  ]);
  return [filter, qosOf(filter)];
}

function qosOf(filter: string): QoS {
  return (Buffer.from(filter).reduce((sum, byte) => sum + byte, 0) % 3) as QoS;
}

/** The one share that a client is a member of. */
export function shareFilterOf(clientId: string): readonly [filter: string, qos: QoS] {
  const index = Number(clientId.split('-').at(-1)) % groupCount;
  return index === 0 ? [`$share/${steadyGroup}/s/#`, 1] : ['$share/g1/s/+', 2];
}
