/**
 * What a client of a soak does with the packets that come: it answers, at once or when it likes, and tells the
 * model. Its memory of QoS 2 and of the answers that it waits for is the client's half of the session.
 */
import {
  decodeAcknowledgement,
  decodeSubscriptionAnswer,
} from '../../../core/wire/decode-acknowledgement.ts';
import { decodePublish } from '../../../core/wire/decode-publish.ts';
import { encodeAcknowledgement } from '../../../core/wire/encode-acknowledgement.ts';
import { type AcknowledgementType, PacketType } from '../../../core/wire/packet-type.ts';
import type { PublishPacket, QoS } from '../../../core/wire/packets.ts';
import { isProtocolError, type ProtocolError } from '../../../core/wire/protocol-error.ts';
import { never } from '../model/fault.ts';
import type { Period } from '../model/lives.ts';
import type { Client, Outgoing } from './client.ts';
import type { Link } from './link.ts';

const noMatchingSubscribers = 0x10;

export class Reception {
  /** The client reads or answers slowly: the broker may pass its bounds and cut it off. */
  isSlow = false;
  readonly #client: Client;
  /** QoS 2 messages of the broker that it has not released. */
  readonly #received = new Set<number>();
  readonly #subacks = new Map<number, { qos: readonly QoS[]; periods: readonly Period[] }>();
  readonly #unsubacks = new Map<number, Period | undefined>();
  /** Answers that are held back, in order. */
  #held: (readonly [type: AcknowledgementType, packetId: number])[] | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The session is a new one. */
  forget(): void {
    this.#received.clear();
  }

  connectionLost(): void {
    this.#subacks.clear();
    this.#unsubacks.clear();
    if (this.#held !== undefined) this.#held = [];
  }

  awaits(packetId: number): boolean {
    return this.#subacks.has(packetId) || this.#unsubacks.has(packetId);
  }

  get isAwaiting(): boolean {
    return this.#subacks.size + this.#unsubacks.size > 0;
  }

  awaitSuback(packetId: number, qos: readonly QoS[], periods: readonly Period[]): void {
    this.#subacks.set(packetId, { qos, periods });
  }

  awaitUnsuback(packetId: number, period: Period | undefined): void {
    this.#unsubacks.set(packetId, period);
  }

  /** From now on PUBACK, PUBREC and PUBCOMP wait for releaseAnswers(). */
  holdAnswers(): void {
    this.#held ??= [];
  }

  releaseAnswers(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    const { link } = this.#client;
    if (link === undefined) return;
    for (const [type, packetId] of held) this.#send(link, type, packetId);
  }

  onPacket(link: Link, header: number, body: Uint8Array): void {
    switch (header >> 4) {
      case PacketType.publish:
        this.#onPublish(link, this.#sound(decodePublish(header, body, this.#client.version)));
        break;
      case PacketType.puback:
      case PacketType.pubrec:
      case PacketType.pubrel:
      case PacketType.pubcomp:
        this.#onAcknowledgement(link, header, body);
        break;
      case PacketType.suback:
      case PacketType.unsuback:
        this.#onSubscriptionAnswer(header, body);
        break;
      case PacketType.disconnect:
        link.disconnectReason = body[0] ?? 0;
        break;
      default:
        throw new Error(`a packet of type ${header >> 4}`);
    }
  }

  #sound<Packet extends object>(packet: Packet | ProtocolError): Packet {
    if (isProtocolError(packet)) throw new Error(`not MQTT: ${packet.why}`);
    return packet;
  }

