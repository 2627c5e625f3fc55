/**
 * A breach of the protocol by the other side. Such errors are values, never exceptions, and end one
 * connection; the reason code says how (section 4.13).
 */
import { isStrict } from './profile.ts';
import type { ReasonCode } from './reason-code.ts';

export interface ProtocolError {
  /** The MQTT 5 reason code to answer with. */
  readonly reasonCode: number;
  /** A short sentence for logs. */
  readonly why: string;
}

/** The bytes cannot be read according to the specification. */
export function malformedPacket(why: string): ProtocolError {
  return { reasonCode: 0x81 satisfies typeof ReasonCode.malformedPacket, why: isStrict ? why : '' };
}

/** The bytes can be read, but the specification does not allow what they say. */
export function protocolViolation(why: string): ProtocolError {
  return { reasonCode: 0x82 satisfies typeof ReasonCode.protocolError, why: isStrict ? why : '' };
}

/** Narrows what a decoder returned. */
export function isProtocolError(value: object): value is ProtocolError {
  return (value as ProtocolError).why !== undefined;
}
