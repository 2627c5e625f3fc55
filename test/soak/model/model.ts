/**
 * What must be true of a broker, whatever its clients do. The clients of a soak tell the model what they send and
 * what comes; what is wrong by itself is a fault at once, the rest is judged at the end (the other files here).
 */
import type { PublishPacket, QoS } from '../../../core/wire/packets.ts';
import { isSharedFilter } from '../../../core/wire/topic.ts';
import { isShared } from '../topics.ts';
import { type Fault, LogicalClock, never } from './fault.ts';
import { History } from './history.ts';
import { Life, type LifeTerms, mayCover, subscriptionsText } from './lives.ts';
import { nameOf, type Publication, Publications, type PublicationTerms } from './publications.ts';

/** The will of a connection, and how that connection ended. */
export interface WillStory {
  readonly publication: Publication;
  readonly client: string;
  readonly delayMs: number;
  /** The CONNACK came. */
  isAccepted: boolean;
  /** `silent`: it must be published; `parted`: it must not; `unknown`: either is right. */
  end: 'open' | 'silent' | 'parted' | 'unknown';
  /** When the connection ended at the latest, and not before when; when its client was let in again: in real time. */
  endedMs: number;
  endedFromMs: number;
  backMs: number;
  /** When it asked for that. */
  backConnectMs: number;
  /** The session ended meanwhile: the delay is cut short. */
  sessionEnded: boolean;
}

/** Faults of each rule that are kept: the first few say enough. */
const faultsPerRule = 3;

export class Model {
  readonly clock = new LogicalClock();
  readonly history = new History(this.clock);
  readonly publications: Publications;
  readonly lives: Life[] = [];
  readonly wills: WillStory[] = [];
  readonly faults: Fault[] = [];
  /** How often each rule was broken. */
  readonly broken = new Map<string, number>();
  /** PUBLISH packets that have come, of any kind. */
  publishPackets = 0;
  #connections = 0;

  constructor(seed: number) {
    this.publications = new Publications(seed);
  }

  nextConnection(): number {
    return ++this.#connections;
  }

  /** `parties`: whose histories explain it, the publications that it is about, and moments that matter. */
  fault(rule: string, what: string, ...parties: readonly (string | Publication | number)[]): void {
    const count = (this.broken.get(rule) ?? 0) + 1;
    this.broken.set(rule, count);
    if (count > faultsPerRule) return;
    const clients = new Set<string>();
    const moments: number[] = [];
    for (const party of parties) {
      if (typeof party === 'string') clients.add(party);
      else if (typeof party === 'number') moments.push(party);
      else {
        clients.add(party.client);
        moments.push(party.sentAt);
      }
    }
    if (moments.length === 0) moments.push(this.clock.now);
    this.faults.push({ rule, what, clients: [...clients], moments });
  }

  publish(terms: PublicationTerms): Publication {
    const publication = this.publications.add(terms, this.clock.next());
    const { number, topic, qos, isWill, message } = publication;
    const again = message.attempts.length > 1 ? ` again, first ${message.attempts[0]?.number}` : '';
    if (!isWill) this.history.note(terms.client, `publishes ${number} to ${topic}, QoS ${qos}${again}`);
    return publication;
  }

  begin(terms: LifeTerms): Life {
    const life = new Life(terms, this.clock.next());
    this.lives.push(life);
    return life;
  }

