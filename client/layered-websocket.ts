/** A WebSocket on top of another one, for add-ons that change the data in between: the part that they all share. */
import type { WebSocketConstructor, WebSocketLike } from './options.ts';
import { RallyError } from './rally-error.ts';

export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The WebSocket for `options.WebSocket`. `Original` is the WebSocket underneath; by default the global one. Creating one throws
 * a RallyError with 0x83 if there is neither.
 */
export function layerOf(
  Layer: new (below: WebSocketLike) => WebSocketLike,
  Original?: WebSocketConstructor,
): WebSocketConstructor {
  return class extends Layer {
    constructor(url: string, subprotocol: string) {
      const Socket = Original ?? (globalThis.WebSocket as unknown as WebSocketConstructor);
      if (!Socket) throw new RallyError(0x83, 'no WebSocket');
      super(new Socket(url, subprotocol));
    }
  };
}

export abstract class LayeredWebSocket implements WebSocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  binaryType = 'arraybuffer';
  protected readonly below: WebSocketLike;

  constructor(below: WebSocketLike) {
    this.below = below;
    below.binaryType = 'arraybuffer';
    below.onopen = (event) => this.onopen?.(event);
    below.onclose = (event) => this.onclose?.(event);
    below.onerror = (event) => this.onerror?.(event);
    below.onmessage = ({ data }: { data: ArrayBuffer }) => this.received(new Uint8Array(data));
  }

  get bufferedAmount(): number {
    return this.below.bufferedAmount;
  }

  close(): void {
    this.below.close();
  }

  abstract send(data: Bytes): void;

  /** From the broker. */
  protected abstract received(chunk: Bytes): void;

  /** To the client. */
  protected give(bytes: Bytes): void {
    (this.onmessage as ((event: { data: ArrayBuffer }) => void) | null)?.({ data: bytes.buffer });
  }
}
