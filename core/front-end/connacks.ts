import { encodeConnack } from '../wire/encode-connack.ts';
import type { ConnackPacket, ProtocolVersion } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';

/** Clients ask for similar things: in practice there are a handful of different ones. */
const keptMax = 100;

interface Kept {
  readonly packet: ConnackPacket;
  readonly version: ProtocolVersion;
  readonly frame: Uint8Array<ArrayBuffer>;
}

/** Successful CONNACK packets. Most clients get the same one, and in a storm of CONNECTs encoding it takes longer than all else. */
export class Connacks {
  readonly #kept = new Map<string, Kept>();
  /** Comparing two packets takes less time than making the key of one. */
  #last: Kept | undefined;

  /** The frame, which may be shared with other connections. */
  of(packet: ConnackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
    const { assignedClientIdentifier, authenticationData, responseInformation } = packet.properties;
    const isOwn =
      assignedClientIdentifier !== undefined ||
      authenticationData !== undefined ||
      responseInformation !== undefined;
    if (isOwn) return encodeConnack(packet, version);
    const last = this.#last;
    if (last !== undefined && last.version === version && areSame(last.packet, packet)) return last.frame;
    this.#last = this.#keptOf(packet, version);
    return this.#last.frame;
  }

  #keptOf(packet: ConnackPacket, version: ProtocolVersion): Kept {
    const key = `${version} ${packet.reasonCode} ${packet.sessionPresent} ${JSON.stringify(packet.properties)}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const kept = { packet, version, frame: encodeConnack(packet, version) };
    if (this.#kept.size < keptMax) this.#kept.set(key, kept);
    return kept;
  }
}

function areSame(one: ConnackPacket, other: ConnackPacket): boolean {
  return (
    one.reasonCode === other.reasonCode &&
    one.sessionPresent === other.sessionPresent &&
    hasSameValues(one.properties, other.properties) &&
    hasSameValues(other.properties, one.properties)
  );
}

/** Whether `other` has all values of `one`. */
function hasSameValues(one: Properties, other: Properties): boolean {
  for (const name in one) {
    const property = name as keyof Properties;
    if (one[property] !== other[property]) return false;
  }
  return true;
}