  /**
   * A message has come for a session; `isRepeat`: its packet identifier says that it was had (QoS 2). Returns its
   * publication, if there is one.
   */
  delivered(
    life: Life,
    connection: number,
    topic: string,
    packet: PublishPacket,
    isRepeat: boolean,
  ): Publication | undefined {
    this.publishPackets++;
    const { clientId } = life.terms;
    if (packet.payload.length === 0 && life.terms.version < 5) return undefined; // nothing says which one it is
    const publication = this.publications.find(topic, packet);
    if (publication === undefined) {
      this.fault('strange', `${clientId} got what nobody has published, on ${topic}`, clientId);
      return undefined;
    }
    const at = this.clock.next();
    const note = `got ${publication.number} of ${topic}, QoS ${packet.qos}`;
    const flags = `${packet.dup ? ', DUP' : ''}${packet.retain ? ', RETAIN' : ''}`;
    this.history.note(clientId, `${note}${flags} on connection ${connection}`);
    this.#checkSubscribed(life, publication, packet, at);
    if (packet.retain) {
      if (!publication.retain) {
        this.fault(
          'retained',
          `${clientId} got ${nameOf(publication)} as a retained message`,
          clientId,
          publication,
        );
      }
      return publication;
    }
    if (this.#isNew(life, connection, publication, packet, isRepeat)) {
      publication.deliveries++;
      life.handed.push({ publication, connection, qos: packet.qos, at });
    }
    life.lastConnection.set(publication.number, connection);
    return publication;
  }

  #checkSubscribed(life: Life, publication: Publication, packet: PublishPacket, at: number): void {
    const { clientId, maximumPacketSize } = life.terms;
    const { topic, qos, sentAt, answeredAt, payloadBytes } = publication;
    if (maximumPacketSize > 0 && payloadBytes > maximumPacketSize) {
      this.fault(
        'too large',
        `${clientId} got ${nameOf(publication)} of ${payloadBytes} bytes`,
        clientId,
        publication,
      );
    }
    let mostQos: QoS | -1 = -1;
    for (const subscription of life.subscriptionsTo(topic)) {
      // A retained message may be as old as it likes, and a shared one may have been with another member.
      const from = packet.retain ? 0 : sentAt;
      const to = packet.retain || isSharedFilter(subscription.filter) ? at : Math.min(answeredAt, at);
      if (mayCover(subscription, from, to) && subscription.qos > mostQos) mostQos = subscription.qos;
    }
    if (packet.qos <= Math.min(qos, mostQos)) return;
    const rule = mostQos < 0 ? 'not subscribed' : 'QoS';
    const what = `${clientId} got ${nameOf(publication)} with QoS ${packet.qos} at ${at}`;
    const why = `sent at ${sentAt}, answered at ${answeredAt}; ${subscriptionsText(life, topic)}`;
    const left = life.subscriptionsTo(topic).flatMap(({ periods }) => periods.map(({ leftAt }) => leftAt));
    this.fault(rule, `${what}; ${why}`, clientId, publication, ...left);
  }

  /** Whether it came for the first time. What comes again must be marked, on a new connection, and not QoS 0. */
  #isNew(
    life: Life,
    connection: number,
    publication: Publication,
    { qos, dup }: PublishPacket,
    isRepeat: boolean,
  ): boolean {
    const before = life.lastConnection.get(publication.number);
    if (before === undefined) {
      if (isRepeat) {
        this.fault(
          'packet identifier',
          `${life.terms.clientId} got ${nameOf(publication)} under the packet identifier of a message that is not released`,
          life.terms.clientId,
        );
      }
      return true;
    }
    // A shared message may have been taken back and come to the same member once more, as a new one.
    const isMarked = dup || isShared(publication.topic);
    const isResent = qos > 0 && isMarked && before !== connection && (qos === 1 || isRepeat);
    if (!isResent) {
      const marks = `QoS ${qos}${dup ? ', DUP' : ''}, on connection ${connection} after ${before}`;
      this.fault(
        'doubled',
        `${life.terms.clientId} got ${nameOf(publication)} twice (${marks})`,
        life.terms.clientId,
        publication,
      );
    }
    return false;
  }

  /** The broker still sends to a connection although another one of the same client was let in at `sinceAt`. */
  checkSingle(clientId: string, publication: Publication | undefined, sinceAt: number): void {
    if (publication === undefined || publication.isWill || publication.sentAt < sinceAt) return;
    const what = `${clientId} got ${nameOf(publication)} on a connection that was taken over before it was sent`;
    this.fault('connected twice', what, clientId, publication);
  }
}

export function isOpen(life: Life): boolean {
  return life.endedAt === never;
}
