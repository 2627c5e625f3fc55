/**
 * Shared subscriptions (5.0, 4.8.2): of each share, one member gets each message.
 *
 *   - two members get it only if the first has lost its connection, maybe before it has answered, and with QoS 1;
 *   - none gets it only if all queues were full, which is counted, or no member was there.
 */
import type { Statistics } from '../../../core/broker.ts';
import { isSharedFilter } from '../../../core/wire/topic.ts';
import { isShared, steadyGroup } from '../topics.ts';
import type { AllMissing } from './completeness.ts';
import { never } from './fault.ts';
import type { Handed, Life } from './lives.ts';
import { isOpen, type Model } from './model.ts';
import { hasArrived, nameOf, type Publication } from './publications.ts';

/** A delivery of a shared message to a member. */
interface Share {
  readonly life: Life;
  readonly handed: Handed;
}

export function checkShares(
  model: Model,
  missing: AllMissing,
  counters: Statistics,
  findsLoss: boolean,
): void {
  for (const [name, group] of groupsOf(model)) {
    for (const shares of group.values()) checkOnce(model, name, shares);
  }
  if (!findsLoss) return;
  const lost = lostOf(model);
  const counted = counters.droppedQueueFull - missing.reliable.length;
  const [first] = lost;
  if (first === undefined || lost.length <= counted) return;
  const names = lost.slice(0, 5).map(nameOf).join('; ');
  model.fault(
    'share-loss',
    `no member of ${steadyGroup} got ${lost.length} messages: ${names}`,
    first,
    'member-0',
  );
}

/** Who was handed what, by group. A client is a member of one group only. */
function groupsOf(model: Model): Map<string, Map<number, Share[]>> {
  const groups = new Map<string, Map<number, Share[]>>();
  for (const life of model.lives) {
    const [name] = groupNamesOf(life);
    if (name === undefined) continue;
    const group = groups.get(name) ?? new Map<number, Share[]>();
    groups.set(name, group);
    for (const handed of life.handed) {
      if (!isShared(handed.publication.topic)) continue;
      const { number } = handed.publication;
      const shares = group.get(number);
      if (shares === undefined) group.set(number, [{ life, handed }]);
      else shares.push({ life, handed });
    }
  }
  return groups;
}

function groupNamesOf({ subscriptions }: Life): string[] {
  const filters = [...subscriptions.keys()].filter(isSharedFilter);
  return [...new Set(filters.map((filter) => filter.slice('$share/'.length).split('/')[0] ?? ''))];
}

/** Of two who got a message one must have been gone before the other got it, in whatever order it was read. */
function checkOnce(model: Model, group: string, shares: readonly Share[]): void {
  const lives = new Set(shares.map(({ life }) => life));
  const [first] = shares;
  if (first === undefined || lives.size === 1) return;
  const arePassedOn = shares.every((one, index) =>
    shares.slice(index + 1).every((other) => mayBePassedOn(one, other) || mayBePassedOn(other, one)),
  );
  if (arePassedOn && shares.every(({ handed }) => handed.qos === 1)) return;
  const clients = [...lives].map(({ terms }) => terms.clientId);
  const { publication, qos } = first.handed;
  const what = `${clients.join(' and ')} of share ${group} all got ${nameOf(publication)}, with QoS ${qos}`;
  model.fault('shared twice', what, ...clients, publication, ...shares.map(({ handed }) => handed.at));
}

/** Whether the broker may have taken the message back from one member before the other got it. */
function mayBePassedOn({ life, handed }: Share, { handed: next }: Share): boolean {
  const attachment = life.attachments.find(({ connection }) => connection === handed.connection);
  return attachment === undefined || attachment.goesAt < next.at;
}

/** Whether a member has lost its connection, or left the share, behind the delivery. */
function hasLeft({ life, handed }: Share): boolean {
  const attachment = life.attachments.find(({ connection }) => connection === handed.connection);
  if (attachment?.until !== never || life.endedAt !== never) return true;
  const periods = [...life.subscriptions.values()].flatMap((subscription) => subscription.periods);
  return periods.some(({ leftAt }) => leftAt !== never && leftAt > handed.at);
}

/** Messages that were published while the steady share had a member for sure, and that none got. */
function lostOf(model: Model): Publication[] {
  const sureFrom = membersOf(model, steadyGroup)
    .filter(isOpen)
    .flatMap(({ subscriptions }) => {
      const periods = [...subscriptions.values()].flatMap((subscription) => subscription.periods);
      return periods.filter(({ leftAt }) => leftAt === never).map(({ sureAt }) => sureAt);
    });
  const from = Math.min(...sureFrom);
  // A member that takes only small packets has the larger ones dropped, as 3.1.2.11.4 says.
  const bytesMax = Math.min(
    ...membersOf(model, steadyGroup).map(({ terms }) => terms.maximumPacketSize || never),
  );
  return unclaimedOf(model, steadyGroup, ({ message }) => message.attempts).filter(
    (each) => hasArrived(each) && each.sentAt > from && !each.mayExpire && each.payloadBytes <= bytesMax,
  );
}

/**
 * How many messages may have found no member of a share that is left to its members: those that nobody got, and those
 * that were taken back from a member which had got them and left before the broker had read its PUBACK. The steady share
 * always has a member, unless a worker has failed with its session.
 */
export function unclaimedCount(model: Model, hasCrashes: boolean): number {
  const names = new Set(model.lives.flatMap(groupNamesOf));
  if (!hasCrashes) names.delete(steadyGroup);
  const countOf = (name: string): number =>
    unclaimedOf(model, name, attemptsOf).length + takenBackOf(model, name).length;
  return [...names].reduce((sum, name) => sum + countOf(name), 0);
}

/**
 * With which attempts a message may have come that this one brings to the broker. What is sent again with QoS 1 may have
 * been had the first time: each attempt is a message of its own. With QoS 2 all are one.
 */
function attemptsOf(publication: Publication): readonly Publication[] {
  const { qos, message } = publication;
  return qos === 2 ? message.attempts : [publication];
}

function takenBackOf(model: Model, group: string): Share[] {
  const shares = membersOf(model, group).flatMap((life) => life.handed.map((handed) => ({ life, handed })));
  return shares.filter(
    (share) => isShared(share.handed.publication.topic) && share.handed.qos === 1 && hasLeft(share),
  );
}

/**
 * Messages of QoS 1 and 2 that no member of a share got, whether the broker has them for sure or not, each attempt for
 * itself. `attemptsThatCount`: with which of its attempts a message may have come.
 */
function unclaimedOf(
  model: Model,
  group: string,
  attemptsThatCount: (publication: Publication) => readonly Publication[],
): Publication[] {
  const members = membersOf(model, group);
  const had = new Set(members.flatMap(({ handed }) => handed.map(({ publication }) => publication.number)));
  return model.publications.all.filter((publication) => {
    if (!isShared(publication.topic) || publication.qos === 0) return false;
    return attemptsThatCount(publication).every(({ number }) => !had.has(number));
  });
}

function membersOf(model: Model, group: string): Life[] {
  return model.lives.filter((life) => groupNamesOf(life).includes(group));
}
