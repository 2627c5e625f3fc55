// How a program tells the broker what clients may do: hooks that decide about each topic.

import type { ClientTls, Transport } from './authentication.ts';

/** The client that wants to publish or subscribe. */
export interface AuthorizedClient {
  readonly clientId: string;
  /** The verified user name; absent if the user name was not verified. */
  readonly username?: string;
  readonly remoteAddress: string;
  readonly transport: Transport;
  /** Of a connection over TLS. */
  readonly tls?: ClientTls;
  /** From the client's grant. */
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export interface PublishRequest {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** It is the will in a CONNECT. */
  readonly isWill: boolean;
}

export interface SubscribeRequest {
  /** As the client sent it; for a shared subscription with `$share/{name}/`. */
  readonly topicFilter: string;
  readonly qos: 0 | 1 | 2;
}

/** `seconds`: how long the answer is valid for the topic, QoS and retain; 0: for this message only. */
export type Authorization = boolean | { readonly isAllowed: boolean; readonly seconds?: number };

/**
 * Decides whether a client may publish to a topic that the rules allow. The message, and everything that the client sends
 * after it, waits for the answer, which is then remembered for the topic, for `authorizationMemoryMs` or the `seconds` of the
 * answer. Anything but true or `isAllowed: true` denies, as does an exception, a rejected promise, or no answer within
 * `connectTimeoutMs`.
 */
export type AuthorizePublish = (
  client: AuthorizedClient,
  request: PublishRequest,
) => Authorization | Promise<Authorization>;

/** Decides likewise about a topic filter of a SUBSCRIBE; the answer is not remembered. */
export type AuthorizeSubscribe = (
  client: AuthorizedClient,
  request: SubscribeRequest,
) => Authorization | Promise<Authorization>;
