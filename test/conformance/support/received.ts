/** What the packets of a server say, taken apart by hand; what cannot be taken apart fails the test. */
import assert from 'node:assert/strict';
import type { ReceivedPacket } from '../../support/raw-client.ts';
import { hex, packet } from './octets.ts';
import type { QoS, Version } from './packets.ts';

/** The value of a property; of a user property the two strings. */
export type PropertyValue = number | string | Uint8Array | readonly [name: string, value: string];

/** The properties in their order, by identifier. Version 3.1.1 has none. */
export type Properties = readonly (readonly [identifier: number, value: PropertyValue])[];

export interface Connack {
  readonly sessionPresent: boolean;
  /** The return code, or the reason code. */
  readonly code: number;
  readonly properties: Properties;
}

export interface Publish {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** The payload as UTF-8. */
  readonly text: string;
  readonly qos: QoS;
  readonly dup: boolean;
  readonly retain: boolean;
  /** The packet identifier; 0 with QoS 0. */
  readonly id: number;
  readonly properties: Properties;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK. */
export interface Acknowledgement {
  readonly id: number;
  /** One for each filter of SUBACK and UNSUBACK; one otherwise: 0 where the packet leaves it out. */
  readonly codes: readonly number[];
  readonly properties: Properties;
}

/** DISCONNECT and AUTH of version 5. */
export interface Goodbye {
  readonly code: number;
  readonly properties: Properties;
}

export const packetType = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  unsuback: 11,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;

/** All values of the property with this identifier. */
export function valuesOf(properties: Properties, identifier: number): readonly PropertyValue[] {
  return properties.filter(([each]) => each === identifier).map(([, value]) => value);
}

/** The value of a property that may come once; undefined where it did not come. */
export function singleValueOf(properties: Properties, identifier: number): PropertyValue | undefined {
  const values = valuesOf(properties, identifier);
  assert.ok(values.length <= 1, `property ${identifier} more than once`);
  return values[0];
}

export function hexOf({ header, body }: ReceivedPacket): string {
  return hex(packet(header, body));
}

export function readConnack(version: Version, received: ReceivedPacket): Connack {
  const body = bodyOf(received, packetType.connack);
  const flags = body.u8();
  assert.equal(flags & 0xfe, 0, 'reserved flags of the CONNACK');
  const code = body.u8();
  const properties = body.properties(version);
  body.end();
  return { sessionPresent: flags === 1, code, properties };
}

export function readPublish(version: Version, received: ReceivedPacket): Publish {
  const body = bodyOf(received, packetType.publish);
  const qos = (received.header >> 1) & 3;
  assert.ok(qos === 0 || qos === 1 || qos === 2, 'QoS 3');
  const topic = body.string();
  const id = qos > 0 ? body.u16() : 0;
  const properties = body.properties(version);
  const payload = body.rest();
  const dup = (received.header & 8) !== 0;
  const retain = (received.header & 1) !== 0;
  return { topic, payload, text: Buffer.from(payload).toString(), qos, dup, retain, id, properties };
}

export function readAcknowledgement(version: Version, received: ReceivedPacket): Acknowledgement {
  const body = bodyOf(received, received.type);
  const id = body.u16();
  if (received.type === packetType.suback || (received.type === packetType.unsuback && version === '5.0')) {
    const properties = body.properties(version);
    return { id, codes: [...body.rest()], properties };
  }
  const code = version === '5.0' && !body.isAtEnd ? body.u8() : 0;
  const properties = body.isAtEnd ? [] : body.properties(version);
  body.end();
  return { id, codes: [code], properties };
}

export function readGoodbye(received: ReceivedPacket): Goodbye {
  const body = bodyOf(received, received.type);
  const code = body.isAtEnd ? 0 : body.u8();
  const properties = body.isAtEnd ? [] : body.properties('5.0');
  body.end();
  return { code, properties };
}

function bodyOf(received: ReceivedPacket, type: number): Body {
  assert.equal(received.type, type, `packet type ${type} expected, this came: ${hexOf(received)}`);
  return new Body(received.body);
}

// Table 2-4: how the value of each property is written.
const byteProperties = [0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a];
const twoByteProperties = [0x13, 0x21, 0x22, 0x23];
const fourByteProperties = [0x02, 0x11, 0x18, 0x27];
const stringProperties = [0x03, 0x08, 0x12, 0x15, 0x1a, 0x1c, 0x1f];
const binaryProperties = [0x09, 0x16];
const subscriptionIdentifier = 0x0b;
const userPropertyIdentifier = 0x26;

class Body {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  u8(): number {
    return this.#take(1).readUInt8();
  }

  u16(): number {
    return this.#take(2).readUInt16BE();
  }

  binary(): Uint8Array {
    return new Uint8Array(this.#take(this.u16()));
  }

  string(): string {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.binary());
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      assert.ok(factor < 128 ** 3, 'a variable byte integer of more than four bytes');
    }
  }

  properties(version: Version): Properties {
    if (version === '3.1.1') return [];
    const body = new Body(this.#take(this.varint()));
    const properties: (readonly [number, PropertyValue])[] = [];
    while (!body.isAtEnd) {
      const identifier = body.varint();
      properties.push([identifier, body.#property(identifier)]);
    }
    return properties;
  }

  rest(): Uint8Array {
    return new Uint8Array(this.#take(this.#bytes.length - this.#at));
  }

  end(): void {
    assert.ok(this.isAtEnd, `bytes behind the end: ${this.#bytes.toString('hex')}`);
  }

  #property(identifier: number): PropertyValue {
    if (byteProperties.includes(identifier)) return this.u8();
    if (twoByteProperties.includes(identifier)) return this.u16();
    if (fourByteProperties.includes(identifier)) return this.#take(4).readUInt32BE();
    if (stringProperties.includes(identifier)) return this.string();
    if (binaryProperties.includes(identifier)) return this.binary();
    if (identifier === subscriptionIdentifier) return this.varint();
    if (identifier === userPropertyIdentifier) return [this.string(), this.string()];
    return assert.fail(`the property ${identifier} does not exist`);
  }

  #take(count: number): Buffer {
    assert.ok(this.#at + count <= this.#bytes.length, `cut off: ${this.#bytes.toString('hex')}`);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
