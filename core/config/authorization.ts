// What a program tells the broker about what clients may do: hooks that are asked for each topic.

import type { ClientTls } from './authentication.ts';

/** Who wants to do something. */
export interface AuthorizedClient {
  readonly clientId: string;
  /** As it was verified; absent of a client whose user name nobody has verified. */
  readonly username?: string;
  readonly remoteAddress: string;
  readonly transport: 'ws' | 'tcp';
  /** Of a connection over TLS. */
  readonly tls?: ClientTls;
  /** Of the grant that has let it in. */
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export interface PublishRequest {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** It is the will of a client that connects. */
  readonly isWill: boolean;
}

export interface SubscribeRequest {
  /** Of a shared subscription: as the client has sent it, with `$share/{name}/`. */
  readonly topicFilter: string;
  readonly qos: 0 | 1 | 2;
}

/** `seconds`: for how long the answer counts for the topic, QoS and retain; 0: for this message alone. */
export type Authorization = boolean | { readonly isAllowed: boolean; readonly seconds?: number };

/**
 * Decides whether a client may publish to a topic. It is asked beside the rules, about what they allow. The message, and
 * what the client sends behind it, wait for the answer, which is then remembered for the topic: for
 * `authorizationMemoryMs` unless it says for how long. Whatever is neither true nor `isAllowed` refuses, as does an
 * exception, a rejected promise, or no answer within `connectTimeoutMs`.
 */
export type AuthorizePublish = (
  client: AuthorizedClient,
  request: PublishRequest,
) => Authorization | Promise<Authorization>;

/** The same of a topic filter of a SUBSCRIBE; nothing is remembered. */
export type AuthorizeSubscribe = (
  client: AuthorizedClient,
  request: SubscribeRequest,
) => Authorization | Promise<Authorization>;
