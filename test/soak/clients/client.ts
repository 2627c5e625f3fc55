/**
 * One client identifier of a soak: an MQTT client that keeps its session as the specification asks, over one
 * connection after the other. It answers, sends again what was not answered, and tells the model what it does and
 * what comes. When to do what is the actors' business (actors.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { encodeDisconnect } from '../../../core/wire/encode-disconnect.ts';
import { encodePublish } from '../../../core/wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import type { ProtocolVersion, PublishPacket, QoS } from '../../../core/wire/packets.ts';
import { never } from '../model/fault.ts';
import type { Life } from '../model/lives.ts';
import type { WillStory } from '../model/model.ts';
import { numberProperty, type Publication, type PublicationTerms } from '../model/publications.ts';
import type { Death } from './connection.ts';
import { Link } from './link.ts';
import { Reception } from './reception.ts';
import {
  againMs,
  type ClientTerms,
  type ConnectTerms,
  connectPacketOf,
  patienceMs,
  strayMs,
  type WillTerms,
  type World,
} from './terms.ts';

/** A message on its way to the broker. */
export interface Outgoing {
  publication: Publication;
  /** QoS 2: the PUBREC came. */
  isReleased: boolean;
}

export class Client {
  readonly terms: ClientTerms;
  readonly world: World;
  life: Life | undefined;
  link: Link | undefined;
  readonly unanswered = new Map<number, Outgoing>();
  readonly reception: Reception;
  /** CONNECTs of which nobody knows what became of them. */
  readonly #doubtful = new Set<Link>();
  /** When one of those was last given up: it may still come through and take the place of another. */
  #strayMs = Number.NEGATIVE_INFINITY;
  /** What is known of the session is sure. */
  #isCertain = true;
  #packetIds = 0;

  constructor(terms: ClientTerms, world: World) {
    this.terms = terms;
    this.world = world;
    this.reception = new Reception(this);
  }

  get id(): string {
    return this.terms.clientId;
  }

  get version(): ProtocolVersion {
    return this.terms.version;
  }

  get isConnected(): boolean {
    return this.link !== undefined;
  }

  note(what: string): void {
    this.world.model.history.note(this.id, what);
  }

  fault(rule: string, what: string): void {
    this.world.model.fault(rule, `${this.id} ${what}`, this.id);
  }

  // --- connections ----------------------------------------------------------------------------------

  /** Connects, in place of the connection there is. False if it came to nothing. */
  async connect(terms: ConnectTerms): Promise<boolean> {
    const link = this.open(terms);
    await this.#within(link.settled, 'locked out', 'got no CONNACK');
    if (link.isLetIn) await link.ready;
    return this.link === link;
  }

  /** Opens a connection and writes CONNECT. */
  open({ transport, cleanStart = !this.terms.isLasting, will }: ConnectTerms): Link {
    const number = this.world.model.nextConnection();
    this.link?.giveUp(this.world.model.clock.next());
    const story = will === undefined ? undefined : this.#willOf(number, will);
    const packet = connectPacketOf(
      this.terms,
      cleanStart,
      story && will && { terms: will, payload: this.world.model.publications.payloadOf(story.publication) },
    );
    this.note(`connects as connection ${number} over ${transport}${cleanStart ? ', clean start' : ''}`);
    const { ports } = this.world;
    const link = new Link(
      { number, transport, ports, packet, will: story },
      {
        onPacket: (from, header, body) => this.reception.onPacket(from, header, body),
        onLetIn: (from) => void this.#onLetIn(from),
        onClosed: (from, why) => this.#onClosed(from, why),
      },
    );
    this.#doubtful.add(link);
    return link;
  }

