/** What a client of a soak is like, and the CONNECT that says so. */
import type { ConnectPacket, QoS } from '../../../core/wire/packets.ts';
import type { Ports, TransportName } from '../../support/raw-client.ts';
import type { LifeTerms } from '../model/lives.ts';
import type { Model } from '../model/model.ts';

export interface ClientTerms extends LifeTerms {
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
}

export interface WillTerms {
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly delaySeconds: number;
}

export interface ConnectTerms {
  readonly transport: TransportName;
  /** Default: as the session is, clean or lasting. */
  readonly cleanStart?: boolean;
  readonly will?: WillTerms | undefined;
}

/** What a client may expect of the broker in this round. */
export interface World {
  readonly model: Model;
  readonly ports: Ports;
  /** Workers were made to fail: connections may end, and a client may have to try again. */
  readonly hasCrashes: boolean;
  /** Of the broker, for those who publish before they have read its CONNACK. */
  readonly receiveMaximum: number;
}

/** A broker that has not answered after this long does not answer. */
export const patienceMs = 60_000;

/** Between two attempts to be let in. */
export const againMs = 500;

/** A CONNECT that was given up may come through for so long. */
export const strayMs = 15_000;

export function connectPacketOf(
  terms: ClientTerms,
  cleanStart: boolean,
  will?: { readonly terms: WillTerms; readonly payload: Uint8Array },
): ConnectPacket {
  const { clientId, version, isLasting, receiveMaximum, maximumPacketSize, topicAliasMaximum } = terms;
  const properties: ConnectPacket['properties'] = {};
  if (version === 5) {
    if (isLasting) properties.sessionExpiryInterval = 3_600;
    if (receiveMaximum < 65_535) properties.receiveMaximum = receiveMaximum;
    if (maximumPacketSize > 0) properties.maximumPacketSize = maximumPacketSize;
    if (topicAliasMaximum > 0) properties.topicAliasMaximum = topicAliasMaximum;
  }
  const packet: ConnectPacket = {
    protocolVersion: version,
    cleanStart,
    keepAliveSeconds: 0,
    clientId,
    properties,
  };
  if (will === undefined) return packet;
  const { topic, qos, retain, delaySeconds } = will.terms;
  const isDelayed = version === 5 && delaySeconds > 0;
  const willProperties = isDelayed ? { willDelayInterval: delaySeconds } : {};
  return { ...packet, will: { topic, payload: will.payload, qos, retain, properties: willProperties } };
}
