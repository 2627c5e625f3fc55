/**
 * Nothing is lost. A session must have been handed each message
 *
 *   - that was published while it was surely subscribed and, if the subscription or the session has ended since, that
 *     comes before the last message of the topic which it was handed in that time;
 *   - with QoS 0 only while it was connected, and up to the last one that came on that connection.
 *
 * What is missing must have been counted by the broker as dropped.
 */
import type { Statistics } from '../../../core/broker.ts';
import type { QoS } from '../../../core/wire/packets.ts';
import { isSharedFilter, topicMatchesFilter } from '../../../core/wire/topic.ts';
import { never } from './fault.ts';
import type { Attachment, Handed, Life, Period } from './lives.ts';
import type { Model } from './model.ts';
import { type Chains, isMember } from './order.ts';
import { hasArrived, isOtherAttempt, nameOf, type Publication } from './publications.ts';

export interface Missing {
  readonly life: Life;
  /** When it was surely subscribed. */
  readonly from: number;
  readonly to: number;
  readonly publication: Publication;
}

/** What each session has not been handed; those of QoS 1 and 2 and those of QoS 0. */
export interface AllMissing {
  readonly reliable: Missing[];
  readonly unreliable: Missing[];
}

export function missingOf(model: Model, chains: Chains): AllMissing {
  const byTopic = arrivedByTopic(model.publications.all);
  const missing: AllMissing = { reliable: [], unreliable: [] };
  for (const life of model.lives) {
    if (isMember(life)) continue; // shares.ts
    for (const [topic, publications] of byTopic) {
      if (life.subscriptionsTo(topic).length === 0) continue;
      const chain = chains.get(topic)?.get(life) ?? [];
      compare(life, topic, publications, chain, missing);
    }
  }
  return missing;
}

/** `wills`: so many wills of QoS 0 have not come. */
export function checkMissing(
  model: Model,
  { reliable, unreliable }: AllMissing,
  wills: number,
  counters: Statistics,
): void {
  const { droppedQos0, droppedQueueFull } = counters;
  tell(model, 'lost', reliable, 0, droppedQueueFull, counters);
  tell(model, 'lost with QoS 0', unreliable, wills, droppedQos0, counters);
}

function tell(
  model: Model,
  rule: string,
  missing: readonly Missing[],
  wills: number,
  counted: number,
  counters: Statistics,
): void {
  if (missing.length + wills <= counted) return;
  const some = missing.slice(0, 5).map(({ life, publication, from, to }) => {
    const sent = `sent at ${publication.sentAt}, subscribed from ${from} to ${to}`;
    return `${life.terms.clientId} has not got ${nameOf(publication)} (${sent})`;
  });
  const bySession = new Map<string, number>();
  for (const { life } of missing)
    bySession.set(life.terms.clientId, (bySession.get(life.terms.clientId) ?? 0) + 1);
  const sessions = [...bySession].map(([clientId, lost]) => `${clientId} ${lost}`).join(', ');
  const drops = Object.entries(counters).filter(
    ([name, value]) => /dropped|withheld/i.test(name) && value > 0,
  );
  const counts = drops.map(([name, value]) => `${name} ${value}`).join(', ');
  const count = `${missing.length} messages and ${wills} wills are missing (${sessions}), ${counted} are counted (${counts})`;
  const [first] = missing;
  const parties = first === undefined ? [] : [first.life.terms.clientId, first.publication];
  model.fault(rule, `${count}: ${some.join('; ')}`, ...parties);
}

/** What the broker has for sure, each message once. */
function arrivedByTopic(all: readonly Publication[]): Map<string, Publication[]> {
  const byTopic = new Map<string, Publication[]>();
  for (const publication of all) {
    if (publication.isWill && publication.deliveries === 0) continue; // wills.ts
    if (!hasArrived(publication) || isOtherAttempt(publication)) continue;
    const list = byTopic.get(publication.topic);
    if (list === undefined) byTopic.set(publication.topic, [publication]);
    else list.push(publication);
  }
  return byTopic;
}

/** A stretch of time in which a session was surely subscribed, with the highest QoS that it surely had. */
interface Stretch {
  readonly from: number;
  /** `never`: it lasts. */
  readonly to: number;
  readonly qos: QoS;
  /** Of this connection only. */
  readonly connection?: number;
}

function compare(
  life: Life,
  topic: string,
  publications: readonly Publication[],
  chain: readonly Handed[],
  missing: AllMissing,
): void {
  const stretches = stretchesOf(life, topic);
  if (stretches.length === 0) return;
  const had = new Set(chain.map(({ publication }) => publication.number));
  for (const publication of publications) {
    if (had.has(publication.number) || isExempt(life, publication)) continue;
    for (const stretch of stretches) {
      const { from, to } = stretch;
      const isReliable = Math.min(stretch.qos, publication.qos) > 0;
      const parts = isReliable ? [stretch] : life.attachments.map((each) => within(stretch, each));
      if (!parts.some((part) => isDue(publication, part, chain))) continue;
      (isReliable ? missing.reliable : missing.unreliable).push({ life, publication, from, to });
      break;
    }
  }
}

function isExempt({ terms, startedAt, endedAt }: Life, publication: Publication): boolean {
  const { maximumPacketSize, version } = terms;
  const { payloadBytes, sentAt, mayExpire, isClearing } = publication;
  const isTooLarge = maximumPacketSize > 0 && payloadBytes > maximumPacketSize;
  const isUnknown = isClearing && version < 5;
  return isTooLarge || isUnknown || mayExpire || sentAt < startedAt || sentAt > endedAt;
}

function stretchesOf(life: Life, topic: string): Stretch[] {
  const stretches: Stretch[] = [];
  for (const { filter, qos, periods } of life.subscriptions.values()) {
    if (isSharedFilter(filter) || !topicMatchesFilter(topic, filter)) continue;
    for (const { sureAt, leftAt } of periods as readonly Period[]) {
      if (sureAt !== never) stretches.push({ from: sureAt, to: Math.min(leftAt, life.endedAt), qos });
    }
  }
  return stretches;
}

function within(stretch: Stretch, { connection, since, until }: Attachment): Stretch {
  const { from, to, qos } = stretch;
  return { from: Math.max(from, since), to: Math.min(to, until), qos, connection };
}

/** Whether the session must have been handed it in this stretch. */
function isDue(
  publication: Publication,
  { from, to, connection }: Stretch,
  chain: readonly Handed[],
): boolean {
  if (from >= to) return false;
  const { sentAt, position } = publication;
  if (to === never && sentAt > from) return true;
  if (position < 0) return false;
  // It was matched in this stretch if another that was comes before it, and one that has arrived since behind it.
  let isBehind = sentAt > from;
  for (const { publication: other, at, connection: itsConnection } of chain) {
    if (at >= to) break;
    if (other.position < 0 || (connection !== undefined && itsConnection !== connection)) continue;
    if (other.position < position) isBehind ||= other.sentAt > from;
    else if (isBehind) return true;
  }
  return false;
}
