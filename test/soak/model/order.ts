/**
 * One order per topic: all sessions were handed a topic's messages in the same order, and it is the order in which
 * each client published them.
 *
 * The session that was handed most of a topic is its witness. What it saw is the order that the others must have
 * seen too: they may miss some, but nothing changes places.
 */
import type { Switches } from '../switches.ts';
import { isShared } from '../topics.ts';
import type { Handed, Life } from './lives.ts';
import type { Model } from './model.ts';
import { nameOf, type Publication } from './publications.ts';

/** What a session was handed of each topic, in order. */
export type Chains = ReadonlyMap<string, ReadonlyMap<Life, readonly Handed[]>>;

export function chainsOf(lives: readonly Life[]): Chains {
  const chains = new Map<string, Map<Life, Handed[]>>();
  for (const life of lives) {
    for (const handed of life.handed) {
      const { topic } = handed.publication;
      // A shared message may come to a member after others have had it.
      if (isShared(topic) && isMember(life)) continue;
      const byLife = chains.get(topic) ?? new Map<Life, Handed[]>();
      chains.set(topic, byLife);
      const chain = byLife.get(life) ?? [];
      byLife.set(life, chain);
      chain.push(handed);
    }
  }
  return chains;
}

export function isMember({ subscriptions }: Life): boolean {
  return [...subscriptions.keys()].some((filter) => filter.startsWith('$share/'));
}

/** Gives each publication its position, and looks at all chains. */
export function checkOrder(model: Model, chains: Chains, switches: Switches): void {
  for (const [topic, byLife] of chains) {
    const [witness, chain = []] = [...byLife].reduce((most, each) =>
      each[1].length > most[1].length ? each : most,
    );
    for (const [index, { publication }] of chain.entries()) publication.position = index;
    for (const [life, other] of byLife) {
      if (life !== witness) checkAgainst(model, topic, witness, life, other);
      checkPublishers(model, life, other, switches);
    }
  }
}

function checkAgainst(
  model: Model,
  topic: string,
  witness: Life,
  life: Life,
  chain: readonly Handed[],
): void {
  let last: Publication | undefined;
  for (const { publication } of chain) {
    if (publication.position < 0) continue;
    if (last !== undefined && publication.position < last.position) {
      const { clientId } = life.terms;
      model.fault(
        'order',
        `on ${topic} ${clientId} got ${nameOf(last)} before ${nameOf(publication)}, ${witness.terms.clientId} after it`,
        clientId,
        witness.terms.clientId,
        last,
        publication,
      );
      return;
    }
    last = publication;
  }
}

/** A client's messages come in the order of its connections; on one, as they were sent, and its will last. */
function checkPublishers(model: Model, life: Life, chain: readonly Handed[], switches: Switches): void {
  const lastOf = new Map<string, Publication>();
  for (const { publication } of chain) {
    const last = lastOf.get(publication.client);
    lastOf.set(publication.client, publication);
    if (last === undefined || isAfter(publication, last)) continue;
    const rule = ruleOf(last, publication);
    if (rule === 'publisher order' || switches.has(rule)) {
      model.fault(
        rule,
        `${life.terms.clientId} got ${nameOf(last)} before ${nameOf(publication)}`,
        life.terms.clientId,
        last,
        publication,
      );
      return;
    }
  }
}

function isAfter(later: Publication, earlier: Publication): boolean {
  if (later.connection !== earlier.connection) return later.connection > earlier.connection;
  if (later.isWill !== earlier.isWill) return later.isWill;
  return later.number > earlier.number;
}

type Rule = 'publisher order' | 'will-order' | 'takeover-order';

/** What is wrong when `second` came behind `first` although it belongs before it. */
function ruleOf(first: Publication, second: Publication): Rule {
  if (first.isWill || second.isWill) return 'will-order';
  return first.connection === second.connection ? 'publisher order' : 'takeover-order';
}
