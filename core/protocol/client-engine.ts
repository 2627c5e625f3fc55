/**
 * An MQTT client without a connection: the state that outlives connections (the session state of section 4.1) and the
 * reactions to packets. It receives the frames of a broker and passes frames to a link; it opens nothing, and has no
 * timers and no listeners. CONNECT and CONNACK, PINGREQ and DISCONNECT are left to its users, the client for
 * pages (client/session.ts) and the host program's client (core/host/host-client.ts).
 *
 * A request is a PUBLISH, SUBSCRIBE or UNSUBSCRIBE. It waits until there is a connection with room
 * for it, then it is in flight until it is answered. Requests that a lost connection left unanswered wait again, before
 * the others and in the same order [MQTT-4.4.0-1]. The state of a request in flight is the packet that it awaits:
 *
 *     state      sent         PUBACK  PUBREC         PUBREC, refused  PUBCOMP  SUBACK  UNSUBACK
 *     (unknown)               -       PUBREL 0x92    -                -        -       -
 *     puback     PUBLISH 1    done    error          error            -        error   error
 *     pubrec     PUBLISH 2    error   PUBREL, state  done             -        error   error
 *                                     is pubcomp
 *     pubcomp    PUBREL       error   PUBREL         done             done     error   error
 *     suback     SUBSCRIBE    error   error          error            -        done    error
 *     unsuback   UNSUBSCRIBE  error   error          error            -        error   done
 *
 * An error is a protocol error, which ends the connection. "-" is nothing: the answer to a forgotten request.
 * Such a PUBCOMP may even meet another request, since the PUBREL with 0x92 before it reserves no packet identifier.
 *
 * A QoS 2 message that the broker sends, by its packet identifier:
 *
 *     state   PUBLISH                    acknowledge()          PUBREL
 *     free    delivered, state is taken  -                      PUBCOMP 0x92
 *     taken   nothing                    PUBREC, state is done  PUBCOMP, state is free
 *     done    PUBREC                     -                      PUBCOMP, state is free
 *
 * A message is acknowledged only on the connection on which it last arrived: on the next one the broker sends it again, or
 * has reused its packet identifier. A user that acknowledges later than it is told of a message keeps the order
 * of the messages with `inOrder`.
 */
import { decodeAcknowledgement, decodeSubscriptionAnswer } from '../wire/decode-acknowledgement.ts';
import { decodePublish } from '../wire/decode-publish.ts';
import { encodeAcknowledgement } from '../wire/encode-acknowledgement.ts';
import { encodePublish } from '../wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../wire/encode-subscribe.ts';
import type { Frame } from '../wire/frame-reader.ts';
import { type AcknowledgementType, PacketType } from '../wire/packet-type.ts';
import type {
  AcknowledgementPacket,
  ProtocolVersion,
  PublishPacket,
  SubackPacket,
  SubscriptionRequest,
} from '../wire/packets.ts';
import { isStrict } from '../wire/profile.ts';
import type { Properties } from '../wire/properties.ts';
import { isProtocolError, type ProtocolError, protocolViolation } from '../wire/protocol-error.ts';

/** A connection to a broker that has accepted it. */
export interface Link {
  /** The properties of the CONNACK. */
  readonly server: Properties | undefined;
  /** Sends a frame, now or soon. */
  send(frame: Uint8Array<ArrayBuffer>): void;
  /**
   * Whether one more request, of any size, can be sent. If not, `resume` is called when it can.
   * Acknowledgements are sent without asking: there are no more of them than received messages.
   */
  hasRoom(resume: () => void): boolean;
}

/** A message to publish. */
export type Publication = Omit<PublishPacket, 'dup' | 'packetId'>;

/** The broker's answer. */
export interface Answer {
  /** Below 0x80: a success. */
  readonly reasonCode: number;
  readonly properties: Properties;
}

