/**
 * All that the clients of a soak have published. Each PUBLISH that is written, also one that is sent again, is a
 * publication of its own with a number in its payload: so a delivery says not only which message it brings but
 * which attempt to publish it.
 *
 *   payload   | number (4) | number mixed with the seed (4) | filling, each byte the number's last |
 */
import type { PublishPacket, QoS } from '../../../core/wire/packets.ts';
import { never } from './fault.ts';

/** An application message: one attempt to publish it, or several. */
export interface Message {
  readonly attempts: Publication[];
}

export interface Publication {
  readonly number: number;
  readonly topic: string;
  readonly client: string;
  /** The connection it was written to. */
  readonly connection: number;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly payloadBytes: number;
  readonly isWill: boolean;
  /** It empties the retained message of its topic, so its payload says nothing. */
  readonly isClearing: boolean;
  /** It may expire before it is delivered. */
  readonly mayExpire: boolean;
  readonly message: Message;
  /** Just before it was written. */
  readonly sentAt: number;
  /** When its PUBACK or PUBREC came. */
  answeredAt: number;
  /** The broker must have it although it answers nothing: its connection ended in order behind it. */
  isCertain: boolean;
  /** Where it stands among the publications of its topic, as the topic's best witness saw it; -1: not at all. */
  position: number;
  /** To how many sessions it came. */
  deliveries: number;
}

export interface PublicationTerms {
  readonly topic: string;
  readonly client: string;
  readonly connection: number;
  readonly qos: QoS;
  readonly retain?: boolean;
  readonly payloadBytes?: number;
  readonly isWill?: boolean;
  readonly isClearing?: boolean;
  readonly mayExpire?: boolean;
  /** Of the message that is sent again. */
  readonly message?: Message;
}

export const payloadBytesMin = 8;
/** The user property that names a publication whose payload is empty. */
export const numberProperty = 'n';

export class Publications {
  readonly all: Publication[] = [];
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  add(terms: PublicationTerms, sentAt: number): Publication {
    const { message = { attempts: [] }, isClearing = false } = terms;
    const publication: Publication = {
      number: this.all.length,
      topic: terms.topic,
      client: terms.client,
      connection: terms.connection,
      qos: terms.qos,
      retain: terms.retain ?? false,
      payloadBytes: isClearing ? 0 : Math.max(payloadBytesMin, terms.payloadBytes ?? 0),
      isWill: terms.isWill ?? false,
      isClearing,
      mayExpire: terms.mayExpire ?? false,
      message,
      sentAt,
      answeredAt: never,
      isCertain: false,
      position: -1,
      deliveries: 0,
    };
    this.all.push(publication);
    message.attempts.push(publication);
    return publication;
  }

  payloadOf({ number, payloadBytes }: Publication): Uint8Array<ArrayBuffer> {
    const payload = new Uint8Array(payloadBytes);
    if (payloadBytes === 0) return payload;
    const view = new DataView(payload.buffer);
    view.setUint32(0, number);
    view.setUint32(4, this.#mixed(number));
    return payload.fill(number & 0xff, payloadBytesMin);
  }

  /** The publication that a packet brings; undefined if nobody has published that. */
  find(topic: string, { payload, properties }: PublishPacket): Publication | undefined {
    const publication = this.all[this.#numberIn(payload, properties)];
    const { payloadBytes = -1, number = 0 } = publication ?? {};
    const isSame = publication?.topic === topic && payloadBytes === payload.length;
    const isWhole = payloadBytes <= payloadBytesMin || payload[payloadBytes - 1] === (number & 0xff);
    return isSame && isWhole ? publication : undefined;
  }

  #numberIn(payload: Uint8Array, properties: PublishPacket['properties']): number {
    if (payload.length === 0) {
      return Number(properties.userProperties?.find(([name]) => name === numberProperty)?.[1] ?? -1);
    }
    if (payload.length < payloadBytesMin) return -1;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const number = view.getUint32(0);
    return view.getUint32(4) === this.#mixed(number) ? number : -1;
  }

  /** So that the messages of another round are not taken for this one's. */
  #mixed(number: number): number {
    return Math.imul(number ^ this.#seed, 0x9e3779b1) >>> 0;
  }
}

/** Whether the broker has it for sure. */
export function hasArrived({ deliveries, answeredAt, isCertain }: Publication): boolean {
  return deliveries > 0 || answeredAt !== never || isCertain;
}

/** QoS 2: the broker took another attempt to publish this message. */
export function isOtherAttempt(publication: Publication): boolean {
  if (publication.qos < 2 || publication.deliveries > 0) return false;
  return publication.message.attempts.some(({ deliveries }) => deliveries > 0);
}

export function nameOf({ number, topic, qos, isWill, client, connection }: Publication): string {
  const kind = isWill ? 'will' : 'message';
  return `${kind} ${number} (${topic}, QoS ${qos}, from ${client} on connection ${connection})`;
}
