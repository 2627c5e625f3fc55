/** The events of a worker's data plane, many in one call: native/node/event-records.h has a drawing, and writes them. */
import type { EventKind } from './addon.ts';

export interface EventHandler {
  /**
   * `first`: the first byte of a packet, whether a new connection is a WebSocket, whether an ended connection was
   * connected, the CloseCause of a closed one, or the index of a notice. `bytes` may be used until it returns.
   */
  onEvent(
    kind: EventKind,
    slot: number,
    first: number,
    reason: number,
    value: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): void;
}

const headBytes = 24;
const nothing = new Uint8Array();

/** Reads the events of a worker's data plane. The memory is nearly always the same. */
export class EventReader {
  #buffer = new ArrayBuffer(0);
  #bytes = new Uint8Array(this.#buffer);
  #integers = new Uint32Array(this.#buffer);
  #values = new Float64Array(this.#buffer);

  /** Passes on the events in the first `end` bytes, in order. */
  read(buffer: ArrayBuffer, end: number, handler: EventHandler): void {
    if (buffer !== this.#buffer) this.#look(buffer);
    for (let at = 0; at < end; ) {
      const size = this.#integers[at / 4] as number;
      const slot = this.#integers[at / 4 + 1] as number;
      const value = this.#values[at / 8 + 1] as number;
      const kind = this.#bytes[at + 16] as EventKind;
      const first = this.#bytes[at + 17] as number;
      const reason = this.#bytes[at + 18] as number;
      const bytes = size === 0 ? nothing : new Uint8Array(buffer, at + headBytes, size);
      handler.onEvent(kind, slot, first, reason, value, bytes);
      at += headBytes + Math.ceil(size / 8) * 8;
    }
  }

  #look(buffer: ArrayBuffer): void {
    this.#buffer = buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#integers = new Uint32Array(buffer);
    this.#values = new Float64Array(buffer);
  }
}
