/**
 * The lives of the sessions: from the CONNACK that begins one to whatever ends it. A client identifier has one
 * after the other. A life knows what it is subscribed to, for how long and how surely, and what it was handed.
 */
import type { ProtocolVersion, QoS } from '../../../core/wire/packets.ts';
import { topicMatchesFilter, unsharedFilter } from '../../../core/wire/topic.ts';
import { never } from './fault.ts';
import type { Publication } from './publications.ts';

/** A subscription, from one SUBSCRIBE to the UNSUBSCRIBE that ends it. */
export interface Period {
  /** The SUBSCRIBE was written: from here on it may be there. */
  readonly askedAt: number;
  /** Its SUBACK came: from here on it is there. */
  sureAt: number;
  /** The UNSUBSCRIBE was written. */
  leftAt: number;
  /** Its UNSUBACK came: from here on it is not there. */
  goneAt: number;
}

export interface Subscription {
  readonly filter: string;
  readonly qos: QoS;
  readonly periods: Period[];
}

/** A message as the application got it: QoS 2 once, and of what comes again only the first. */
export interface Handed {
  readonly publication: Publication;
  readonly connection: number;
  readonly qos: QoS;
  readonly at: number;
}

/** A connection of the session, behind its CONNACK. */
export interface Attachment {
  readonly connection: number;
  readonly since: number;
  until: number;
  /** The broker cannot have seen its end before. */
  goesAt: number;
}

export interface LifeTerms {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** The session outlives its connections. */
  readonly isLasting: boolean;
  /** Of the packets that the client takes; 0: of any size. */
  readonly maximumPacketSize: number;
}

export class Life {
  readonly terms: LifeTerms;
  readonly startedAt: number;
  endedAt = never;
  readonly subscriptions = new Map<string, Subscription>();
  readonly attachments: Attachment[] = [];
  readonly handed: Handed[] = [];
  /** The connection on which each publication came last. */
  readonly lastConnection = new Map<number, number>();
  readonly #byTopic = new Map<string, Subscription[]>();

  constructor(terms: LifeTerms, startedAt: number) {
    this.terms = terms;
    this.startedAt = startedAt;
  }

  subscribing(filter: string, qos: QoS, at: number): Period {
    let subscription = this.subscriptions.get(filter);
    if (subscription === undefined) {
      subscription = { filter, qos, periods: [] };
      this.subscriptions.set(filter, subscription);
      this.#byTopic.clear();
    }
    const last = subscription.periods.at(-1);
    if (last !== undefined && last.leftAt === never) return last; // the same again
    if (last !== undefined && last.goneAt === never) last.goneAt = at; // this one covers the rest of it
    const period: Period = { askedAt: at, sureAt: never, leftAt: never, goneAt: never };
    subscription.periods.push(period);
    return period;
  }

  /** The period that an UNSUBSCRIBE ends; undefined if there is none. */
  leaving(filter: string, at: number): Period | undefined {
    const period = this.subscriptions.get(filter)?.periods.at(-1);
    if (period !== undefined && period.leftAt === never) period.leftAt = at;
    return period;
  }

  /** Those that take messages of the topic, also through shares. */
  subscriptionsTo(topic: string): readonly Subscription[] {
    let found = this.#byTopic.get(topic);
    if (found === undefined) {
      found = [...this.subscriptions.values()].filter(({ filter }) =>
        topicMatchesFilter(topic, unsharedFilter(filter)),
      );
      this.#byTopic.set(topic, found);
    }
    return found;
  }

  end(at: number): void {
    if (this.endedAt === never) this.endedAt = at;
  }
}

/** What a session was subscribed to that matches a topic, for a report. */
export function subscriptionsText(life: Life, topic: string): string {
  const all = life.subscriptionsTo(topic).map(({ filter, qos, periods }) => {
    const times = periods.map(({ askedAt, sureAt, leftAt, goneAt }) =>
      [askedAt, sureAt, leftAt, goneAt].join(' '),
    );
    return `${filter} QoS ${qos} asked, sure, left, gone at ${times.join(' and ')}`;
  });
  return `life from ${life.startedAt}: ${all.join('; ') || 'nothing'}`;
}

/** Whether a subscription may have been there for something that lasted from `from` to `to`. */
export function mayCover({ periods }: Subscription, from: number, to: number): boolean {
  return periods.some(({ askedAt, goneAt }) => askedAt < to && from < goneAt);
}
