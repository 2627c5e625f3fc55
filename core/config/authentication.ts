// How a program tells the broker which clients may connect: the hook for user names and passwords, and methods
// of enhanced authentication (MQTT 5, 4.12).

/** How a client's connection came: by WebSocket, or bare. */
export type Transport = 'ws' | 'tcp';

/** A client that wants to connect, as an {@link Authenticate} hook and an {@link AuthenticationMethod} see it. */
export interface ConnectingClient {
  /** As the client sent it, or as the broker assigned it; empty over HTTP, where there is none. */
  readonly clientId: string;
  readonly username?: string;
  readonly password?: Uint8Array;
  /** The token that came with the opening of the WebSocket, or with a request over HTTP. */
  readonly token?: string;
  /** The IP address of the peer. */
  readonly remoteAddress: string;
  /** 'http': a user signs in to the HTTP API, the dashboard or a stream of messages. */
  readonly transport: Transport | 'http';
  /** Of a connection over TLS. */
  readonly tls?: ClientTls;
}

export interface ClientTls {
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  /** The host name that the client has sent (SNI). */
  readonly serverName?: string;
  /**
   * The name in the client's certificate that `clientIdentity` selects, unchanged; or the identity of the client's key in
   * `pskFile`.
   */
  readonly identity?: string;
  /** The client has proven that it knows a key of `pskFile`, without a certificate. */
  readonly isPreShared?: boolean;
  /** SHA-256 of the client's certificate, as hexadecimal digits; undefined without a certificate. */
  readonly fingerprint256?: string;
}

/** The identity and rights of an accepted client. */
export interface Grant {
  /** The user name for rules and events. Default: the one that the client sent, which then counts as verified. */
  readonly username?: string;
  /** Names of roles, in addition to those that the rules give the user. */
  readonly roles?: readonly string[];
  /** Values of `%{name}` in the rules. */
  readonly claims?: Readonly<Record<string, string>>;
  /**
   * The client's own rules, in addition to those of its roles; filters may contain placeholders. They apply only if rules are
   * configured.
   */
  readonly allow?: { readonly publish?: readonly string[]; readonly subscribe?: readonly string[] };
  /** In seconds since 1970: the connection ends then, with 0x87, unless it has been renewed. */
  readonly expiresAt?: number;
  /** Subscriptions that the broker makes for the client, as far as the rules allow. Default QoS 0. */
  readonly subscriptions?: readonly { readonly topicFilter: string; readonly qos?: 0 | 1 | 2 }[];
  /** How fast the client may send. Default: `messagesPerSecondMax` and `bytesPerSecondMax`. */
  readonly quotas?: Quotas;
  /** Passed to `authorizePublish` and `authorizeSubscribe`, and used for nothing else. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /**
   * A prefix of all topics of the client, such as 'tenants/red/', after that of its listener: the client neither sees it nor
   * can escape it. Rules refer to topics as the client sees them. Default: none.
   */
  readonly topicPrefix?: string;
  /** The only client identifier that the client may use; another one is refused with 0x85. Default: any. */
  readonly clientId?: string;
  /** The identifier of the token, and when it was issued, in seconds since 1970, so that it can be revoked. */
  readonly tokenId?: string;
  readonly issuedAt?: number;
}

export interface Quotas {
  /** PUBLISH packets; 0: any number. */
  readonly messagesPerSecond?: number;
  /** Of packets; 0: any number. */
  readonly bytesPerSecond?: number;
}

/** Refuses a client with a reason code of MQTT 5 that a CONNACK may have, such as 0x86, 0x87, 0x88, 0x89 or 0x97. */
export interface Refusal {
  readonly reasonCode: number;
}

export type AuthenticateAnswer = boolean | Grant | Refusal | 'unknown';

/**
 * Answers with true or a grant to accept the client, and with 'unknown' to pass the question to the next provider. False
 * refuses it with 0x86, any other answer, an exception or a rejected promise with 0x88, and no answer within
 * `connectTimeoutMs` with 0x89: a client that gets one of the last two may try again with the same credentials.
 */
export type Authenticate = (client: ConnectingClient) => AuthenticateAnswer | Promise<AuthenticateAnswer>;

/**
 * The next step of the broker in an exchange: it sends `data` to the client in an AUTH packet and awaits the
 * answer, or accepts the client, with `data` in the CONNACK (or in the AUTH that ends a re-authentication),
 * or refuses it with 0x87.
 */
export type AuthenticationStep =
  | { readonly outcome: 'continue'; readonly data: Uint8Array }
  | {
      readonly outcome: 'success';
      readonly data?: Uint8Array;
      /** The proven identity of the client; without it the client is anonymous to the rules. */
      readonly grant?: Grant;
    }
  | {
      readonly outcome: 'failure';
      /** For the log, without secrets; the client is not told. */
      readonly why?: string;
    };

/** One client that authenticates, from its CONNECT or its request to do so again. */
export interface AuthenticationExchange {
  /**
   * Takes the client's Authentication Data, undefined if it sent none. An exception or a rejected promise
   * refuses the client with 0x88. All steps of an exchange together may take `connectTimeoutMs`; then the client is
   * refused with 0x89, or with 0x87 if the exchange was waiting for the client.
   */
  next(data: Uint8Array | undefined): AuthenticationStep | Promise<AuthenticationStep>;
}

/**
 * A method of enhanced authentication (MQTT 5, 4.12). A client names it in its CONNECT, and is asked to
 * answer with AUTH packets until the method has decided. The `authenticate` hook is not asked about it.
 */
export interface AuthenticationMethod {
  /** As clients name it, such as 'SCRAM-SHA-256'. */
  readonly name: string;
  begin(client: ConnectingClient): AuthenticationExchange;
}
