/** A refused client, as reported to the host program and the audit log. */
import type { ClientTls, Transport } from '../config/authentication.ts';
import type { ProtocolVersion } from '../wire/packets.ts';

/** What is known of a refused client. */
export interface RefusedClient {
  /** The client identifier of its CONNECT, unverified; empty if none could be read. */
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
  /** A sentence with the same meaning. */
  readonly why: string;
}
