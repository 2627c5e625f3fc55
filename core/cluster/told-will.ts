/** A will in the form exchanged between nodes. */
import { type HostMessage, hostMessageOf } from '../host/host-message.ts';
import type { ArrivingWill } from '../sessions/session-record.ts';
import { decodePublish } from '../wire/decode-publish.ts';
import { FrameReader } from '../wire/frame-reader.ts';
import { isProtocolError } from '../wire/protocol-error.ts';
import type { ToldWill } from './node-messages.ts';

const protocolVersion = 5;

/** `isReplicated`: the log of this node is replicated. */
export function toldWill(
  { packet, delaySeconds, sessionExpirySeconds, admission }: ArrivingWill,
  isReplicated: boolean,
): ToldWill {
  const access = admission?.access;
  return {
    packet: Buffer.from(packet).toString('base64'),
    topicPrefix: admission?.topicPrefix ?? '',
    ...(access === undefined ? {} : { access: Buffer.from(access).toString('base64') }),
    // After its delay, or when the session ends if that is sooner (3.1.3.2.2).
    delayMs: Math.min(delaySeconds, sessionExpirySeconds) * 1_000,
    ...(isReplicated && sessionExpirySeconds > 0 && { isStored: true }),
  };
}

/** Undefined: it cannot be published. */
export function hostedWill({ packet, topicPrefix }: ToldWill): HostMessage | undefined {
  const frames = new FrameReader(protocolVersion);
  frames.push(Buffer.from(packet, 'base64'));
  const frame = frames.next();
  if (frame === undefined || isProtocolError(frame)) return undefined;
  const message = decodePublish(frame.header, frame.body, protocolVersion);
  if (isProtocolError(message)) return undefined;
  return { ...hostMessageOf(message), topic: topicPrefix + message.topic };
}
