// Every bound of the broker: its name with the unit last, its default, what it may be set to, and why.
// Nothing else in the project holds a bound. Plain data: the workers are handed a copy.
//
// What clients can make the broker keep is counted in accounts, each with a total. accountsOf() has the arithmetic, which
// the log says at the start and docs/architecture.md shows for the defaults. Connections have no account but their
// number: an idle one takes 3 KB.

import { tracesMax } from '../tracing/trace-target.ts';

const KiB = 1_024;
const MiB = 1_024 * KiB;
const GiB = 1_024 * MiB;
const TiB = 1_024 * GiB;

/** Whether another value counts after a reload, or needs a restart. */
export type Reload = 'live' | 'restart';

/** What a limit may be set to; both ends are allowed. */
export interface LimitRange {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly powerOfTwo?: boolean;
  readonly reload: Reload;
}

export const limitRanges = {
  /**
   * The largest MQTT packet taken from a client, in bytes with its header. A larger one ends the
   * connection with 0x95. Default 1 * MiB: messages are small, and one packet must not hold up the rest.
   */
  maximumPacketSizeBytes: { default: 1 * MiB, min: 1 * KiB, max: 268_435_460, reload: 'restart' },
  /**
   * The largest CONNECT in bytes with its header: the only packet that strangers may make the broker hold, ten
   * thousand of them at once. Default 32 * KiB: a token, a will of some KiB, and names. Not below what usernameBytesMax
   * and passwordBytesMax let in, or these are never reached.
   */
  connectPacketSizeBytesMax: { default: 32 * KiB, min: 1 * KiB, max: 1 * MiB, reload: 'restart' },
  /**
   * Bytes of a client identifier; a longer one is refused with 0x85 (3.1.1: 2). Default 256: MQTT guarantees 23, and a
   * UUID with a prefix, a host name or an e-mail address has fewer than 256. The main thread keeps it for as long as
   * there is a session, also of a client that has left.
   */
  clientIdBytesMax: { default: 256, min: 23, max: 65_535, reload: 'live' },
  /**
   * Bytes of a user name; a longer one is refused with 0x86 (3.1.1: 4). Default 1 * KiB: addresses, and the names with
   * parameters that some clouds ask for.
   */
  usernameBytesMax: { default: 1 * KiB, min: 12, max: 65_535, reload: 'live' },
  /**
   * Bytes of a password; a longer one is refused with 0x86 (3.1.1: 4). Default 16 * KiB: a token with many claims, and
   * not what takes an `authenticate` function long to look at.
   */
  passwordBytesMax: { default: 16 * KiB, min: 12, max: 65_535, reload: 'live' },
  /**
   * User properties of one packet, with those of its will; a CONNECT with more is refused with 0x97, a PUBLISH likewise
   * and counted (`publishRefused`), any other packet ends its connection with it. Default 64: tracing and routing take a
   * dozen, while the largest packet has room for 200,000, each of which becomes an object somewhere.
   */
  userPropertiesPerPacketMax: { default: 64, min: 0, max: 1_000_000, reload: 'restart' },
  /**
   * Topic filters of one SUBSCRIBE or UNSUBSCRIBE; more end the connection with 0x97. Default 10_000: as many as a
   * session may have, since clients subscribe to all of them at once when they come back; 3 us each.
   */
  filtersPerPacketMax: { default: 10_000, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Milliseconds from accepting a connection to its complete CONNECT, and again for its authentication.
   * Default 10_000: enough for a phone on a bad network, short enough that silent connections do not pile up.
   */
  connectTimeoutMs: { default: 10_000, min: 10, max: 600_000, reload: 'restart' },
  /**
   * The most seconds of keep alive: MQTT 5 clients that ask for more, or for none, are told (Server Keep Alive). MQTT
   * 3.1 and 3.1.1 cannot tell: there it counts for clients that ask for none, and a longer one stands. Default 0: no
   * ceiling, the client's choice stands, since it knows its network and its battery.
   */
  serverKeepAliveSeconds: { default: 0, min: 0, max: 65_535, reload: 'live' },
  /**
   * QoS 1 and 2 messages taken from a client before the first is acknowledged, announced as Receive
   * Maximum (MQTT 5, 3.2.2.3.3). Default 1_024: covers a fast client's round trip to the disk.
   */
  receiveMaximum: { default: 1_024, min: 1, max: 65_535, reload: 'restart' },
  /**
   * QoS 1 and 2 messages towards a client that it has not acknowledged; the client's own Receive Maximum
   * counts where it is smaller. Default 1_024: fills a long link, and what is sent again stays small.
   */
  inflightMax: { default: 1_024, min: 1, max: 65_535, reload: 'restart' },
  /**
   * Topic aliases that a client may set per connection (MQTT 5, 3.2.2.3.8). Default 64: each costs the
   * broker a topic name, and a client rarely has more topics that are hot.
   */
  topicAliasMaximum: { default: 64, min: 0, max: 65_535, reload: 'restart' },
  /**
   * Bytes that the topic aliases of a client may take; an alias beyond it ends the connection with 0x97, since the
   * client would count on it. Default 16 * KiB: 64 topics of 200 bytes.
   */
  topicAliasBytesMax: { default: 16 * KiB, min: 1 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Bytes of the topic aliases of all connections of one worker, those of clients and those towards them, which may
   * have half of it. Not below topicAliasBytesMax. Beyond it the connection whose client has set the most ends with
   * 0x97, and no more are set towards clients. Default 64 * MiB: 64,000 clients with ten hot topics each.
   */
  topicAliasesTotalBytesMax: { default: 64 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Topic aliases that the broker sets towards a client that takes some (MQTT 5, 3.1.2.11.5), of topics of at
   * most 1,024 bytes, as long as topicAliasesTotalBytesMax has room. Default 64: most clients follow fewer topics. 0:
   * none.
   */
  outgoingTopicAliasesMax: { default: 64, min: 0, max: 65_535, reload: 'restart' },
  /**
   * The highest QoS that clients may publish with and are granted (MQTT 5, 3.2.2.3.4): 0, 1 or 2. A will
   * that asks for more is refused with 0x9B, a PUBLISH ends its connection with it. Default 2: nothing is
   * kept from clients that need it.
   */
  maximumQoS: { default: 2, min: 0, max: 2, reload: 'restart' },
  /**
   * Bytes of a connection that wait for a socket which takes nothing; QoS 0 beyond it is dropped and
   * counted. Not below maximumPacketSizeBytes. Default 1 * MiB: a second of a slow link, not a minute.
   */
  outboxBytesMax: { default: 1 * MiB, min: 1 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Messages of a connection that wait for a socket which takes nothing; QoS 0 beyond it is dropped and
   * counted. Default 1_000: small messages cost more than their bytes, and old news helps nobody.
   */
  outboxMessagesMax: { default: 1_000, min: 1, max: 16_777_216, reload: 'live' },
  /**
   * Messages of a session that wait for its client; beyond it the newest is dropped and
   * counted. Default 10_000: hours of a device that is away, at the pace of most devices.
   */
  sessionQueueMessagesMax: { default: 10_000, min: 1, max: 1_000_000_000, reload: 'live' },
  /**
   * Bytes of the messages of a session that wait for its client or for its acknowledgement: the blocks of the messages,
   * however many sessions share them, subscription identifiers and entries. Beyond it the newest is dropped and counted.
   * Not below maximumPacketSizeBytes; a message of a shared subscription may go beyond it if there was room left. Default
   * 16 * MiB: large messages fill memory long before they reach the count.
   */
  sessionQueueBytesMax: { default: 16 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes of the queues and windows of all sessions of one worker, messages and entries that several share counted once. Where the
   * last eighth of it begins the session that holds most loses its newest messages, counted (`droppedTotalFull`), and
   * takes no more (native/sessions/session-account.h). Not below sessionQueueBytesMax. Default 256 * MiB: sixteen full
   * sessions or five million entries, which is hours for all devices of a site, on a machine of 1 GiB.
   */
  sessionsTotalBytesMax: { default: 256 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes of messages that wait in the queues of one worker's sessions and are in the log too. Beyond it the content of
   * the oldest is in the log alone, and read back when a session gets it (native/sessions/backlog.h). Default 64 * MiB:
   * a client that was away for minutes gets what it has missed from memory, and one that is away for days takes some
   * 100 bytes for each message. 0: all content is left to the log.
   */
  queuedMemoryBytesMax: { default: 64 * MiB, min: 0, max: 1 * TiB, reload: 'restart' },
  /**
   * Bytes of the packet identifiers of QoS 2 messages that the clients of one worker have sent and not released. None can
   * be given up, and those of sessions that are away stay: beyond it the session that holds most ends, its client with
   * 0x97, counted (`sessionsCut`). Default 32 * MiB: three million identifiers, of which clients hold a few dozen each.
   */
  packetIdsTotalBytesMax: { default: 32 * MiB, min: 4 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes beyond one packet that are kept of a connection which may not be read right now. Default
   * 256 * KiB: what has been read when it is paused.
   */
  inputBufferBytesMax: { default: 256 * KiB, min: 0, max: 1 * GiB, reload: 'live' },
  /**
   * Bytes of the packets of all connections of one worker that are not complete or wait. Beyond half of it whoever has to
   * wait is not read any more; beyond it the connection that has held most for longest ends with 0x97, counted
   * (`connectionsCut`). Not below maximumPacketSizeBytes. Default 256 * MiB: two hundred of the largest packets under way.
   */
  inputTotalBytesMax: { default: 256 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes of all outboxes of one worker together. Beyond three quarters of it the connection that has taken nothing
   * and held most for longest ends with 0x97, counted (`connectionsCut`), so that there is always room for clients that
   * read. Not below outboxBytesMax. Default 1 * GiB: 750 full outboxes, so that many slow clients at once cannot
   * exhaust the machine.
   */
  outboxTotalBytesMax: { default: 1 * GiB, min: 1 * MiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Seconds that a session may outlive its connection. Default 4_294_967_295, which means for ever: as
   * the client asks, since the specification leaves it to the client.
   */
  sessionExpiryIntervalMax: { default: 4_294_967_295, min: 0, max: 4_294_967_295, reload: 'live' },
  /**
   * Levels of a topic name or topic filter; more are refused. Default 128: far beyond any real tree,
   * and a topic of 65,535 slashes must not cost 65,536 nodes.
   */
  topicLevelsMax: { default: 128, min: 1, max: 1_024, reload: 'restart' },
  /**
   * Subscriptions of one session; more are refused with 0x97. Default 10_000: a page follows dozens, a back end or a
   * bridge uses wildcards or some thousands of names. One that needs more is known by name and can have a broker with
   * a higher limit.
   */
  subscriptionsPerSessionMax: { default: 10_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Of those, the ones to shared filters; more are refused with 0x97. Default 64: in as many shares of one topic a
   * session gets each message 64 times, some 20 us of the publisher's worker.
   */
  sharedSubscriptionsPerSessionMax: { default: 64, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Bytes that the subscriptions of one session may take if nobody else has the same ones; more are refused with 0x97.
   * Default 8 * MiB: 10,000 filters with wildcards of half a dozen levels (480 bytes each, exact ones 170), or 120 of
   * 65 KB.
   */
  subscriptionBytesPerSessionMax: { default: 8 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Bytes that the subscriptions and filters of all sessions may take, on all workers; more are refused with 0x97. Half
   * of it is set apart for all sessions in equal parts (`sessionsMax`): by default each has 2 KiB for sure, which is a
   * dozen filters, whatever others do. Of the other half one session gets at most as much as is left then. Not below
   * subscriptionBytesPerSessionMax. Default 1 * GiB: 3,500,000 exact filters of 27 bytes beside those parts.
   */
  subscriptionsTotalBytesMax: { default: 1 * GiB, min: 64 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Branches of all topic filters with wildcards (native/topics/filter-shapes.h): the nodes that a topic can reach
   * among them. Of these 242 are set apart for the ways to mix wildcards and levels that nearly everybody uses (any with
   * 4 levels, two `+` in 8, one in 16), which are never refused. Of the others a session gets at most one part of eight,
   * and not more than it leaves; beyond it a SUBSCRIBE is refused with 0x97. Default 640: some 18 us of work for the worst
   * topic, and 398 branches for rare ways, of which most brokers see a handful.
   */
  filterBranchesMax: { default: 640, min: 256, max: 16_777_216, reload: 'restart' },
  /**
   * Retained messages of the broker; more are not retained, and counted. Default 1_000_000: every client
   * may invent topics, so their number needs a ceiling: what a subscriber to # gets at once. 0 retains nothing.
   */
  retainedMessagesMax: { default: 1_000_000, min: 0, max: 1_000_000_000, reload: 'restart' },
  /**
   * Bytes of the retained messages of the broker with all that they take: topic names, properties, nodes of the tree of
   * topics and entries of its index; more are not retained, and counted. Default 256 * MiB: a million states of 100
   * bytes under short topics, in the memory of a small server. 0 retains nothing.
   */
  retainedBytesMax: { default: 256 * MiB, min: 0, max: 1 * TiB, reload: 'restart' },
  /**
   * Clients that are connected; a CONNECT beyond it is refused with 0x97. Each has a session, so sessionsMax counts too.
   * Default 1_000_000: the memory of that many idle ones is still modest; the limit of open files (ulimit -n) ends it
   * earlier.
   */
  connectionsMax: { default: 1_000_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Sessions, of clients that are connected or away; a CONNECT that would need one more is refused with 0x97, counted
   * (`sessionsRefused`) and logged once a minute. Any client may ask for sessions that never expire, under ever new
   * identifiers, so they need a ceiling. Default 250_000: each takes 330 bytes of the main thread's heap and 240 more
   * with the longest identifier (clientIdBytesMax), 145 MB in all, which fits the heap that Node.js has by default on a
   * machine with 1 GB; and 0.7 KB of the data plane. With more, give Node.js more (--max-old-space-size).
   */
  sessionsMax: { default: 250_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Milliseconds that the packets which a client sent before its connection ended may wait to be taken, behind a
   * SUBSCRIBE or for room in the lanes; what is left then is dropped, and the will goes out. Default 5_000: only a
   * broker that is overloaded needs more than some milliseconds.
   */
  lastFramesMs: { default: 5_000, min: 0, max: 600_000, reload: 'live' },
  /**
   * Wills that go out in a second, once 1,000 have gone at once. Default 16_000: a subscriber takes that many, so that
   * none is dropped in its queue when a network with 100,000 clients is lost; they have all gone out in 6 s then.
   */
  willsPerSecond: { default: 16_000, min: 1_000, max: 100_000_000, reload: 'restart' },
  /**
   * Milliseconds that an accepted client may wait for its session: for the end of an older connection with the same
   * client identifier and its will, for the session to come from another worker, or for a worker to be started
   * again. Then it is refused with 0x88 and may try again. Default 10_000: more than lastFramesMs, less than
   * clients wait for a CONNACK.
   */
  sessionWaitMs: { default: 10_000, min: 0, max: 600_000, reload: 'live' },
  /**
   * Bytes on the way between the host program and the worker that carries its messages, in either direction; what goes
   * beyond it waits on its side: what the program publishes where it is, what it is sent as for a client that reads
   * slowly. A larger packet goes alone. Default 1 * MiB: both threads are kept busy, and a turn of either stays short.
   */
  hostWindowBytes: { default: 1 * MiB, min: 1 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Records in each lane between two workers, a power of two. Default 16_384: some milliseconds at full
   * speed, enough to ride out a garbage collection of the reader.
   */
  laneRecords: { default: 16_384, min: 1_024, max: 1_048_576, powerOfTwo: true, reload: 'restart' },
  /**
   * Bytes of the messages in all lanes of one worker to the others, of which each lane has the same part; front ends hold
   * PUBLISH while a lane has more. Default 64 * MiB: with up to 16 workers small messages reach laneRecords first, and
   * large ones cannot fill the memory while a worker does not get its turn.
   */
  lanesTotalBytesMax: { default: 64 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Requests over HTTP that wait for an answer of the data plane; more are answered with 503. Default
   * 1_000: they are answered within milliseconds, and a flood of them must not grow a queue.
   */
  httpPendingMax: { default: 1_000, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Bytes of the request line and the headers of a request over HTTP; more are answered with 431. Default
   * 16 * KiB, as Node.js has it: cookies and tokens of a browser fit. It has to come within connectTimeoutMs.
   */
  httpHeadBytesMax: { default: 16 * KiB, min: 1 * KiB, max: 32 * KiB, reload: 'restart' },
  /**
   * Bytes of the body of a request over HTTP; more are answered with 413. Default 1 * MiB: the size of the
   * largest packet, since nothing larger could be published.
   */
  httpBodyBytesMax: { default: 1 * MiB, min: 0, max: 1 * GiB, reload: 'live' },
  /**
   * Bytes of answers over HTTP that were made for one client, which has not taken them yet; more are answered with 503,
   * but one goes alone. Pages are there once for all. Default 32 * MiB: statistics and retained messages are short, and
   * whoever reads takes them at once.
   */
  httpAnswersBytesMax: { default: 32 * MiB, min: 1 * KiB, max: 1 * TiB, reload: 'live' },
  /**
   * Events of clients that are remembered, of all together, so that an operator can see why one was cut; then those of
   * the client go of which nothing was heard for longest. Default 100_000: the last two of 50,000 clients, in 25 MB.
   */
  clientEventsMax: { default: 100_000, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * Bytes of topics whose messages are counted, so that an operator sees which are busy (`GET /api/v1/topics`), in equal
   * parts for the workers; then those go of which nothing was heard for longest. 0: none are counted. Default 16 * MiB:
   * some 100,000 topics.
   */
  topicRatesBytesMax: { default: 16 * MiB, min: 0, max: 1 * TiB, reload: 'restart' },
  /**
   * Bytes that a trace writes (`POST /api/v1/traces`); then it ends. There are eight. Default 4 * MiB: that is some 20,000 events.
   */
  traceBytesMax: { default: 4 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Streams of messages over HTTP (`/sse`) at once; more are answered with 503. Default 10_000: they are written by the
   * main thread, which lets clients in as well.
   */
  eventStreamsMax: { default: 10_000, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * Bytes of messages that are kept for streams over HTTP, of all together: one that reads too slowly, or comes back with
   * Last-Event-ID, gets from there what it has missed. Default 16 * MiB: a second of a busy broker.
   */
  eventHistoryBytesMax: { default: 16 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Milliseconds without a byte in either direction, after which a connection of HTTP ends, whether it waits for
   * the next request or a client takes no more of an answer. Default 60_000: as common proxies have it.
   */
  httpIdleTimeoutMs: { default: 60_000, min: 1_000, max: 3_600_000, reload: 'restart' },
  /**
   * Milliseconds of a client's silence after which its WebSocket is pinged. Default 30_000: common proxies drop a
   * connection that is silent for 60 s.
   */
  webSocketPingMs: { default: 30_000, min: 1_000, max: 3_600_000, reload: 'live' },
  /**
   * Milliseconds of silence after which a WebSocket is no more, though it was pinged; whoever takes bytes that were
   * sent before is not silent. Not below webSocketPingMs. Default 45_000: 15 s for an answer over a bad network.
   */
  webSocketSilenceMs: { default: 45_000, min: 1_000, max: 3_600_000, reload: 'live' },
  /**
   * Passwords that wait to be verified; a CONNECT beyond it is refused with 0x89 (3.1.1: 3), so that its client comes
   * again later. Default 64: a thread verifies some six a second with Argon2id, and who waits longer than
   * connectTimeoutMs is refused anyway.
   */
  passwordChecksPendingMax: { default: 64, min: 1, max: 100_000, reload: 'restart' },
  /**
   * Milliseconds for which a password that was right is known to be (core/security/remembered-passwords.ts). Default
   * 60_000: clients that lose their connection come back within a minute, and must not cost a tenth of a second each.
   * 0 remembers none.
   */
  passwordMemoryMs: { default: 60_000, min: 0, max: 86_400_000, reload: 'restart' },
  /**
   * Passwords that are remembered at once, with some 150 bytes each; then the oldest is forgotten. Default 100_000: all
   * clients of a site that come back at once.
   */
  passwordMemoryMax: { default: 100_000, min: 0, max: 10_000_000, reload: 'restart' },
  /**
   * Connections from one address (of IPv6: from one network of 64 bits); a CONNECT beyond it is refused with 0x97. Default
   * 0: any number, since all people of an office have one address, and all of the world behind a proxy that
   * `trustedProxies` does not name.
   */
  connectionsPerAddressMax: { default: 0, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * Connections of one user name that was verified; a CONNECT beyond it is refused with 0x97. Default 0: any number, since
   * a user may be a fleet of devices, or a person with many pages open.
   */
  connectionsPerUserMax: { default: 0, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * CONNECTs that are taken in a second, of all; more are refused with 0x9F. Default 0: any number, since everybody comes
   * back at once when a network does, and one worker lets in some ten thousand in a second.
   */
  connectsPerSecondMax: { default: 0, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * The same from one address (of IPv6: from one network of 64 bits). Default 0: any number, for the reasons of
   * connectionsPerAddressMax.
   */
  connectsPerSecondPerAddressMax: { default: 0, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * PUBLISH packets that are taken from a client in a second; one that sends more is not read for a moment, and loses
   * nothing. A grant may say something else for its client (`quotas`). Default 0: any number, since the data plane takes a
   * million, and what is much depends on what is sent.
   */
  messagesPerSecondMax: { default: 0, min: 0, max: 4_294_967_295, reload: 'live' },
  /** Bytes of packets that are taken from a client in a second, in the same way. Default 0: any number, likewise. */
  bytesPerSecondMax: { default: 0, min: 0, max: 4_294_967_295, reload: 'live' },
  /**
   * Milliseconds for which the refusal of a login that has failed is held back at most: nothing for the first three of an
   * address, a user or a client identifier within failedLoginsWindowMs, then 100 and always twice as long. Default 5_000:
   * below connectTimeoutMs, so that clients hear why, and guessing takes years. 0: never.
   */
  failedLoginDelayMsMax: { default: 5_000, min: 0, max: 600_000, reload: 'live' },
  /** Milliseconds in which failed logins are counted. Default 60_000: whoever mistypes is forgotten in a minute. */
  failedLoginsWindowMs: { default: 60_000, min: 1_000, max: 86_400_000, reload: 'restart' },
  /**
   * Failed logins from one address within failedLoginsWindowMs that ban it for banMs; those of the broker's own machine
   * never. Default 100: an office whose token has just expired is not locked out, a list of passwords is. 0: none bans.
   */
  failedLoginsPerAddressMax: { default: 100, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * The same for a user name and for a client identifier, from all addresses together. Who is connected stays. Default
   * 1_000: many addresses that guess at one user are stopped, and whoever wants to lock somebody out has to send as many,
   * again and again. 0: none bans.
   */
  failedLoginsPerNameMax: { default: 1_000, min: 0, max: 100_000_000, reload: 'live' },
  /**
   * Times that a client may connect in a minute; then its identifier is banned for banMs. Default 0: any number, since a
   * test or a short script may come and go as it likes; two devices that were given one identifier do so some thousand
   * times.
   */
  connectsPerMinutePerClientMax: { default: 0, min: 0, max: 1_000_000, reload: 'live' },
  /**
   * Milliseconds that a ban lasts which the broker makes itself. Default 300_000: longer than a program tries, shorter than
   * a person waits for somebody who can lift it. 0: it makes none.
   */
  banMs: { default: 300_000, min: 0, max: 31_536_000_000, reload: 'live' },
  /**
   * Bans at once. Beyond it the broker's own oldest is lifted, and one by hand is refused. Default 10_000: a list that is
   * looked at by people.
   */
  bansMax: { default: 10_000, min: 1, max: 1_000_000, reload: 'restart' },
  /**
   * Addresses, user names and client identifiers of which is remembered how often they came or failed, of each; then the
   * oldest are forgotten. Default 10_000: as many attackers at once, in 10 MB.
   */
  trackedNamesMax: { default: 10_000, min: 100, max: 10_000_000, reload: 'restart' },
  /**
   * Milliseconds that a worker may take to answer the main thread; beyond it new clients are refused with 0x89 (3.1.1: 3),
   * and if that lasts, those that have a pace (messagesPerSecondMax) may send half as fast. Nobody is ended. Default
   * 5_000: a loop that is so far behind answers no client in time. 0: it is not looked at.
   */
  overloadLagMs: { default: 5_000, min: 0, max: 600_000, reload: 'restart' },
  /**
   * Per cent of the memory that the process may have (of its control group, else of the machine), beyond which the same
   * happens. Default 90: the operating system ends a process that takes all. 0: it is not looked at.
   */
  overloadMemoryPercent: { default: 90, min: 0, max: 100, reload: 'live' },
  /**
   * Lines of the log in a second about one kind of what strangers can bring about, such as refused logins; how many there
   * were beside them stands in the next. Default 10: enough to see what goes on, too few to fill a disk.
   */
  auditLinesPerSecondMax: { default: 10, min: 1, max: 1_000_000, reload: 'live' },
  /**
   * Milliseconds that a back end (authUrl, authorizeUrl) may take for an answer; then the client is refused with 0x88, or
   * may not do what it wanted. Default 5_000: half of connectTimeoutMs, so that the client hears why.
   */
  backendTimeoutMs: { default: 5_000, min: 10, max: 600_000, reload: 'restart' },
  /**
   * Questions to each back end that wait for their answer; more are refused with 0x89. Default 256: a back end that takes
   * 10 ms answers 25,600 in a second.
   */
  backendPendingMax: { default: 256, min: 1, max: 100_000, reload: 'restart' },
  /**
   * Answers of back ends that are remembered, for as long as each says (Cache-Control: max-age); then the oldest is
   * forgotten. Default 100_000: all clients of a site that come back at once, in 40 MB.
   */
  backendAnswersMax: { default: 100_000, min: 0, max: 10_000_000, reload: 'restart' },
  /**
   * Milliseconds for which an answer of `authorizePublish` counts that does not say for how long. Default 60_000: a
   * program is asked once a minute for each topic of a client, and whoever loses a right keeps it for a minute at most.
   */
  authorizationMemoryMs: { default: 60_000, min: 0, max: 86_400_000, reload: 'restart' },
  /**
   * Handshakes of TLS that a worker begins in one turn of its event loop; more wait for the next. Default 16: 5 to 10 ms
   * of work, so that those who are connected are served all the while when everybody comes at once.
   */
  tlsHandshakesPerTurnMax: { default: 16, min: 1, max: 65_536, reload: 'live' },
  /**
   * Milliseconds between two looks whether the files of certificates have changed. Default 10_000: a new one is there
   * soon, and a look reads a few small files.
   */
  certificateCheckMs: { default: 10_000, min: 100, max: 86_400_000, reload: 'restart' },
  /**
   * Bytes that one worker may have handed to the log and that are not committed yet; beyond it PUBLISH waits, as for a
   * lane that is crowded. Default 32 * MiB: what a good disk takes in some 50 ms, and a slow one in a second.
   */
  logPendingBytesMax: { default: 32 * MiB, min: 64 * KiB, max: 1 * GiB, reload: 'restart' },
  /**
   * Bytes of a segment of the log, a file that is filled with zeros before it is used, a power of two; two more are kept
   * ready. Default 64 * MiB: a second's work of a good disk, so that the next one is ready in time.
   */
  logSegmentBytes: { default: 64 * MiB, min: 1 * MiB, max: 1 * GiB, powerOfTwo: true, reload: 'restart' },
  /**
   * Bytes of the log that a start would have to read, below which no checkpoint is written; it is due at twice the state
   * too. Default 64 * MiB: a quarter of a second to read, and the directory of a small store stays small.
   */
  checkpointBytesMin: { default: 64 * MiB, min: 64 * KiB, max: 1 * TiB, reload: 'restart' },
  /**
   * Clients that are told to go in a second when the broker is drained. Default 1_000: ten thousand have gone in ten
   * seconds, and wherever they connect next takes that many at once.
   */
  drainClientsPerSecond: { default: 1_000, min: 1, max: 100_000_000, reload: 'live' },
  /**
   * Milliseconds that a stop may take to send what waits, before connections are cut. Default 5_000:
   * below the 10 seconds after which container runtimes kill.
   */
  stopMs: { default: 5_000, min: 0, max: 600_000, reload: 'live' },
} as const satisfies Readonly<Record<string, LimitRange>>;

/**
 * What a session takes beside its client identifier, what it subscribes to and what waits in it: 330 bytes of the main
 * thread's heap, 0.7 KB of the data plane, and some tens of packet identifiers.
 */
const sessionBytes = 1_290;

/** What a password that is remembered takes. */
const passwordBytes = 150;

/** What an answer of a back end takes that is remembered, without the rules in it. */
const answerBytes = 400;

/** What counting a name takes, of which there are five kinds. */
const trackedNameBytes = 1_000;
/** What an event of a client takes, with its part of the entry of the client. */
const clientEventBytes = 250;

/** What clients can make the broker keep, in bytes by kind, when every account is full. */
export interface Accounts {
  readonly sessions: number;
  readonly windowsAndQueues: number;
  readonly outboxes: number;
  /** That are not complete, or wait. */
  readonly packets: number;
  /** Of QoS 2 messages that clients do not release. */
  readonly packetIdentifiers: number;
  /** Messages on their way between workers. */
  readonly lanes: number;
  /** On their way to the log. */
  readonly logRecords: number;
  readonly topicAliases: number;
  /** With their filters. */
  readonly subscriptions: number;
  readonly retainedMessages: number;
  /** Over HTTP. */
  readonly answers: number;
  /** That were right a moment ago. */
  readonly passwords: number;
  /** Of back ends, and who has failed lately. */
  readonly answersRemembered: number;
  readonly namesTracked: number;
  /** Of clients, to say why they were cut. */
  readonly clientEvents: number;
  /** Of messages, for streams over HTTP. */
  readonly eventHistory: number;
  /** Of topics, to say which are busy. */
  readonly topicRates: number;
  /** That operators have asked for. */
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

/** Their sum: what clients can make a broker with so many workers keep. */
export function accountsBytesMax(limits: Limits, workers: number): number {
  return Object.values(accountsOf(limits, workers)).reduce((sum, bytes) => sum + bytes, 0);
}

/** Every bound of the broker, resolved. The unit stands last in the name; see each for its reason. */
export type Limits = { readonly [Name in keyof typeof limitRanges]: number };

export type LimitName = keyof Limits;

export const limitNames = Object.keys(limitRanges) as readonly LimitName[];

export const defaultLimits: Limits = Object.freeze(
  // The keys are those of the table, which fromEntries cannot tell the compiler.
  Object.fromEntries(limitNames.map((name) => [name, limitRanges[name].default])) as unknown as Limits,
);