  #onPublish(link: Link, packet: PublishPacket): void {
    const client = this.#client;
    const { life, world } = client;
    if (life === undefined || link !== client.link) return;
    const { qos, packetId = 0 } = packet;
    const topic = this.#topicOf(link, packet);
    const isRepeat = qos === 2 && this.#received.has(packetId);
    const publication = world.model.delivered(life, link.number, topic, packet, isRepeat);
    if (link.successorAt !== never) world.model.checkSingle(client.id, publication, link.successorAt);
    if (qos === 0) return;
    if (link.unacknowledged.size >= client.terms.receiveMaximum && !link.unacknowledged.has(packetId)) {
      client.fault('receive maximum', `got more than ${client.terms.receiveMaximum} messages at once`);
    }
    link.unacknowledged.add(packetId);
    if (qos === 2) this.#received.add(packetId);
    this.#answer(link, qos === 1 ? PacketType.puback : PacketType.pubrec, packetId);
  }

  #topicOf(link: Link, { topic, properties: { topicAlias } }: PublishPacket): string {
    if (topicAlias === undefined) return topic;
    if (topicAlias > this.#client.terms.topicAliasMaximum) throw new Error(`topic alias ${topicAlias}`);
    if (topic !== '') link.aliases.set(topicAlias, topic);
    return link.aliases.get(topicAlias) ?? '';
  }

  #answer(link: Link, type: AcknowledgementType, packetId: number): void {
    if (this.#held === undefined) this.#send(link, type, packetId);
    else this.#held.push([type, packetId]);
  }

  #send(link: Link, type: AcknowledgementType, packetId: number): void {
    if (type !== PacketType.pubrec) link.unacknowledged.delete(packetId);
    link.send(acknowledgement(type, packetId));
  }

  #onAcknowledgement(link: Link, header: number, body: Uint8Array): void {
    const packet = this.#sound(decodeAcknowledgement(header, body, this.#client.version));
    const { packetId, reasonCode } = packet;
    const type = header >> 4;
    if (type === PacketType.pubrel) {
      this.#received.delete(packetId);
      this.#answer(link, PacketType.pubcomp, packetId);
      return;
    }
    const outgoing = this.#client.unanswered.get(packetId);
    if (reasonCode !== 0 && reasonCode !== noMatchingSubscribers && type !== PacketType.pubcomp) {
      this.#client.fault('refused', `had message ${outgoing?.publication.number} refused: ${reasonCode}`);
    }
    if (outgoing === undefined) {
      this.#client.fault('answer', `got an answer of type ${type} to nothing, packet identifier ${packetId}`);
    } else this.#onAnswer(link, type, packetId, outgoing);
  }

  #onAnswer(link: Link, type: number, packetId: number, outgoing: Outgoing): void {
    const { publication, isReleased } = outgoing;
    const isExpected =
      type ===
      (publication.qos === 1 ? PacketType.puback : isReleased ? PacketType.pubcomp : PacketType.pubrec);
    if (!isExpected) {
      this.#client.fault('answer', `got an answer of type ${type} to message ${publication.number}`);
      return;
    }
    if (publication.answeredAt === never) publication.answeredAt = this.#client.world.model.clock.next();
    if (type === PacketType.pubrec) {
      outgoing.isReleased = true;
      this.release(link, packetId);
    } else this.#client.unanswered.delete(packetId);
  }

  /** QoS 2: PUBREL for a message that the broker has. */
  release(link: Link, packetId: number): void {
    link.send(acknowledgement(PacketType.pubrel, packetId));
  }

  #onSubscriptionAnswer(header: number, body: Uint8Array): void {
    const client = this.#client;
    const { packetId, reasonCodes } = this.#sound(decodeSubscriptionAnswer(header, body, client.version));
    const at = client.world.model.clock.next();
    if (header >> 4 === PacketType.unsuback) {
      const period = this.#unsubacks.get(packetId);
      this.#unsubacks.delete(packetId);
      if (period !== undefined && period.goneAt === never) period.goneAt = at;
      return;
    }
    const asked = this.#subacks.get(packetId);
    if (asked === undefined) {
      client.fault('answer', `got a SUBACK to nothing, packet identifier ${packetId}`);
      return;
    }
    this.#subacks.delete(packetId);
    if (asked.qos.some((qos, index) => qos !== reasonCodes[index])) {
      client.fault('refused', `asked for QoS ${asked.qos} and was granted ${reasonCodes}`);
    }
    for (const period of asked.periods) if (period.sureAt === never) period.sureAt = at;
    client.note(`has a SUBACK`);
  }
}

function acknowledgement(type: AcknowledgementType, packetId: number): Uint8Array<ArrayBuffer> {
  return encodeAcknowledgement(type, { packetId, reasonCode: 0, properties: {} }, 4);
}
