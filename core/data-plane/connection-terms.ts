/**
 * What CONNECT settled, as bytes for Engine.accept(): native/front-end/connection-terms.h draws and reads them. The
 * will crosses here, once, and stays in the data plane.
 */
import { encodeProperties } from '../wire/encode-properties.ts';
import { PacketType } from '../wire/packet-type.ts';
import type { ProtocolVersion, Will } from '../wire/packets.ts';
import { concat, write } from '../wire/write.ts';

export interface ConnectionTerms {
  readonly version: ProtocolVersion;
  /** Request Problem Information is 0. */
  readonly withholdsProblems: boolean;
  /** 0: none. */
  readonly keepAliveMs: number;
  readonly receiveMaximum: number;
  /** Of a packet to the client, in bytes; 0: no limit. */
  readonly maximumPacketSize: number;
  readonly topicAliasMaximum: number;
  /** That the session outlives the connection; 4,294,967,295: for ever. */
  readonly sessionExpirySeconds: number;
  /** How fast the client may send; 0: at any pace. */
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** A program is asked what the client may publish. */
  readonly asksToPublish: boolean;
  /** Of a session that outlives the connection; else it may be empty. */
  readonly clientId: string;
  /** Goes before all topics of the client, which does not see it; empty: none. */
  readonly topicPrefix: string;
  readonly will: Will | undefined;
  /** Who the client is to the rules: of encodeAccess(). Undefined where there are none. */
  readonly access: Uint8Array | undefined;
}

const fixedBytes = 26;
const flags = { withholdsProblems: 1, hasWill: 2, hasAccess: 4, asksToPublish: 8 } as const;

/** The data plane reads them at once. */
export function encodeConnectionTerms(terms: ConnectionTerms): Uint8Array {
  const { access, clientId, topicPrefix, will } = terms;
  view.setUint8(0, terms.version);
  view.setUint8(
    1,
    (terms.withholdsProblems ? flags.withholdsProblems : 0) |
      (will ? flags.hasWill : 0) |
      (access ? flags.hasAccess : 0) |
      (terms.asksToPublish ? flags.asksToPublish : 0),
  );
  view.setUint32(2, terms.keepAliveMs);
  view.setUint16(6, terms.receiveMaximum);
  view.setUint32(8, terms.maximumPacketSize);
  view.setUint16(12, terms.topicAliasMaximum);
  view.setUint32(14, terms.sessionExpirySeconds);
  view.setUint32(18, terms.messagesPerSecond);
  view.setUint32(22, terms.bytesPerSecond);
  if (will === undefined && access === undefined && clientId === '' && topicPrefix === '') return withoutRest;
  const names = [...write.string(clientId), ...write.string(topicPrefix)];
  return concat([fixed, names, access ?? [], will === undefined ? [] : encodeWill(will)]);
}

const withoutRest = new Uint8Array(fixedBytes + 4);
const fixed = withoutRest.subarray(0, fixedBytes);
const view = new DataView(withoutRest.buffer);

function encodeWill({ topic, payload, qos, retain, properties }: Will): Uint8Array {
  const { willDelayInterval = 0, messageExpiryInterval, ...forwarded } = properties;
  return concat([
    [qos | (retain ? 4 : 0)],
    write.uint32(willDelayInterval),
    [messageExpiryInterval === undefined ? 0 : 1],
    write.uint32(messageExpiryInterval ?? 0),
    write.string(topic),
    encodeProperties(forwarded, PacketType.publish),
    payload,
  ]);
}
