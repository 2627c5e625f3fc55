// What a program tells the broker about who may connect: the hook for user names and passwords, and methods
// of enhanced authentication (MQTT 5, 4.12).

/** Who asks to be let in: what an {@link Authenticate} hook and an {@link AuthenticationMethod} are told. */
export interface ConnectingClient {
  /** As the client sent it, or as the broker assigned it. */
  readonly clientId: string;
  readonly username?: string;
  readonly password?: Uint8Array;
  /** The token that came with the opening of the WebSocket. */
  readonly token?: string;
  /** The IP address of the peer. */
  readonly remoteAddress: string;
  readonly transport: 'ws' | 'tcp';
  /** Of a connection over TLS. */
  readonly tls?: ClientTls;
}

export interface ClientTls {
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  /** The host that the client wants to speak with (SNI), as it has sent it. */
  readonly serverName?: string;
  /**
   * The name in the client's certificate that `clientIdentity` says, exactly as it stands there; or the identity that
   * `pskFile` has of the client's key.
   */
  readonly identity?: string;
  /** The client has proven to know a key of `pskFile`, and has shown no certificate. */
  readonly isPreShared?: boolean;
  /** SHA-256 of the client's certificate, as hexadecimal digits; undefined if it has shown none. */
  readonly fingerprint256?: string;
}

/** Who a client is that is let in. */
export interface Grant {
  /** To the rules, and in events. Default: the one that the client has given, which is so taken for verified. */
  readonly username?: string;
  /** Roles of the rules by name, beside those that the rules give the user. */
  readonly roles?: readonly string[];
  /** What `%{name}` stands for in the rules. */
  readonly claims?: Readonly<Record<string, string>>;
  /** Rules of the client's own, beside those of its roles; filters may have placeholders. They count where rules are configured. */
  readonly allow?: { readonly publish?: readonly string[]; readonly subscribe?: readonly string[] };
  /** In seconds since 1970: the connection ends then, with 0x87, unless it has been renewed. */
  readonly expiresAt?: number;
  /** That the broker makes for the client, as far as the rules allow. Default QoS 0. */
  readonly subscriptions?: readonly { readonly topicFilter: string; readonly qos?: 0 | 1 | 2 }[];
  /** How fast the client may send. Default: `messagesPerSecondMax` and `bytesPerSecondMax`. */
  readonly quotas?: Quotas;
  /** What `authorizePublish` and `authorizeSubscribe` are told of the client; nobody else is. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /**
   * Goes before all topics of the client, as 'tenants/red/', behind that of its listener: it neither sees it nor can leave
   * it. Rules are about what the client sees. Default: nothing.
   */
  readonly topicPrefix?: string;
  /** The client identifier that the client has to have; with another one it is refused with 0x85. Default: any. */
  readonly clientId?: string;
  /** Names the token that this comes from, and says when it was issued, in seconds since 1970: to revoke it by. */
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
 * Answers true, or with a grant, to let the client in, and 'unknown' to have the next one asked who might know the
 * client. False refuses it with 0x86, any other answer, an exception or a rejected promise with 0x88, and no answer within
 * `connectTimeoutMs` with 0x89: a client that gets one of the last two may try again with the same credentials.
 */
export type Authenticate = (client: ConnectingClient) => AuthenticateAnswer | Promise<AuthenticateAnswer>;

/**
 * What the broker does next in an exchange: sends `data` to the client in an AUTH packet and awaits its
 * answer, or lets the client in, with `data` in the CONNACK (or in the AUTH that ends a re-authentication),
 * or refuses it with 0x87.
 */
export type AuthenticationStep =
  | { readonly outcome: 'continue'; readonly data: Uint8Array }
  | {
      readonly outcome: 'success';
      readonly data?: Uint8Array;
      /** Who the client has proven to be: to the rules it is anonymous without. */
      readonly grant?: Grant;
    }
  | { readonly outcome: 'failure' };

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
