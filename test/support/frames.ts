/** Packets for tests, with defaults for fields that a test does not care about, and their bytes in hexadecimal. */
import assert from 'node:assert/strict';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodeAcknowledgement } from '../../core/wire/encode-acknowledgement.ts';
import { encodeConnect } from '../../core/wire/encode-connect.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import { encodeSubscribe } from '../../core/wire/encode-subscribe.ts';
import { type AcknowledgementType, PacketType } from '../../core/wire/packet-type.ts';
import type {
  ConnectPacket,
  ProtocolVersion,
  PublishPacket,
  QoS,
  SubscribePacket,
  SubscriptionRequest,
} from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';

type Frame = Uint8Array<ArrayBuffer>;

/** Bytes from hexadecimal digits and quoted ASCII, like `10 0c 'MQTT'`. */
export function bytesOf(text: string): Frame {
  const hex = text.replace(/'([^']*)'/g, (_, quoted: string) => Buffer.from(quoted).toString('hex'));
  return new Uint8Array(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
}

/** The digits of `bytesOf`, for comparison. */
export function hexOf(text: string): string {
  return Buffer.from(bytesOf(text)).toString('hex');
}

/** A frame around a body: the first byte, the shortest remaining length, the body. */
export function frame(header: number, body: Uint8Array): Frame {
  const length: number[] = [];
  let rest = body.length;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return new Uint8Array(Buffer.concat([Uint8Array.of(header, ...length), body]));
}

export function toHex({ header, body }: { header: number; body: Uint8Array }): string {
  return Buffer.from(frame(header, body)).toString('hex');
}

/** Of version 5, with a clean start, no keep alive and a client identifier that the broker chooses. */
export function connectFrame(packet: Partial<ConnectPacket> = {}): Frame {
  const protocolVersion = packet.protocolVersion ?? 5;
  const clientId = protocolVersion === 3 ? 'raw' : '';
  return encodeConnect({
    protocolVersion,
    cleanStart: true,
    keepAliveSeconds: 0,
    clientId,
    properties: {},
    ...packet,
  });
}

/** QoS 0 and version 5 by default; packet identifier 1 if one is needed. */
export function publishFrame(
  topic: string,
  payload: string | Uint8Array = '',
  packet: Partial<PublishPacket> = {},
  version: ProtocolVersion = 5,
): Frame {
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  return encodePublish(
    { topic, payload: bytes, qos: 0, retain: false, dup: false, packetId: 1, properties: {}, ...packet },
    version,
  );
}

export function subscription(topicFilter: string, qos: QoS = 0): SubscriptionRequest {
  return { topicFilter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 };
}

export function subscribeFrame(
  topicFilter: string,
  qos: QoS = 0,
  packet: Partial<SubscribePacket> = {},
  version: ProtocolVersion = 5,
): Frame {
  const subscriptions = [subscription(topicFilter, qos)];
  return encodeSubscribe({ packetId: 1, subscriptions, properties: {}, ...packet }, version);
}

export function acknowledgementFrame(type: AcknowledgementType, packetId: number): Frame {
  return encodeAcknowledgement(type, { packetId, reasonCode: 0, properties: {} }, 4);
}

export const pubackFrame = (packetId: number): Frame => acknowledgementFrame(PacketType.puback, packetId);
export const pubrecFrame = (packetId: number): Frame => acknowledgementFrame(PacketType.pubrec, packetId);
export const pubrelFrame = (packetId: number): Frame => acknowledgementFrame(PacketType.pubrel, packetId);
export const pubcompFrame = (packetId: number): Frame => acknowledgementFrame(PacketType.pubcomp, packetId);

export const pingreqFrame: Frame = Uint8Array.of(0xc0, 0);
export const disconnectFrame: Frame = Uint8Array.of(0xe0, 0);

/** Fails unless it is a PUBLISH. */
export function publishOf(
  { header, body }: { header: number; body: Uint8Array },
  version: ProtocolVersion = 5,
): PublishPacket {
  assert.equal(header >> 4, PacketType.publish, `not a PUBLISH: ${toHex({ header, body }).slice(0, 80)}`);
  const packet = decodePublish(header, body, version);
  if (isProtocolError(packet)) assert.fail(packet.why);
  return packet;
}

export function textOf({ payload }: { payload: Uint8Array }): string {
  return new TextDecoder().decode(payload);
}