/**
 * The outcome of a request. One of the two is called, once; neither for a withdrawn request, or a SUBSCRIBE that `restore`
 * replaces.
 * QoS 0 has no answer: `succeed` is called when it was sent.
 */
export interface Asker {
  succeed(answer?: Answer): void;
  /** With the result of `refusal`, the RangeError of a packet that cannot be encoded, or the error of `end`. */
  fail(error: unknown): void;
}

export interface EngineUser {
  /**
   * Takes a message, a QoS 2 message only once, and calls `acknowledge` when it has processed it, at once or later. The
   * payload is a view of the received bytes.
   */
  deliver(message: PublishPacket, acknowledge: () => void): void;
  /** Renews all subscriptions, because the broker has not kept the session. */
  restore(): void;
  /** The error for a request that the broker refuses, or has announced that it would. */
  refusal(reasonCode: number, properties?: Properties): unknown;
}

export interface Request extends Asker {
  /** The packet type of the answer; 0 for QoS 0. */
  awaits: number;
  /** Makes the frame, or throws the error of the request. */
  toFrame: (packetId: number, dup: boolean, server: Properties) => Uint8Array<ArrayBuffer>;
  /** 0 until it is sent, and always for QoS 0. */
  packetId: number;
}

interface Received {
  /** On which it last arrived. */
  link?: Link | undefined;
  isDone?: boolean;
}

const packetIdMax = 0xffff;

/** Whether users may acknowledge a message later than they receive it. A page acknowledges at once. */
const mayAcknowledgeLater = isStrict;

export class ClientEngine {
  readonly #version: ProtocolVersion;
  readonly #user: EngineUser;
  /** The current connection. */
  #link: Link | undefined;
  /** An array: a user with very many keeps them itself, and passes on as many as the window has room for. */
  #waiting: Request[] = [];
  /** By packet identifier, in the order of sending. */
  readonly #inFlight = new Map<number, Request>();
  /** QoS 2, by packet identifier, until PUBREL. */
  readonly #taken = new Map<number, Received>();
  /** Topic names by their alias, for one connection. */
  readonly #aliases = new Map<number, string>();
  #lastPacketId = 0;
  #lastSubscriptionId = 0;

  constructor(version: ProtocolVersion, user: EngineUser) {
    this.#version = version;
    this.#user = user;
  }

  /** The number of requests that wait or are in flight. */
  get requestCount(): number {
    return this.#waiting.length + this.#inFlight.size;
  }

