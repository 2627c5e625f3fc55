import { encodeConnack } from '../wire/encode-connack.ts';
import type { ConnackPacket, ProtocolVersion } from '../wire/packets.ts';

/** Clients ask for similar things: in practice there are a handful of different ones. */
const keptMax = 100;

/** Successful CONNACK packets. Most clients get the same one, and in a storm of CONNECTs encoding it takes longer than all else. */
export class Connacks {
  readonly #kept = new Map<string, Uint8Array<ArrayBuffer>>();

  /** The frame, which may be shared with other connections. */
  of(packet: ConnackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
    const { properties, reasonCode, sessionPresent } = packet;
    const { assignedClientIdentifier, authenticationData, responseInformation } = properties;
    const isOwn =
      assignedClientIdentifier !== undefined ||
      authenticationData !== undefined ||
      responseInformation !== undefined;
    if (isOwn) return encodeConnack(packet, version);
    const key = `${version} ${reasonCode} ${sessionPresent} ${JSON.stringify(properties)}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const frame = encodeConnack(packet, version);
    if (this.#kept.size < keptMax) this.#kept.set(key, frame);
    return frame;
  }
}
