// Every bound of the broker: its name with the unit last, its default, what it may be set to, and why.
// Nothing else in the project holds a bound. Plain data: the workers are handed a copy.

const KiB = 1_024;
const MiB = 1_024 * KiB;
const GiB = 1_024 * MiB;
const TiB = 1_024 * GiB;

/** What a limit may be set to; both ends are allowed. */
export interface LimitRange {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly powerOfTwo?: boolean;
}

export const limitRanges = {
  /**
   * The largest MQTT packet taken from a client, in bytes with its header. A larger one ends the
   * connection with 0x95. Default 1 * MiB: messages are small, and one packet must not hold up the rest.
   */
  maximumPacketSizeBytes: { default: 1 * MiB, min: 1 * KiB, max: 268_435_460 },
  /**
   * The largest CONNECT in bytes with its header: the only packet that strangers may make the broker hold.
   * Default 128 * KiB: a will with a payload of 64 KiB, and a token beside it.
   */
  connectPacketSizeBytesMax: { default: 128 * KiB, min: 1 * KiB, max: 1 * MiB },
  /**
   * Milliseconds from accepting a connection to its complete CONNECT, and again for its authentication.
   * Default 10_000: enough for a phone on a bad network, short enough that silent connections do not pile up.
   */
  connectTimeoutMs: { default: 10_000, min: 10, max: 600_000 },
  /**
   * The most seconds of keep alive: MQTT 5 clients that ask for more, or for none, are told (Server Keep Alive). MQTT
   * 3.1 and 3.1.1 cannot tell: there it counts for clients that ask for none, and a longer one stands. Default 0: no
   * ceiling, the client's choice stands, since it knows its network and its battery.
   */
  serverKeepAliveSeconds: { default: 0, min: 0, max: 65_535 },
  /**
   * QoS 1 and 2 messages taken from a client before the first is acknowledged, announced as Receive
   * Maximum (MQTT 5, 3.2.2.3.3). Default 1_024: covers a fast client's round trip to the disk.
   */
  receiveMaximum: { default: 1_024, min: 1, max: 65_535 },
  /**
   * QoS 1 and 2 messages towards a client that it has not acknowledged; the client's own Receive Maximum
   * counts where it is smaller. Default 1_024: fills a long link, and what is sent again stays small.
   */
  inflightMax: { default: 1_024, min: 1, max: 65_535 },
  /**
   * Topic aliases that a client may set per connection (MQTT 5, 3.2.2.3.8). Default 64: each costs the
   * broker a topic name, and a client rarely has more topics that are hot.
   */
  topicAliasMaximum: { default: 64, min: 0, max: 65_535 },
  /**
   * Topic aliases that the broker sets towards a client that takes some (MQTT 5, 3.1.2.11.5), of topics of at
   * most 1,024 bytes. Default 64: at worst 64 KiB of a connection, and most clients follow fewer topics. 0: none.
   */
  outgoingTopicAliasesMax: { default: 64, min: 0, max: 65_535 },
  /**
   * The highest QoS that clients may publish with and are granted (MQTT 5, 3.2.2.3.4): 0, 1 or 2. A will
   * that asks for more is refused with 0x9B, a PUBLISH ends its connection with it. Default 2: nothing is
   * kept from clients that need it.
   */
  maximumQoS: { default: 2, min: 0, max: 2 },
  /**
   * Bytes of a connection that wait for a socket which takes nothing; QoS 0 beyond it is dropped and
   * counted. Not below maximumPacketSizeBytes. Default 1 * MiB: a second of a slow link, not a minute.
   */
  outboxBytesMax: { default: 1 * MiB, min: 1 * KiB, max: 1 * GiB },
  /**
   * Messages of a connection that wait for a socket which takes nothing; QoS 0 beyond it is dropped and
   * counted. Default 1_000: small messages cost more than their bytes, and old news helps nobody.
   */
  outboxMessagesMax: { default: 1_000, min: 1, max: 16_777_216 },
  /**
   * QoS 1 and 2 messages of a session that wait for its client; beyond it the newest is dropped and
   * counted. Default 10_000: hours of a device that is away, at the pace of most devices.
   */
  sessionQueueMessagesMax: { default: 10_000, min: 1, max: 1_000_000_000 },
  /**
   * Bytes of the QoS 1 and 2 messages of a session that wait for its client; beyond it the newest is
   * dropped and counted. Not below maximumPacketSizeBytes; a message of a shared subscription may go
   * beyond it if there was room left. Default 16 * MiB: large messages fill memory long before they reach the count.
   */
  sessionQueueBytesMax: { default: 16 * MiB, min: 1 * KiB, max: 1 * TiB },
  /**
   * Bytes beyond one packet that are kept of a connection which may not be read right now. Default
   * 256 * KiB: what has been read when it is paused.
   */
  inputBufferBytesMax: { default: 256 * KiB, min: 0, max: 1 * GiB },
  /**
   * Bytes of all outboxes of one worker together. Not below outboxBytesMax. Default 1 * GiB: a thousand
   * full outboxes, so that many slow clients at once cannot exhaust the machine.
   */
  outboxTotalBytesMax: { default: 1 * GiB, min: 1 * MiB, max: 1 * TiB },
  /**
   * Seconds that a session may outlive its connection. Default 4_294_967_295, which means for ever: as
   * the client asks, since the specification leaves it to the client.
   */
  sessionExpiryIntervalMax: { default: 4_294_967_295, min: 0, max: 4_294_967_295 },
  /**
   * Levels of a topic name or topic filter; more are refused. Default 128: far beyond any real tree,
   * and a topic of 65,535 slashes must not cost 65,536 nodes.
   */
  topicLevelsMax: { default: 128, min: 1, max: 1_024 },
  /**
   * Subscriptions of one session; more are refused with 0x97. Default 1_000_000: for a bridge that
   * subscribes to everything by name, while one client cannot exhaust the machine.
   */
  subscriptionsPerSessionMax: { default: 1_000_000, min: 1, max: 100_000_000 },
  /**
   * Branches of all topic filters with wildcards (native/topics/filter-shapes.h): the nodes that a topic can reach
   * among them. A SUBSCRIBE for which there is no room is refused with 0x97; one session gets at most half of them, and
   * the more sessions use them the less. Default 640: some 18 us of work for the worst topic, and hundreds of ways to mix
   * wildcards and levels, of which most brokers see a dozen.
   */
  filterBranchesMax: { default: 640, min: 128, max: 16_777_216 },
  /**
   * Retained messages of the broker; more are not retained, and counted. Default 1_000_000: every client
   * may invent topics, so their number needs a ceiling. 0 retains nothing.
   */
  retainedMessagesMax: { default: 1_000_000, min: 0, max: 1_000_000_000 },
  /**
   * Bytes of the retained messages of the broker, topic names included; more are not retained, and
   * counted. Default 1 * GiB: fits the memory of a small server. 0 retains nothing.
   */
  retainedBytesMax: { default: 1 * GiB, min: 0, max: 1 * TiB },
  /**
   * Clients that are connected; a CONNECT beyond it is refused with 0x97. Default 1_000_000: the memory of that many idle
   * ones is still modest; the limit of open files (ulimit -n) ends it earlier.
   */
  connectionsMax: { default: 1_000_000, min: 1, max: 100_000_000 },
  /**
   * Sessions, of clients that are connected or away; a CONNECT that would need one more is refused with 0x97, counted
   * (`sessionsRefused`) and logged once a minute. Default 1_000_000: one with a subscription takes 1.9 KB, so 2 GB in
   * all. Any client may ask for sessions that never expire, under ever new identifiers, so they need a ceiling.
   */
  sessionsMax: { default: 1_000_000, min: 1, max: 100_000_000 },
  /**
   * Milliseconds that the packets which a client sent before its connection ended may wait to be taken, behind a
   * SUBSCRIBE or for room in the lanes; what is left then is dropped, and the will goes out. Default 5_000: only a
   * broker that is overloaded needs more than some milliseconds.
   */
  lastFramesMs: { default: 5_000, min: 0, max: 600_000 },
  /**
   * Wills that go out in a second, once 1,000 have gone at once. Default 16_000: a subscriber takes that many, so that
   * none is dropped in its queue when a network with 100,000 clients is lost; they have all gone out in 6 s then.
   */
  willsPerSecond: { default: 16_000, min: 1_000, max: 100_000_000 },
  /**
   * Milliseconds that an accepted client may wait for its session: for the end of an older connection with the same
   * client identifier and its will, for the session to come from another worker, or for a worker to be started
   * again. Then it is refused with 0x88 and may try again. Default 10_000: more than lastFramesMs, less than
   * clients wait for a CONNACK.
   */
  sessionWaitMs: { default: 10_000, min: 0, max: 600_000 },
  /**
   * Bytes on the way between the host program and the worker that carries its messages, in either direction; what goes
   * beyond it waits on its side: what the program publishes where it is, what it is sent as for a client that reads
   * slowly. A larger packet goes alone. Default 1 * MiB: both threads are kept busy, and a turn of either stays short.
   */
  hostWindowBytes: { default: 1 * MiB, min: 1 * KiB, max: 1 * GiB },
  /**
   * Records in each lane between two workers, a power of two. Default 16_384: some milliseconds at full
   * speed, enough to ride out a garbage collection of the reader.
   */
  laneRecords: { default: 16_384, min: 1_024, max: 1_048_576, powerOfTwo: true },
  /**
   * Requests over HTTP that wait for an answer of the data plane; more are answered with 503. Default
   * 1_000: they are answered within milliseconds, and a flood of them must not grow a queue.
   */
  httpPendingMax: { default: 1_000, min: 1, max: 1_000_000 },
  /**
   * Bytes of the request line and the headers of a request over HTTP; more are answered with 431. Default
   * 16 * KiB, as Node.js has it: cookies and tokens of a browser fit. It has to come within connectTimeoutMs.
   */
  httpHeadBytesMax: { default: 16 * KiB, min: 1 * KiB, max: 32 * KiB },
  /**
   * Bytes of the body of a request over HTTP; more are answered with 413. Default 1 * MiB: the size of the
   * largest packet, since nothing larger could be published.
   */
  httpBodyBytesMax: { default: 1 * MiB, min: 0, max: 1 * GiB },
  /**
   * Milliseconds without a byte in either direction, after which a connection of HTTP ends, whether it waits for
   * the next request or a client takes no more of an answer. Default 60_000: as common proxies have it.
   */
  httpIdleTimeoutMs: { default: 60_000, min: 1_000, max: 3_600_000 },
  /**
   * Milliseconds of a client's silence after which its WebSocket is pinged. Default 30_000: common proxies drop a
   * connection that is silent for 60 s.
   */
  webSocketPingMs: { default: 30_000, min: 1_000, max: 3_600_000 },
  /**
   * Milliseconds of silence after which a WebSocket is no more, though it was pinged; whoever takes bytes that were
   * sent before is not silent. Not below webSocketPingMs. Default 45_000: 15 s for an answer over a bad network.
   */
  webSocketSilenceMs: { default: 45_000, min: 1_000, max: 3_600_000 },
  /**
   * Milliseconds that a stop may take to send what waits, before connections are cut. Default 5_000:
   * below the 10 seconds after which container runtimes kill.
   */
  stopMs: { default: 5_000, min: 0, max: 600_000 },
} as const satisfies Readonly<Record<string, LimitRange>>;

/** Every bound of the broker, resolved. The unit stands last in the name; see each for its reason. */
export type Limits = { readonly [Name in keyof typeof limitRanges]: number };

export type LimitName = keyof Limits;

export const limitNames = Object.keys(limitRanges) as readonly LimitName[];

export const defaultLimits: Limits = Object.freeze(
  // The keys are those of the table, which fromEntries cannot tell the compiler.
  Object.fromEntries(limitNames.map((name) => [name, limitRanges[name].default])) as unknown as Limits,
);