  #willOf(connection: number, { topic, qos, retain, delaySeconds }: WillTerms): WillStory {
    const { model } = this.world;
    const publication = model.publish({ topic, qos, retain, client: this.id, connection, isWill: true });
    const story: WillStory = {
      publication,
      client: this.id,
      delayMs: this.terms.isLasting && this.version === 5 ? delaySeconds * 1_000 : 0,
      isAccepted: false,
      end: 'open',
      endedMs: never,
      endedFromMs: never,
      backMs: never,
      backConnectMs: never,
      sessionEnded: false,
    };
    model.wills.push(story);
    this.note(`connection ${connection} has will ${publication.number}, delay ${story.delayMs} ms`);
    return story;
  }

  async #onLetIn(link: Link): Promise<void> {
    const { model } = this.world;
    link.letInAt = model.clock.next();
    if (link.will !== undefined) link.will.isAccepted = true;
    this.#willsAnswered(link);
    this.note(
      `connection ${link.number} is let in${link.connack?.sessionPresent ? ', session present' : ''}`,
    );
    const former = this.link;
    if (former !== undefined) {
      former.connection.resume();
      former.successorAt = link.letInAt;
      await this.#within(
        former.closed,
        'connected twice',
        `was let in, and connection ${former.number} stays`,
      );
    }
    if (link.isDead || link.connection.isClosed) return; // given up meanwhile
    this.#attach(link);
  }

  #attach(link: Link): void {
    const { model } = this.world;
    const isPresent = link.connack?.sessionPresent ?? false;
    const expected = this.life !== undefined && !link.packet.cleanStart;
    this.#doubtful.delete(link);
    if (this.#isCertain && this.#doubtful.size === 0 && isPresent !== expected) {
      this.fault('session', isPresent ? 'found a session that had ended' : 'lost its session');
    }
    this.#doubtful.clear();
    this.#isCertain = true;
    if (!isPresent || this.life === undefined) {
      this.life?.end(link.letInAt);
      this.life = model.begin(this.terms);
      this.note('begins a session');
      this.unanswered.clear();
      this.reception.forget();
    }
    const { number, letInAt } = link;
    link.attachment = { connection: number, since: letInAt, until: never, goesAt: never };
    this.life.attachments.push(link.attachment);
    this.link = link;
    for (const [packetId, outgoing] of this.unanswered) this.#sendAgain(link, packetId, outgoing);
    link.release();
  }

  /** The former connections of this client have their wills published, or not any more. */
  #willsAnswered(link: Link): void {
    const nowMs = performance.now();
    for (const story of this.world.model.wills) {
      if (story.client !== this.id || story === link.will || story.backMs !== never) continue;
      if (story.end === 'open') this.#endWill(story, 'silent', nowMs);
      story.backMs = nowMs;
      story.backConnectMs = link.connectMs;
      story.sessionEnded = link.connack?.sessionPresent !== true;
    }
  }

  #endWill(
    story: WillStory | undefined,
    end: WillStory['end'],
    nowMs = performance.now(),
    fromMs = nowMs,
  ): void {
    if (story === undefined || story.end !== 'open') return;
    story.end = story.isAccepted ? end : end === 'parted' ? 'parted' : 'unknown';
    story.endedMs = nowMs;
    story.endedFromMs = fromMs;
  }

  #onClosed(link: Link, why: string | undefined): void {
    if (why !== undefined) this.fault('protocol', `ended connection ${link.number}: ${why}`);
    if (link.isDead) return;
    const reason =
      link.disconnectReason === undefined ? '' : `, reason 0x${link.disconnectReason.toString(16)}`;
    this.note(`connection ${link.number} is closed by the broker${reason}`);
    const isExplained =
      link.isGivenUp || this.world.hasCrashes || this.reception.isSlow || this.#mayBeStray();
    if (!isExplained) {
      this.fault('cut off', `was cut off on connection ${link.number}${reason}`);
    }
    this.#lose(link);
  }

  #mayBeStray(): boolean {
    return performance.now() - this.#strayMs < strayMs;
  }

  /** Gives up a connection before its CONNACK: the broker may find the client gone, or in the way of the next one. */
  abandon(link: Link, how: Death): void {
    this.note(`gives connection ${link.number} up (${how})`);
    this.#strayMs = performance.now();
    link.giveUp(this.world.model.clock.next());
    if (this.link === link) this.die(how);
    else {
      this.#lose(link);
      link.connection.die(how);
    }
  }

  /** The connection is over, whoever ended it. */
  #lose(link: Link): void {
    link.isDead = true;
    const at = this.world.model.clock.next();
    const nowMs = performance.now();
    // If the broker has ended it nobody knows when, least of all one who did not read.
    const mayBeCut = !link.isGivenUp || this.world.hasCrashes || this.reception.isSlow || this.#mayBeStray();
    this.#endWill(link.will, 'silent', nowMs, mayBeCut ? link.connectMs : nowMs);
    if (link.attachment !== undefined) {
      link.attachment.until = at;
      link.attachment.goesAt = mayBeCut ? link.attachment.since : link.givenUpAt;
    }
    if (this.link !== link) return;
    this.link = undefined;
    this.reception.connectionLost();
    if (this.terms.isLasting) return;
    this.life?.end(at);
    this.life = undefined;
  }

  /** Is gone without a DISCONNECT. */
  die(how: Death): void {
    const { link } = this;
    if (link === undefined) return;
    this.note(`dies on connection ${link.number} (${how})`);
    link.giveUp(this.world.model.clock.next());
    this.#lose(link);
    link.connection.die(how);
  }

  /** Says DISCONNECT; with `endsSession` (MQTT 5) its session ends too. */
  async part(endsSession = false): Promise<void> {
    const { link } = this;
    if (link === undefined) return;
    this.note(`parts from connection ${link.number}${endsSession ? ' and ends its session' : ''}`);
    link.giveUp(this.world.model.clock.next());
    const properties = endsSession && this.version === 5 ? { sessionExpiryInterval: 0 } : {};
    link.send(encodeDisconnect({ reasonCode: 0, properties }, this.version));
    link.connection.resume();
    link.connection.finish();
    // A worker that fails meanwhile does not read it.
    this.#endWill(link.will, this.world.hasCrashes ? 'unknown' : 'parted');
    await this.#within(link.closed, 'hanging', `parted, and connection ${link.number} stays`);
    this.#lose(link);
    if (!endsSession || this.version < 5) return;
    this.life?.end(this.world.model.clock.next());
    this.life = undefined;
    if (this.world.hasCrashes) this.#isCertain = false;
  }

  /** Connects with a clean start, whatever there was, and parts: no session is left. A busy broker may refuse it for a while. */
  async endWhatever(): Promise<void> {
    this.#isCertain = false;
    const endMs = performance.now() + patienceMs;
    while (!(await this.connect({ transport: 'tcp', cleanStart: true }))) {
      if (performance.now() > endMs) {
        this.fault('locked out', 'could not connect to end its session');
        return;
      }
      await delay(againMs);
    }
    await this.part();
  }

  // --- sending --------------------------------------------------------------------------------------

  /** Whether the broker takes another message of this QoS, and the connection has room. */
  mayPublish(qos: QoS): boolean {
    const { link } = this;
    if (link === undefined || link.connection.unsentBytes > 262_144) return false;
    return qos === 0 || this.unanswered.size < Math.min(link.receiveMaximum, unansweredMax);
  }

  publish(terms: Omit<PublicationTerms, 'client' | 'connection'>): Publication | undefined {
    const { link } = this;
    if (link === undefined || !this.mayPublish(terms.qos)) return undefined;
    const publication = this.world.model.publish({ ...terms, client: this.id, connection: link.number });
    const packetId = terms.qos > 0 ? this.nextPacketId() : 0;
    if (packetId > 0) this.unanswered.set(packetId, { publication, isReleased: false });
    link.send(this.frameOf(publication, packetId, false));
    return publication;
  }

  frameOf(publication: Publication, packetId: number, dup: boolean): Uint8Array {
    const { topic, qos, retain, isClearing, mayExpire, number } = publication;
    const packet: PublishPacket = {
      topic,
      payload: this.world.model.publications.payloadOf(publication),
      qos,
      retain,
      dup,
      properties: {},
    };
    if (packetId > 0) packet.packetId = packetId;
    if (isClearing) packet.properties.userProperties = [[numberProperty, `${number}`]];
    if (mayExpire) packet.properties.messageExpiryInterval = 1;
    return encodePublish(packet, this.version);
  }

  #sendAgain(link: Link, packetId: number, outgoing: Outgoing): void {
    if (outgoing.isReleased) {
      this.reception.release(link, packetId);
      return;
    }
    const { publication } = outgoing;
    outgoing.publication = this.world.model.publish({ ...publication, connection: link.number });
    link.send(this.frameOf(outgoing.publication, packetId, true));
  }

  subscribe(filters: readonly (readonly [filter: string, qos: QoS])[]): void {
    const { link, life } = this;
    if (link === undefined || life === undefined) return;
    const packetId = this.nextPacketId();
    const at = this.world.model.clock.next();
    const periods = filters.map(([filter, qos]) => life.subscribing(filter, qos, at));
    this.reception.awaitSuback(
      packetId,
      filters.map(([, qos]) => qos),
      periods,
    );
    this.note(`subscribes to ${filters.map(([filter, qos]) => `${filter} (QoS ${qos})`).join(', ')}`);
    const subscriptions = filters.map(([topicFilter, qos]) => {
      return { topicFilter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
    });
    link.send(encodeSubscribe({ packetId, subscriptions, properties: {} }, this.version));
  }

  unsubscribe(filter: string): void {
    const { link, life } = this;
    if (link === undefined || life === undefined) return;
    const packetId = this.nextPacketId();
    const period = life.leaving(filter, this.world.model.clock.next());
    this.reception.awaitUnsuback(packetId, period);
    this.note(`unsubscribes from ${filter}`);
    link.send(encodeUnsubscribe({ packetId, topicFilters: [filter], properties: {} }, this.version));
  }

  nextPacketId(): number {
    do this.#packetIds = (this.#packetIds % packetIdsMax) + 1;
    while (this.unanswered.has(this.#packetIds) || this.reception.awaits(this.#packetIds));
    return this.#packetIds;
  }

  async #within(what: Promise<unknown>, rule: string, why: string): Promise<void> {
    const timeout = new AbortController();
    const late = delay(patienceMs, 'late', { signal: timeout.signal }).catch(() => undefined);
    const outcome = await Promise.race([what, late]);
    timeout.abort();
    if (outcome === 'late') this.fault(rule, `${why} within ${patienceMs} ms`);
  }
}

/** Of one client; the broker's Receive Maximum counts where it is smaller. */
const unansweredMax = 400;
/** Few, so that packet identifiers are used again within a round. */
const packetIdsMax = 2_000;
