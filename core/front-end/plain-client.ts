/**
 * Plain clients, which the data plane connects itself (native/front-end/plain-clients.h): the terms for them, and what is
 * adopted of one.
 */
import type { BrokerConfig } from '../config/options.ts';
import type { Engine } from '../data-plane/addon.ts';
import { encodeConnectionTerms } from '../data-plane/connection-terms.ts';
import { RecordReader } from '../data-plane/record-bytes.ts';
import { encodeConnack } from '../wire/encode-connack.ts';
import type { ConnectPacket } from '../wire/packets.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { connackProperties } from './connect-terms.ts';
import { reasonStringTerms } from './reason-strings.ts';

export interface PlainClient {
  /** The number of its connection. */
  readonly connection: number;
  /** 0: the session directory is deciding. */
  readonly session: number;
  readonly isWebSocket: boolean;
  readonly remoteAddress: string;
  /** The body of its CONNECT. */
  readonly connect: Uint8Array;
}

/** Reads what Engine.adoptPlain() gives; undefined if that is empty. */
export function readPlainClient(bytes: Uint8Array<ArrayBuffer>): PlainClient | undefined {
  if (bytes.length === 0) return undefined;
  const record = new RecordReader(bytes);
  return {
    connection: record.float64(),
    session: record.float64(),
    isWebSocket: record.uint8() !== 0,
    remoteAddress: record.text(),
    connect: record.bytes(),
  };
}

/** Tells the data plane the terms of plain clients. `areAllowed` false: there are none. */
export function setPlainTerms(engine: Engine, config: BrokerConfig, areAllowed: boolean): void {
  const { clientIdBytesMax, serverKeepAliveSeconds } = config.limits;
  const of4 = plainTermsOf(config, 4);
  const of5 = plainTermsOf(config, 5);
  engine.setPlainTerms(
    areAllowed ? clientIdBytesMax : 0,
    serverKeepAliveSeconds,
    of4.terms,
    of4.connack,
    of5.terms,
    of5.connack,
  );
}

function plainTermsOf(config: BrokerConfig, version: 4 | 5): { terms: Uint8Array; connack: Uint8Array } {
  const { limits, reasonStrings, asksToPublish } = config;
  const terms = encodeConnectionTerms({
    version,
    withholdsProblems: !reasonStringTerms(reasonStrings, undefined).elsewhere,
    keepAliveMs: 0,
    receiveMaximum: 65_535,
    maximumPacketSize: 0,
    topicAliasMaximum: 0,
    sessionExpirySeconds: 0,
    messagesPerSecond: limits.messagesPerSecondMax,
    bytesPerSecond: limits.bytesPerSecondMax,
    asksToPublish,
    clientId: '',
    topicPrefix: '',
    will: undefined,
    access: undefined,
  }).slice();
  const connect: ConnectPacket = {
    protocolVersion: version,
    cleanStart: true,
    keepAliveSeconds: limits.serverKeepAliveSeconds,
    properties: {},
    clientId: 'plain',
  };
  const properties = version === 5 ? connackProperties(connect, config, undefined) : {};
  const connack = encodeConnack(
    { sessionPresent: false, reasonCode: ReasonCode.success, properties },
    version,
  );
  return { terms, connack };
}
