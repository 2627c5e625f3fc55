// Every limit of the broker: its name with the unit last, its default, its range, and the reason.
// There are no limits elsewhere in the project. Plain data: the workers get a copy.
//
// Memory that clients can make the broker use is counted in accounts, each with a total. accountsOf() has the arithmetic, which
// is logged at the start and shown for the defaults in docs/architecture.md. Connections are limited by
// number only: an idle one takes 3 KB.

const KiB = 1_024;
const MiB = 1_024 * KiB;
const GiB = 1_024 * MiB;
const TiB = 1_024 * GiB;

/** Whether a new value takes effect at a reload, or needs a restart. */
export type Reload = 'live' | 'restart';

/** The range of a limit; both ends are allowed. */
export interface LimitRange {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly powerOfTwo?: boolean;
  readonly reload: Reload;
}

export const limitRanges = {
  /**
   * The largest MQTT packet accepted from a client, in bytes with its header. A larger one ends the
   * connection with 0x95. Default 1 * MiB: messages are small, and one packet must not delay all others.
   */
  maximumPacketSizeBytes: { default: 1 * MiB, min: 1 * KiB, max: 268_435_460, reload: 'restart' },
  /**
   * The largest CONNECT in bytes with its header: the only packet that unauthenticated clients can make the broker hold, ten
   * thousand of them at once. Default 32 * KiB: a token, a will of a few KiB, and names. It must have room for usernameBytesMax
   * and passwordBytesMax, or these are never reached.
   */
  connectPacketSizeBytesMax: { default: 32 * KiB, min: 1 * KiB, max: 1 * MiB, reload: 'restart' },
  /**
   * Bytes of a client identifier; a longer one is refused with 0x85 (3.1.1: 2). Default 256: MQTT guarantees 23, and a
   * UUID with a prefix, a host name or an e-mail address has fewer than 256. The main thread keeps it as long as
   * the session exists, even if its client is away.
   */
  clientIdBytesMax: { default: 256, min: 23, max: 65_535, reload: 'live' },
  /**
   * Bytes of a user name; a longer one is refused with 0x86 (3.1.1: 4). Default 1 * KiB: addresses, and the names with
   * parameters that some clouds require.
   */
  usernameBytesMax: { default: 1 * KiB, min: 12, max: 65_535, reload: 'live' },
  /**
   * Bytes of a password; a longer one is refused with 0x86 (3.1.1: 4). Default 16 * KiB: enough for a token with many claims, and
   * quick to check for an `authenticate` function.
   */
  passwordBytesMax: { default: 16 * KiB, min: 12, max: 65_535, reload: 'live' },
  /**
   * User properties of one packet, including those of its will. A CONNECT or PUBLISH with more is refused with 0x97, and such a
   * PUBLISH is counted (`publishRefused`); any other packet with more ends its connection. Default 64: tracing and routing need a
   * dozen, while the largest packet has room for 200,000, each of which becomes an object somewhere.
   */
  userPropertiesPerPacketMax: { default: 64, min: 0, max: 1_000_000, reload: 'restart' },
  /**
   * Topic filters of one SUBSCRIBE or UNSUBSCRIBE; more end the connection with 0x97. Default 10_000: as many as a
   * session may have, since clients subscribe to all of them at once when they reconnect; 3 us each.
   */
  filtersPerPacketMax: { default: 10_000, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Milliseconds from accepting a connection to its complete CONNECT, and again for its authentication.
   * Default 10_000: enough for a phone on a bad network, short enough that silent connections do not pile up.
   */
  connectTimeoutMs: { default: 10_000, min: 10, max: 600_000, reload: 'restart' },
  /**
   * The longest keep alive in seconds: MQTT 5 clients that ask for more, or for none, are told (Server Keep Alive). MQTT
   * 3.1 and 3.1.1 cannot tell: there it applies to clients that ask for none, and a longer one is kept. Default 0: no
   * maximum, since the client knows its network and its battery best.
   */
  serverKeepAliveSeconds: { default: 0, min: 0, max: 65_535, reload: 'live' },
  /**
   * QoS 1 and 2 messages accepted from a client before the first is acknowledged, announced as Receive
   * Maximum (MQTT 5, 3.2.2.3.3). Default 1_024: covers a fast client's round trip to the disk.
   */
  receiveMaximum: { default: 1_024, min: 1, max: 65_535, reload: 'restart' },
  /**
   * QoS 1 and 2 messages to a client that it has not acknowledged; the client's own Receive Maximum
   * applies if it is smaller. Default 1_024: fills a long link, and little has to be sent again after a reconnect.
   */
  inflightMax: { default: 1_024, min: 1, max: 65_535, reload: 'restart' },
  /**
   * Topic aliases that a client may set per connection (MQTT 5, 3.2.2.3.8). Default 64: each costs the
   * broker a topic name, and a client rarely has more busy topics.
   */
  topicAliasMaximum: { default: 64, min: 0, max: 65_535, reload: 'restart' },
  /**
   * Bytes that the topic aliases of a client may take; an alias beyond it ends the connection with 0x97, since the
   * client would rely on it. Default 16 * KiB: 64 topics of 200 bytes.
   */
  topicAliasBytesMax: { default: 16 * KiB, min: 1 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Bytes of the topic aliases of all connections of one worker, those set by clients and those set by the broker, which may
   * use half of it. Not below topicAliasBytesMax. Beyond it the connection whose client has set the most ends with
   * 0x97, and the broker sets no more. Default 64 * MiB: 64,000 clients with ten busy topics each.
   */
  topicAliasesTotalBytesMax: { default: 64 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Topic aliases that the broker sets for a client that accepts them (MQTT 5, 3.1.2.11.5), for topics of at
   * most 1,024 bytes, while topicAliasesTotalBytesMax has room. Default 64: most clients follow fewer topics. 0:
   * none.
   */
  outgoingTopicAliasesMax: { default: 64, min: 0, max: 65_535, reload: 'restart' },
  /**
   * The highest QoS that clients may publish with and are granted (MQTT 5, 3.2.2.3.4): 0, 1 or 2. A will
   * with a higher one is refused with 0x9B, a PUBLISH ends its connection with it. Default 2: clients may use all of MQTT.
   */
  maximumQoS: { default: 2, min: 0, max: 2, reload: 'restart' },
  /**
   * Bytes that wait for a connection whose socket accepts nothing; QoS 0 messages beyond it are dropped and
   * counted. Not below maximumPacketSizeBytes. Default 1 * MiB: a second of a slow link, not a minute.
   */
  outboxBytesMax: { default: 1 * MiB, min: 1 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Messages that wait for a connection whose socket accepts nothing; QoS 0 messages beyond it are dropped and
   * counted. Default 1_000: small messages cost more than their bytes, and old messages are of little use.
   */
  outboxMessagesMax: { default: 1_000, min: 1, max: 16_777_216, reload: 'live' },
  /**
   * Messages of a session that wait for its client; beyond it the newest is dropped and
   * counted. Default 10_000: hours of absence, at the rate of most devices.
   */
  sessionQueueMessagesMax: { default: 10_000, min: 1, max: 1_000_000_000, reload: 'live' },
  /**
   * Bytes of the messages of a session that wait for its client or for its acknowledgement: the messages,
   * however many sessions share them, subscription identifiers and entries. Beyond it the newest is dropped and counted.
   * Not below maximumPacketSizeBytes; a message of a shared subscription may go beyond it if there was room left. Default
   * 16 * MiB: large messages fill memory long before they reach the count.
   */
  sessionQueueBytesMax: { default: 16 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes of the queues and windows of all sessions of one worker; messages and entries that several share count once. In the
   * last eighth of it the session that holds most loses its newest messages, counted (`droppedTotalFull`), and
   * accepts no more (native/sessions/session-account.h). Not below sessionQueueBytesMax. Default 256 * MiB: sixteen full
   * sessions or five million entries, which is hours for all devices of a site, on a machine of 1 GiB.
   */
  sessionsTotalBytesMax: { default: 256 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes of messages that wait in the queues of one worker's sessions and are also in the log. Beyond it the content of
   * the oldest is kept in the log only, and read back when a session gets it (native/sessions/backlog.h). Default 64 * MiB:
   * a client that was away for minutes gets its messages from memory, and one that is away for days takes about
   * 100 bytes for each message. 0: all content is kept in the log only.
   */
  queuedMemoryBytesMax: { default: 64 * MiB, min: 0, max: 1 * TiB, reload: 'restart' },
  /**
   * Bytes of the packet identifiers of QoS 2 messages that the clients of one worker have sent and not released. None may
   * be forgotten, and those of absent clients are kept: beyond it the session that holds most ends, its client with
   * 0x97, counted (`sessionsCut`). Default 32 * MiB: three million identifiers, of which clients hold a few dozen each.
   */
  packetIdsTotalBytesMax: { default: 32 * MiB, min: 4 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes beyond one packet that are kept of a connection while it is paused. Default
   * 256 * KiB: the data already read when the pause begins.
   */
  inputBufferBytesMax: { default: 256 * KiB, min: 0, max: 1 * GiB, reload: 'live' },
  /**
   * Bytes of incomplete and waiting packets of all connections of one worker. Beyond half of it connections that have to
   * wait are not read; beyond it the connection that has held most for longest ends with 0x97, counted
   * (`connectionsCut`). Not below maximumPacketSizeBytes. Default 256 * MiB: two hundred of the largest packets at once.
   */
  inputTotalBytesMax: { default: 256 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes of all outboxes of one worker together. Beyond three quarters of it the connection that accepts nothing
   * and has held most for longest ends with 0x97, counted (`connectionsCut`), so that there is always room for clients that
   * read. Not below outboxBytesMax. Default 1 * GiB: 750 full outboxes, so that many slow clients at once cannot
   * exhaust the machine.
   */
  outboxTotalBytesMax: { default: 1 * GiB, min: 1 * MiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Seconds that a session may outlive its connection. Default 4_294_967_295, which means for ever: the
   * specification leaves it to the client.
   */
  sessionExpiryIntervalMax: { default: 4_294_967_295, min: 0, max: 4_294_967_295, reload: 'live' },
  /**
   * Levels of a topic name or topic filter; more are refused. Default 128: far more than any real topic has,
   * and a topic of 65,535 slashes must not cost 65,536 nodes.
   */
  topicLevelsMax: { default: 128, min: 1, max: 1_024, reload: 'restart' },
  /**
   * Subscriptions of one session; more are refused with 0x97. Default 10_000: a page follows dozens, a back end or a
   * bridge uses wildcards or a few thousand names. If you know a client that needs more, raise it.
   */
  subscriptionsPerSessionMax: { default: 10_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Shared subscriptions among those; more are refused with 0x97. Default 64: a session in that many shares of one topic
   * gets each message 64 times, about 20 us for the publisher's worker.
   */
  sharedSubscriptionsPerSessionMax: { default: 64, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Bytes that the subscriptions of one session may take, as if nobody else had the same ones; more are refused with 0x97.
   * Default 8 * MiB: 10,000 filters with wildcards of half a dozen levels (480 bytes each, exact ones 170), or 120 of
   * 65 KB.
   */
  subscriptionBytesPerSessionMax: { default: 8 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes that the subscriptions and filters of all sessions may take, on all workers; more are refused with 0x97. Half
   * of it is reserved in equal parts for `sessionsMax` sessions: by default 2 KiB each, which is a
   * dozen filters, whatever others do. Of the other half one session gets at most as much as it leaves free. Not below
   * subscriptionBytesPerSessionMax. Default 1 * GiB: 3,500,000 exact filters of 27 bytes besides those parts.
   */
  subscriptionsTotalBytesMax: { default: 1 * GiB, min: 64 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Branches of all topic filters with wildcards (native/topics/filter-shapes.h): the number of nodes that a topic can reach
   * among them. 242 of these are reserved for the common combinations of wildcards and levels (any with
   * 4 levels, two `+` in 8, one in 16), which are never refused. Of the others a session gets at most an eighth,
   * and no more than it leaves free; beyond it a SUBSCRIBE is refused with 0x97. Default 640: about 18 us of work for the worst
   * topic, and 398 branches for rare combinations, of which most brokers see a handful.
   */
  filterBranchesMax: { default: 640, min: 256, max: 16_777_216, reload: 'restart' },
  /**
   * In a cluster, topic filters with wildcards that a node announces to the others, in equal parts for its workers, without
   * those that others of them cover. A worker with more announces wider filters, such as `site/#` in place of all that
   * begin with `site/`, and drops messages that match none of its own. Default 100_000: some 12 MB on each worker of the
   * cluster.
   */
  wildcardRoutesMax: { default: 100_000, min: 64, max: 100_000_000, reload: 'restart' },
  /**
   * Retained messages of the broker; more are not retained, and counted. Default 1_000_000: clients
   * can invent topics, and a subscriber to # gets all of them. 0 retains nothing.
   */
  retainedMessagesMax: { default: 1_000_000, min: 0, max: 1_000_000_000, reload: 'restart' },
  /**
   * Bytes of the retained messages of the broker with their overhead: topic names, properties, nodes of the topic tree
   * and entries of its index; more are not retained, and counted. Default 256 * MiB: a million states of 100
   * bytes under short topics, in the memory of a small server. 0 retains nothing.
   */
  retainedBytesMax: { default: 256 * MiB, min: 0, max: 1 * TiB, reload: 'restart' },
  /**
   * Connected clients; a CONNECT beyond it is refused with 0x97. Each has a session, so sessionsMax applies too.
   * Default 1_000_000: that many idle clients take moderate memory; the limit of open files (ulimit -n) is usually
   * lower.
   */
  connectionsMax: { default: 1_000_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Sessions, of connected and absent clients; a CONNECT that would need one more is refused with 0x97, counted
   * (`sessionsRefused`) and logged once a minute. Any client may ask for sessions that never expire, with ever new
   * identifiers, so they need a limit. Default 250_000: each takes 330 bytes of the main thread's heap and 240 more
   * with the longest identifier (clientIdBytesMax), 145 MB in all, which fits the heap that Node.js has by default on a
   * machine with 1 GB; and 0.7 KB of the data plane. With more, give Node.js more (--max-old-space-size).
   */
  sessionsMax: { default: 250_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Milliseconds that the last packets of an ended connection may wait to be handled, behind a
   * SUBSCRIBE or for room in the lanes; the rest is then dropped, and the will is published. Default 5_000: only an
   * overloaded broker needs more than a few milliseconds.
   */
  lastFramesMs: { default: 5_000, min: 0, max: 600_000, reload: 'live' },
  /**
   * Wills published in a second, after 1,000 at once. Default 16_000: a subscriber can take that many, so that
   * none is dropped from its queue when a network with 100,000 clients is lost; all are published within 6 s.
   */
  willsPerSecond: { default: 16_000, min: 1_000, max: 100_000_000, reload: 'restart' },
  /**
   * Milliseconds that an accepted client may wait for its session: for the end of an older connection with the same
   * client identifier and its will, for the session to move from another worker, or for a worker to
   * restart. Then it is refused with 0x88 and may try again. Default 10_000: more than lastFramesMs, less than
   * clients wait for a CONNACK.
   */
  sessionWaitMs: { default: 10_000, min: 0, max: 600_000, reload: 'live' },
  /**
   * Bytes in transit between the host program and the worker that carries its messages, in either direction. Beyond it the
   * program's messages wait on the main thread, and messages to it wait as for a slow
   * client. A single larger packet is sent. Default 1 * MiB: keeps both threads busy, and their turns short.
   */
  hostWindowBytes: { default: 1 * MiB, min: 1 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Records in each lane between two workers, a power of two. Default 16_384: a few milliseconds at full
   * speed, enough to bridge a garbage collection of the reader.
   */
  laneRecords: { default: 16_384, min: 1_024, max: 1_048_576, powerOfTwo: true, reload: 'restart' },
  /**
   * Bytes of the messages in all lanes of one worker to the others, in equal parts for each lane; front ends hold
   * PUBLISH while a lane has more. Default 64 * MiB: with up to 16 workers small messages reach laneRecords first, and
   * large ones cannot fill the memory while a worker does not get its turn.
   */
  lanesTotalBytesMax: { default: 64 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * HTTP requests that wait for the data plane; more get 503. Default
   * 1_000: they are answered within milliseconds, and a flood of them must not grow a queue.
   */
  httpPendingMax: { default: 1_000, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Bytes of the request line and the headers of an HTTP request, which must arrive within connectTimeoutMs; more get 431. Default
   * 16 * KiB: the cookies and tokens of a browser fit, and Node's own servers accept as much.
   */
  httpHeadBytesMax: { default: 16 * KiB, min: 1 * KiB, max: 32 * KiB, reload: 'restart' },
  /**
   * Bytes of the body of an HTTP request; more get 413. Default 1 * MiB: the size of the
   * largest packet, since nothing larger could be published.
   */
  httpBodyBytesMax: { default: 1 * MiB, min: 0, max: 1 * GiB, reload: 'live' },
  /**
   * Bytes of HTTP responses, other than the pages, that clients have not read yet; beyond it requests get 503,
   * but a single larger response is sent. Default 32 * MiB: statistics and retained messages are short, and
   * most clients read them at once.
   */
  httpAnswersBytesMax: { default: 32 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Events of all clients that are remembered, so that an operator can see why one was disconnected; beyond it the events of
   * the client that has been idle longest are forgotten. Default 100_000: the last two of 50,000 clients, in 25 MB.
   */
  clientEventsMax: { default: 100_000, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * Bytes of topics whose messages are counted, so that an operator sees the busy ones (`GET /api/v1/topics`), in equal
   * parts for the workers; beyond it those idle longest are forgotten. 0: none are counted. Default 16 * MiB:
   * about 100,000 topics.
   */
  topicRatesBytesMax: { default: 16 * MiB, min: 0, max: 1 * TiB, reload: 'restart' },
  /**
   * Bytes that a trace (`POST /api/v1/traces`) writes before it ends. There are at most eight. Default 4 * MiB: about 20,000 events.
   */
  traceBytesMax: { default: 4 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Streams of messages over HTTP (`/sse`) at once; more get 503. Default 10_000: they are written by the
   * main thread, which also serves CONNECT.
   */
  eventStreamsMax: { default: 10_000, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * Bytes of messages that are kept for all streams over HTTP together: a stream that reads too slowly, or reconnects with
   * Last-Event-ID, gets the missed messages from there. Default 16 * MiB: a second of a busy broker.
   */
  eventHistoryBytesMax: { default: 16 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Milliseconds without a byte in either direction, after which an HTTP connection ends, whether it waits for
   * the next request or for a client to read a response. Default 60_000: as common proxies do.
   */
  httpIdleTimeoutMs: { default: 60_000, min: 1_000, max: 3_600_000, reload: 'restart' },
  /**
   * Milliseconds of a client's silence after which its WebSocket is pinged. Default 30_000: common proxies drop a
   * connection that is silent for 60 s.
   */
  webSocketPingMs: { default: 30_000, min: 1_000, max: 3_600_000, reload: 'live' },
  /**
   * Milliseconds of silence after which a WebSocket ends although it was pinged; a client that accepts bytes
   * sent before the ping is not silent. Not below webSocketPingMs. Default 45_000: 15 s for an answer over a bad network.
   */
  webSocketSilenceMs: { default: 45_000, min: 1_000, max: 3_600_000, reload: 'live' },
  /**
   * Passwords that wait to be verified; a CONNECT beyond it is refused with 0x89 (3.1.1: 3), so that its client tries
   * again later. Default 64: a thread verifies about six a second with Argon2id, and a client that waits longer than
   * connectTimeoutMs is refused anyway.
   */
  passwordChecksPendingMax: { default: 64, min: 1, max: 100_000, reload: 'restart' },
  /**
   * Milliseconds for which a correct password is remembered (core/security/remembered-passwords.ts). Default
   * 60_000: clients that lose their connection reconnect within a minute, and must not cost a tenth of a second each.
   * 0 remembers none.
   */
  passwordMemoryMs: { default: 60_000, min: 0, max: 86_400_000, reload: 'restart' },
  /**
   * Passwords that are remembered at once, with about 150 bytes each; then the oldest is forgotten. Default 100_000: all
   * clients of a site that reconnect at once.
   */
  passwordMemoryMax: { default: 100_000, min: 0, max: 10_000_000, reload: 'restart' },
  /**
   * Connections from one address (of IPv6: from one network of 64 bits); a CONNECT beyond it is refused with 0x97. Default
   * 0: no limit, since all people of an office share an address, and so do all clients behind a proxy that
   * `trustedProxies` does not name. Clients of a Unix socket have no address, and are not counted.
   */
  connectionsPerAddressMax: { default: 0, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * Connections of one verified user name; a CONNECT beyond it is refused with 0x97. Default 0: no limit, since
   * a user may be a fleet of devices, or a person with many pages open.
   */
  connectionsPerUserMax: { default: 0, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * CONNECTs of all clients in a second; more are refused with 0x9F. Default 0: no limit, since all clients
   * reconnect at once when a network recovers, and one worker accepts about ten thousand a second.
   */
  connectsPerSecondMax: { default: 0, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * The same from one address (of IPv6: from one network of 64 bits). Default 0: no limit, for the reasons of
   * connectionsPerAddressMax.
   */
  connectsPerSecondPerAddressMax: { default: 0, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * PUBLISH packets of a client in a second; a client that sends more is not read for a while, and loses
   * nothing. A grant may set another value for its client (`quotas`). Default 0: no limit, since the data plane handles a
   * million, and what is too much depends on the application.
   */
  messagesPerSecondMax: { default: 0, min: 0, max: 4_294_967_295, reload: 'live' },
  /** Bytes of packets of a client in a second, in the same way. Default 0: no limit, for the same reason. */
  bytesPerSecondMax: { default: 0, min: 0, max: 4_294_967_295, reload: 'live' },
  /**
   * The longest delay of the refusal of a failed login, in milliseconds: none for the first three of an
   * address, a user or a client identifier within failedLoginsWindowMs, then 100, doubled each time. Default 5_000:
   * below connectTimeoutMs, so that clients get the reason, and guessing takes years. 0: no delay.
   */
  failedLoginDelayMsMax: { default: 5_000, min: 0, max: 600_000, reload: 'live' },
  /** Milliseconds in which failed logins are counted. Default 60_000: a mistyped password is forgotten in a minute. */
  failedLoginsWindowMs: { default: 60_000, min: 1_000, max: 86_400_000, reload: 'restart' },
  /**
   * Failed logins from one address within failedLoginsWindowMs after which it is banned for banMs; the broker's own machine
   * is never banned. Default 100: an office whose token has just expired is not locked out, while an attacker with a list
   * of passwords is. 0: no bans.
   */
  failedLoginsPerAddressMax: { default: 100, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * The same for a user name and for a client identifier, from all addresses together. Connected clients stay. Default
   * 1_000: many addresses that guess at one user are stopped, and locking a user out takes as many failed logins,
   * again and again. 0: no bans.
   */
  failedLoginsPerNameMax: { default: 1_000, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * Times that a client may connect in a minute; then its identifier is banned for banMs. Default 0: no limit, since
   * tests and short scripts may connect often; two devices with the same identifier do so about a thousand
   * times.
   */
  connectsPerMinutePerClientMax: { default: 0, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * Duration in milliseconds of bans set by the broker. Default 300_000: longer than a program tries, shorter than
   * a person would wait for an operator to lift it. 0: the broker sets none.
   */
  banMs: { default: 300_000, min: 0, max: 31_536_000_000, reload: 'live' },
  /**
   * Bans at once. Beyond it the oldest one set by the broker is lifted, and one set by hand is refused. Default 10_000: more
   * than people can keep track of.
   */
  bansMax: { default: 10_000, min: 1, max: 1_000_000, reload: 'restart' },
  /**
   * Addresses, user names and client identifiers, of each kind, whose connects and failures are counted; beyond it the
   * oldest are forgotten. Default 10_000: as many attackers at once, in 10 MB.
   */
  trackedNamesMax: { default: 10_000, min: 100, max: 10_000_000, reload: 'restart' },
  /**
   * Milliseconds that a worker may take to answer the main thread; beyond it new clients are refused with 0x89 (3.1.1: 3),
   * and if that lasts, clients with a rate limit (messagesPerSecondMax) may send half as fast. No client is disconnected. Default
   * 5_000: an event loop so far behind answers no client in time. 0: not checked.
   */
  overloadLagMs: { default: 5_000, min: 0, max: 600_000, reload: 'restart' },
  /**
   * Percentage of the memory available to the process (of its control group, or else of the machine), beyond which the same
   * happens. Default 90: the operating system kills a process that takes all of it. 0: not checked.
   */
  overloadMemoryPercent: { default: 90, min: 0, max: 100, reload: 'live' },
  /**
   * Log lines in a second for each kind of event that strangers can cause, such as refused logins; the next line gives
   * the number omitted. Default 10: enough to see what is happening, too few to fill a disk.
   */
  auditLinesPerSecondMax: { default: 10, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Milliseconds that a back end (authUrl, authorizeUrl) may take to answer; then the client is refused with 0x88, or
   * its request is denied. Default 5_000: half of connectTimeoutMs, so that the client gets the reason.
   */
  backendTimeoutMs: { default: 5_000, min: 10, max: 600_000, reload: 'restart' },
  /**
   * Questions to each back end that wait for an answer; more are refused with 0x89. Default 256: a back end that takes
   * 10 ms answers 25,600 in a second.
   */
  backendPendingMax: { default: 256, min: 1, max: 100_000, reload: 'restart' },
  /**
   * Cached answers of back ends (Cache-Control: max-age); beyond it the oldest is
   * forgotten. Default 100_000: all clients of a site that reconnect at once, in 40 MB.
   */
  backendAnswersMax: { default: 100_000, min: 0, max: 10_000_000, reload: 'restart' },
  /**
   * Milliseconds for which an answer of `authorizePublish` without a time of its own is valid. Default 60_000: a
   * program is asked once a minute for each topic of a client, and a revoked right lasts a minute at most.
   */
  authorizationMemoryMs: { default: 60_000, min: 0, max: 86_400_000, reload: 'restart' },
  /**
   * TLS handshakes that a worker begins in one turn of its event loop; more wait for the next. Default 4: about 2 ms of
   * work, so that connected clients are served as before when all others connect at once.
   */
  tlsHandshakesPerTurnMax: { default: 4, min: 1, max: 65_536, reload: 'live' },
  /**
   * Milliseconds between two checks whether certificate files have changed. Default 10_000: a new one is noticed
   * soon, and a check reads a few small files.
   */
  certificateCheckMs: { default: 10_000, min: 100, max: 86_400_000, reload: 'restart' },
  /**
   * Bytes that one worker has submitted to the log and that are not committed yet; beyond it PUBLISH waits, as for a
   * crowded lane, and so do SUBSCRIBE, UNSUBSCRIBE and CONNECT, which is refused with 0x88 after connectTimeoutMs.
   * Default 32 * MiB: a good disk writes it in about 50 ms, a slow one in a second.
   */
  logPendingBytesMax: { default: 32 * MiB, min: 64 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Bytes of a segment of the log, a power of two; segments are filled with zeros before use, and two are kept
   * ready. Default 64 * MiB: a second's work of a good disk, so that the next one is ready in time.
   */
  logSegmentBytes: { default: 64 * MiB, min: 1 * MiB, max: 1 * GiB, powerOfTwo: true, reload: 'restart' },
  /**
   * Bytes of the log that a start would have to read, below which no checkpoint is written; above, one is written when they
   * reach twice the size of the state. Default 64 * MiB: a quarter of a second to read, and a small store stays small.
   */
  checkpointBytesMin: { default: 64 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Copies of the log of a node with `replicas` 3 that JetStream keeps. Default 3: one of its servers may fail. 1 is for trials
   * with a single server of NATS.
   */
  logCopies: { default: 3, min: 1, max: 5, reload: 'restart' },
  /**
   * Clients that are disconnected in a second when the broker is drained. Default 1_000: ten thousand leave in ten
   * seconds, and the next broker can accept them at that rate.
   */
  drainClientsPerSecond: { default: 1_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Milliseconds that a stop may take to send waiting packets, before connections are cut. Default 5_000:
   * below the 10 seconds after which container runtimes kill a process.
   */
  stopMs: { default: 5_000, min: 0, max: 600_000, reload: 'live' },
} as const satisfies Readonly<Record<string, LimitRange>>;

/**
 * The size of a session without its client identifier, subscriptions and queue: 330 bytes of the main
 * thread's heap, 0.7 KB of the data plane, and a few dozen packet identifiers.
 */
const sessionBytes = 1_290;

/** The size of a remembered password. */
const passwordBytes = 150;

/** The size of a cached answer of a back end, without its rules. */
const answerBytes = 400;

/** The size of a counted name, of five kinds. */
const trackedNameBytes = 1_000;
/** The size of an event of a client, with its share of the client's entry. */
const clientEventBytes = 250;

/** The number of traces at once. Not an option: the data plane keeps a bit for each in a session. */
export const tracesMax = 8;

/** The bytes that clients can make the broker keep, by kind, when every account is full. */
export interface Accounts {
  readonly sessions: number;
  readonly windowsAndQueues: number;
  readonly outboxes: number;
  /** Incomplete or waiting. */
  readonly packets: number;
  /** Of QoS 2 messages that clients have not released. */
  readonly packetIdentifiers: number;
  /** Messages in transit between workers. */
  readonly lanes: number;
  /** In transit to the log. */
  readonly logRecords: number;
  readonly topicAliases: number;
  /** With their filters. */
  readonly subscriptions: number;
  readonly retainedMessages: number;
  /** Over HTTP. */
  readonly answers: number;
  /** Correct ones that are remembered. */
  readonly passwords: number;
  /** Of back ends. */
  readonly answersRemembered: number;
  /** Of addresses, users and clients, whose failures are counted. */
  readonly namesTracked: number;
  readonly clientEvents: number;
  /** Of messages, for streams over HTTP. */
  readonly eventHistory: number;
  readonly topicRates: number;
  readonly traces: number;
}

export function accountsOf(limits: Limits, workers: number): Accounts {
  return {
    sessions: limits.sessionsMax * (sessionBytes + limits.clientIdBytesMax),
    windowsAndQueues: workers * limits.sessionsTotalBytesMax,
    outboxes: workers * limits.outboxTotalBytesMax,
    packets: workers * limits.inputTotalBytesMax,
    packetIdentifiers: workers * limits.packetIdsTotalBytesMax,
    lanes: workers > 1 ? workers * limits.lanesTotalBytesMax : 0,
    logRecords: workers * limits.logPendingBytesMax,
    topicAliases: workers * limits.topicAliasesTotalBytesMax,
    subscriptions: limits.subscriptionsTotalBytesMax,
    retainedMessages: limits.retainedBytesMax,
    answers: limits.httpAnswersBytesMax,
    passwords: limits.passwordMemoryMax * passwordBytes,
    answersRemembered: limits.backendAnswersMax * answerBytes,
    namesTracked: limits.trackedNamesMax * trackedNameBytes,
    clientEvents: limits.clientEventsMax * clientEventBytes,
    eventHistory: limits.eventHistoryBytesMax,
    topicRates: limits.topicRatesBytesMax,
    traces: tracesMax * limits.traceBytesMax,
  };
}

/** Their sum: the bytes that clients can make a broker with this number of workers keep. */
export function accountsBytesMax(limits: Limits, workers: number): number {
  return Object.values(accountsOf(limits, workers)).reduce((sum, bytes) => sum + bytes, 0);
}

/** Every limit of the broker, resolved. The unit comes last in the name; see each for its reason. */
export type Limits = { readonly [Name in keyof typeof limitRanges]: number };

export type LimitName = keyof Limits;

export const limitNames = Object.keys(limitRanges) as readonly LimitName[];

export const defaultLimits: Limits = Object.freeze(
  // fromEntries does not preserve the types of the keys.
  Object.fromEntries(limitNames.map((name) => [name, limitRanges[name].default])) as unknown as Limits,
);
