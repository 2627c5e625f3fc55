/** What the host program and the audit are told of a client that was not let in. */
import type { ClientTls, Transport } from '../config/authentication.ts';
import type { ProtocolVersion } from '../wire/packets.ts';

/** A client that was refused, as far as it is known. */
export interface RefusedClient {
  /** The client identifier of its CONNECT, which nobody has verified; empty if none could be read. */
  readonly clientId: string;
  /** Undefined if no CONNECT could be read. */
  readonly protocolVersion: ProtocolVersion | undefined;
  readonly transport: Transport;
  readonly remoteAddress: string;
  /** Of a connection over TLS. */
  readonly tls?: ClientTls;
}

export interface RefusalReason {
  /** Of MQTT 5, whatever version the client speaks. */
  readonly reasonCode: number;
  /** The same in a sentence. */
  readonly why: string;
}
