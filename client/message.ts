/** The payload of a message: values become bytes, and bytes become values. */
import type { PublishPacket, QoS } from '../core/wire/packets.ts';
import type { Properties } from '../core/wire/properties.ts';
import { utf8 } from '../core/wire/write.ts';
import { RallyError } from './rally-error.ts';

/**
 * What can be published: text, bytes, nothing (undefined: an empty message, which clears a retained one), and
 * anything else as JSON, in which NaN and Infinity are null.
 */
export type Value = string | number | boolean | null | undefined | ArrayBuffer | ArrayBufferView | JsonObject;

/**
 * An array or an object that JSON can represent. Functions, maps, sets and promises have one of these symbols: they
 * would arrive empty, or as {}.
 */
export type JsonObject =
  | { readonly [name: string]: unknown }
  | (object & {
      readonly [Symbol.hasInstance]?: undefined;
      readonly [Symbol.toStringTag]?: undefined;
    });

const decoder = new TextDecoder();

export function toBytes(value: unknown): Uint8Array {
  const { buffer = value, byteOffset, byteLength, [Symbol.toStringTag]: tag } = Object(value);
  if (tag && byteLength >= 0) return new Uint8Array(buffer, byteOffset, byteLength).slice();
  if (tag ?? typeof value === 'function') throw new RallyError(0x99, 'not a value');
  return utf8.encode(typeof value === 'string' ? value : JSON.stringify(value));
}

/** An application message, as a listener receives it. */
export interface Message {
  readonly topic: string;
  /** The payload. */
  readonly bytes: Uint8Array;
  readonly qos: QoS;
  /** Whether the message was retained before the subscription was made. */
  readonly retain: boolean;
  /** Whether the broker may have sent it before. */
  readonly dup: boolean;
  /** Those of MQTT 5 (section 3.3.2.3): contentType, userProperties, responseTopic and so on. */
  readonly properties: Properties;
  /** The payload as text. */
  text(): string;
  /** The payload parsed as JSON; throws a SyntaxError if it is not JSON. */
  json<Type = unknown>(): Type;
}

export function toMessage({ topic, payload, qos, retain, dup, properties }: PublishPacket): Message {
  const text = (): string => decoder.decode(payload);
  return { topic, bytes: payload, qos, retain, dup, properties, text, json: () => JSON.parse(text()) };
}
