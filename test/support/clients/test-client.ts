/**
 * The interface that the scenarios need from a real client, whatever program or library it is. The implementations are
 * beside this file, one per client; scenarios.ts and scenarios-v5.ts define the requirements for all of them.
 */
import type { TestContext } from 'node:test';
import type { QoS } from '../../../core/wire/packets.ts';
import type { RunningBroker } from '../broker.ts';

export interface MessageProperties {
  readonly payloadFormatIndicator?: boolean;
  readonly messageExpirySeconds?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** In the order of the packet, as far as the client reports it. */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
  readonly subscriptionIdentifiers?: readonly number[];
}

export interface Message {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: MessageProperties;
}

export interface PublishOptions {
  readonly qos?: QoS;
  readonly retain?: boolean;
  readonly properties?: MessageProperties;
}

export interface SubscribeOptions {
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
  readonly subscriptionIdentifier?: number;
}

export interface WillOptions {
  readonly topic: string;
  readonly payload: string;
  readonly qos?: QoS;
  readonly retain?: boolean;
  readonly delaySeconds?: number;
}

export interface ConnectOptions {
  readonly clientId: string;
  /** Default true. */
  readonly cleanStart?: boolean;
  readonly will?: WillOptions;
  readonly sessionExpirySeconds?: number;
}

export interface TestClient {
  readonly isSessionPresent: boolean;
  /** All messages received, in order. */
  readonly received: Message[];
  /** Resolves when the connection is over, with the reason code of the broker's DISCONNECT, if any. */
  readonly closed: Promise<number | undefined>;
  /** Resolves with the granted QoS. */
  subscribe(filter: string, qos: QoS, options?: SubscribeOptions): Promise<number>;
  unsubscribe(filter: string): Promise<void>;
  /** Resolves when acknowledged; with QoS 0 when written. */
  publish(topic: string, payload: string | Buffer, options?: PublishOptions): Promise<void>;
  /** Leaves with a DISCONNECT. */
  disconnect(): Promise<void>;
  /** Breaks the connection without a DISCONNECT. */
  drop(): Promise<void>;
}

/** One way to connect: a client, a version of the protocol and a transport. */
export interface ClientKind {
  readonly name: string;
  readonly version: 3 | 4 | 5;
  /** Whether `closed` returns the reason code of a DISCONNECT without properties. */
  readonly tellsDisconnectReason: boolean;
  /** The client ends with the test at the latest. */
  connect(test: TestContext, broker: RunningBroker, options: ConnectOptions): Promise<TestClient>;
}