  /**
   * Publishes when there is room. A message that the broker has announced not to accept fails with the reason code that it
   * would give. Nothing is copied: the payload must not change until the outcome.
   */
  publish(message: Publication, asker: Asker): Request {
    const { qos, retain } = message;
    // PUBACK for QoS 1, PUBREC for QoS 2.
    return this.#ask(asker, qos && PacketType.publish + qos, (packetId, dup, server) => {
      const frame = encodePublish({ ...message, packetId, dup }, this.#version);
      // Comparisons with a limit that the broker has not given, which is undefined, are false.
      const { maximumPacketSize, maximumQoS, retainAvailable } = server as Required<Properties>;
      const reasonCode =
        // [MQTT-3.2.2-11]
        (qos > maximumQoS && 0x9b) ||
        // [MQTT-3.2.2-14]
        (+retain > retainAvailable && 0x9a) ||
        // [MQTT-3.2.2-15]
        (frame.length > maximumPacketSize && 0x95);
      if (reasonCode) throw this.#user.refusal(reasonCode, { reasonString: 'beyond broker limits' });
      return frame;
    });
  }

  /** A subscription identifier that this client has not used yet. */
  newSubscriptionId(): number {
    return ++this.#lastSubscriptionId;
  }

  /** `subscriptionId` is sent if the broker supports it. */
  subscribe(subscription: SubscriptionRequest, subscriptionId: number, asker: Asker): void {
    this.#ask(asker, PacketType.suback, (packetId, _, { subscriptionIdentifiersAvailable }) => {
      const properties =
        subscriptionIdentifiersAvailable === 0 ? {} : { subscriptionIdentifiers: [subscriptionId] };
      return encodeSubscribe({ packetId, properties, subscriptions: [subscription] }, this.#version);
    });
  }

  unsubscribe(topicFilter: string, asker: Asker): void {
    this.#ask(asker, PacketType.unsuback, (packetId) =>
      encodeUnsubscribe({ packetId, properties: {}, topicFilters: [topicFilter] }, this.#version),
    );
  }

  /**
   * Removes `wanted` from the queue, or without it the message that has waited longest. Messages that were sent stay: the
   * broker may have them.
   */
  withdraw(wanted?: Request): Request | undefined {
    const index = this.#waiting.findIndex(
      (request) => !request.packetId && (wanted ? request === wanted : request.awaits < PacketType.suback),
    );
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0];
  }

  /**
   * There is a connection. If the broker has not kept the session, the user restores it: earlier SUBSCRIBE and
   * UNSUBSCRIBE are forgotten, and messages are sent after the new ones, as new, unless the broker had accepted them.
   */
  connected(link: Link, isSessionPresent: boolean): void {
    if (!isSessionPresent) {
      const requests = this.#waiting.splice(0);
      this.#taken.clear();
      this.#user.restore();
      for (const request of requests) {
        request.packetId = 0;
        // PUBCOMP (7) and UNSUBACK (11): the broker has the message, and there is no subscription any more.
        if (request.awaits & 2) request.succeed({ reasonCode: 0, properties: {} });
        else if (request.awaits < PacketType.suback) this.#waiting.push(request);
      }
    }
    this.#link = link;
    this.resume();
  }

  /** The connection has ended, and its answers with it. */
  lost(): void {
    this.#link = undefined;
    this.#waiting.unshift(...this.#inFlight.values());
    this.#inFlight.clear();
    this.#aliases.clear();
  }

  /** The end: all requests fail with `error`. */
  end(error: unknown): void {
    this.lost();
    for (const request of this.#waiting.splice(0)) request.fail(error);
  }

  /** Sends waiting requests, as far as the window and the link have room. */
  resume(): void {
    for (;;) {
      const [request] = this.#waiting;
      const link = this.#link;
      if (!link || !request) return;
      const { receiveMaximum } = link.server as Properties;
      // [MQTT-3.3.4-7]: a Receive Maximum is for PUBLISH of QoS 1 and 2.
      const inFlightMax =
        (request.awaits && request.awaits < PacketType.suback && receiveMaximum) || packetIdMax;
      if (this.#inFlight.size >= inFlightMax || !link.hasRoom(() => this.resume())) return;
      this.#waiting.shift();
      const { awaits } = request;
      try {
        let { packetId } = request;
        // [MQTT-3.3.1-1]
        const dup = packetId > 0;
        // [MQTT-2.2.1-3]
        while (awaits && (!packetId || this.#inFlight.has(packetId))) {
          this.#lastPacketId = packetId = (this.#lastPacketId % packetIdMax) + 1;
        }
        const frame = request.toFrame(packetId, dup, link.server as Properties);
        request.packetId = packetId;
        // Before it is sent: the answer may come at once.
        if (packetId) this.#inFlight.set(packetId, request);
        link.send(frame);
      } catch (error) {
        request.fail(error);
        continue;
      }
      if (!awaits) request.succeed();
    }
  }

  /** Takes a frame of the broker; returns the error in it, if any. */
  received({ header, body }: Frame): ProtocolError | undefined {
    const type = header >> 4;
    const version = this.#version;
    const packet =
      type === PacketType.publish
        ? decodePublish(header, body, version)
        : type > PacketType.publish && type < PacketType.subscribe
          ? decodeAcknowledgement(header, body, version)
          : type === PacketType.suback || type === PacketType.unsuback
            ? decodeSubscriptionAnswer(header, body, version)
            : protocolViolation('not for a client');
    if (isProtocolError(packet)) return packet;
    if (type === PacketType.publish) return this.#published(packet as PublishPacket);
    if (type !== PacketType.pubrel) return this.#answered(type, packet as AcknowledgementPacket);
    const { packetId } = packet as AcknowledgementPacket;
    // If it is acknowledged only now, its packet identifier may have been reused.
    if (mayAcknowledgeLater) {
      const received = this.#taken.get(packetId);
      if (received) received.link = undefined;
    }
    this.#answer(PacketType.pubcomp, packetId, this.#taken.delete(packetId));
    return undefined;
  }

  #ask(asker: Asker, awaits: number, toFrame: Request['toFrame']): Request {
    const request = { ...asker, awaits, toFrame, packetId: 0 };
    this.#waiting.push(request);
    this.resume();
    return request;
  }

  /** The first table. */
  #answered(type: number, packet: AcknowledgementPacket & Partial<SubackPacket>): ProtocolError | undefined {
    const { packetId, properties, reasonCodes } = packet;
    // One for each topic filter; an UNSUBACK of MQTT 3.1.1 has none.
    const [reasonCode = packet.reasonCode ?? 0] = reasonCodes ?? [];
    const request = this.#inFlight.get(packetId);
    const isReleased = request?.awaits === PacketType.pubcomp;
    const isDue = !isStrict || request?.awaits === type || (isReleased && type === PacketType.pubrec);
    if (type === PacketType.pubrec && reasonCode < 0x80 && (!request || isDue)) {
      if (request) {
        request.awaits = PacketType.pubcomp;
        request.toFrame = () => toAcknowledgement(PacketType.pubrel, packetId, true, this.#version);
      }
      this.#answer(PacketType.pubrel, packetId, !!request);
    } else if (request && isDue) {
      this.#inFlight.delete(packetId);
      // The broker has a released message, whether it still knows the packet identifier or not.
      if (isReleased || reasonCode < 0x80)
        request.succeed({ reasonCode: isReleased ? 0 : reasonCode, properties });
      else request.fail(this.#user.refusal(reasonCode, properties));
      this.resume();
    } else if (isStrict && request && type !== PacketType.pubcomp) {
      return protocolViolation('it answers something else');
    }
    return undefined;
  }

  /** The second table, and QoS 0 and 1. */
  #published(message: PublishPacket): ProtocolError | undefined {
    const { qos, packetId, properties } = message as Required<PublishPacket>;
    const { topicAlias } = properties;
    if (topicAlias) {
      message.topic ||= this.#aliases.get(topicAlias) as string;
      if (!message.topic) return protocolViolation('unknown topic alias');
      this.#aliases.set(topicAlias, message.topic);
    }
    const known = qos > 1 && this.#taken.get(packetId);
    const received: Received = known || {};
    const acknowledge = (): void => {
      if (mayAcknowledgeLater) received.isDone = true;
      if (qos && (!mayAcknowledgeLater || received.link === this.#link))
        this.#answer((PacketType.publish + qos) as AcknowledgementType, packetId, true);
    };
    if (mayAcknowledgeLater) received.link = this.#link;
    if (qos > 1) this.#taken.set(packetId, received);
    if (!known) this.#user.deliver(message, acknowledge);
    else if (!mayAcknowledgeLater || known.isDone) acknowledge();
    return undefined;
  }

  #answer(type: AcknowledgementType, packetId: number, isKnown: boolean): void {
    this.#link?.send(toAcknowledgement(type, packetId, isKnown, this.#version));
  }
}

function toAcknowledgement(
  type: AcknowledgementType,
  packetId: number,
  isKnown: boolean,
  version: ProtocolVersion,
): Uint8Array<ArrayBuffer> {
  // 0x92: packet identifier not found.
  return encodeAcknowledgement(type, { packetId, reasonCode: isKnown ? 0 : 0x92, properties: {} }, version);
}
