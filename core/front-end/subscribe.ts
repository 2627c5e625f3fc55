/**
 * SUBSCRIBE and UNSUBSCRIBE in packet control, from the packet to its SUBACK or UNSUBACK:
 *
 *   packet -> decoded -> available to the client? -> allowed by programs, if there are any? -> each filter to the data
 *          plane, for a reason code -> finishSubscribe
 *          SUBACK, frames after it <- every shard knows the filters: event `subscribed`, with the token of the SUBSCRIBE
 *
 * The data plane checks filters against the rules, and holds messages for the session until its SUBACK is sent.
 */
import type { BrokerConfig } from '../config/options.ts';
import { type Engine, Subscribed } from '../data-plane/addon.ts';
import type { ServerSubscription } from '../security/access.ts';
import { decodeSubscribe, decodeUnsubscribe } from '../wire/decode-subscribe.ts';
import { encodeSuback, encodeUnsuback } from '../wire/encode-acknowledgement.ts';
import { optionsByte } from '../wire/encode-subscribe.ts';
import { encodeWithin } from '../wire/encode-within.ts';
import type {
  ProtocolVersion,
  QoS,
  SubackPacket,
  SubscribePacket,
  SubscriptionOptions,
} from '../wire/packets.ts';
import { isProtocolError, type ProtocolError } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { hasWildcards, isSharedFilter, isTooLong, levelCount, unsharedFilter } from '../wire/topic.ts';
import { reasonSentence } from './reason-strings.ts';

/** Refused topic filters that an operator is shown. */
const refusedShownMax = 3;
const filterShownMax = 100;

/** A connection that subscribes. */
export interface Subscriber {
  readonly slot: number;
  /** Changes when the connection has ended. */
  readonly session: number;
  readonly protocolVersion: ProtocolVersion;
  readonly isBridge: boolean;
  /** Prepended to all topics of its client, which does not see it; may be empty. */
  readonly topicPrefix: string;
  readonly engine: Engine;
  /** Of its worker. */
  readonly pending: PendingSubscribes;
  /** What it may subscribe to. */
  readonly available: BrokerConfig;
  /** Its Maximum Packet Size, in bytes. */
  readonly maximumPacketSize: number | undefined;
  /** Whether it gets reason strings in packets that end nothing. */
  readonly getsReasonStrings: boolean;
  /** Calls back with the decisions of programs about each filter, if the client is still connected; at once if there are none. */
  whenAllowed(
    wanted: readonly ServerSubscription[],
    done: (isAllowed: readonly boolean[] | undefined) => void,
  ): void;
  /** For the audit: this filter was denied. */
  noteRefused(topicFilter: string): void;
  /** For operators: these were refused; the reason code is that of the first. */
  explainRefused(topicFilters: readonly string[], reasonCode: number): void;
  /** For traces: the answer. */
  answered(
    action: 'subscribe' | 'unsubscribe',
    topicFilters: readonly string[],
    reasonCodes: readonly number[],
  ): void;
  fail(error: ProtocolError): void;
  end(reasonCode: number): void;
}

/** The SUBSCRIBEs of a worker whose filters not every shard knows yet, by their token in the data plane. */
export class PendingSubscribes {
  readonly #done = new Map<number, () => void>();

  /** The data plane says that it is finished. */
  finished(token: number): void {
    const done = this.#done.get(token);
    this.#done.delete(token);
    done?.();
  }

  /** Adds subscriptions under a token, and calls `done` when every shard knows them, if the session still exists. */
  begin(engine: Engine, session: number, add: (token: number) => void, done: (token: number) => void): void {
    const token = engine.nextToken();
    this.#done.set(token, () => done(token));
    add(token);
    if (!engine.finishSubscribe(session, token)) this.#done.delete(token);
  }
}

export function onSubscribe(subscriber: Subscriber, header: number, body: Uint8Array): void {
  const { available, protocolVersion } = subscriber;
  const packet = decodeSubscribe(header, body, protocolVersion, available.limits);
  if (isProtocolError(packet)) {
    subscriber.fail(packet);
    return;
  }
  const unavailable = unavailableTo(packet, protocolVersion, available);
  if (unavailable !== undefined) {
    subscriber.end(unavailable);
    return;
  }
  subscriber.whenAllowed(packet.subscriptions, (isAllowed) => addAll(subscriber, packet, isAllowed));
}

function addAll(
  subscriber: Subscriber,
  packet: SubscribePacket,
  isAllowed: readonly boolean[] | undefined,
): void {
  const { engine, session, pending } = subscriber;
  let reasonCodes: number[] = [];
  pending.begin(
    engine,
    session,
    (token) => {
      const asked = subscriber.isBridge ? asBridge(packet) : packet;
      reasonCodes = subscribe(subscriber, asked, token, isAllowed);
      const denied = packet.subscriptions.filter(
        (_, index) => reasonCodes[index] === ReasonCode.notAuthorized,
      );
      // The audit would not show more within a second, and a packet may have thousands.
      const shownMax = subscriber.available.limits.auditLinesPerSecondMax;
      for (const { topicFilter } of denied.slice(0, shownMax)) subscriber.noteRefused(topicFilter);
      explainRefused(subscriber, packet, reasonCodes);
    },
    (token) => {
      const isThere = subscriber.session === session; // otherwise the client has left; its session may still exist
      if (isThere) {
        acknowledge(subscriber, encodeSuback, packet.packetId, reasonCodes);
        const topicFilters = packet.subscriptions.map(({ topicFilter }) => topicFilter);
        subscriber.answered('subscribe', topicFilters, reasonCodes);
      }
      engine.endSubscribe(session, token);
      if (isThere) engine.resume(subscriber.slot);
    },
  );
}

function explainRefused(
  subscriber: Subscriber,
  { subscriptions }: SubscribePacket,
  reasonCodes: readonly number[],
): void {
  const reasonCode = reasonCodes.find(isRefusal);
  if (reasonCode === undefined) return;
  const refused = subscriptions.filter((_, index) => isRefusal(reasonCodes[index] ?? 0));
  const shown = refused.slice(0, refusedShownMax).map(({ topicFilter }) => topicFilter);
  subscriber.explainRefused(
    shown.map((topicFilter) => topicFilter.slice(0, filterShownMax)),
    reasonCode,
  );
}

function isRefusal(reasonCode: number): boolean {
  return reasonCode >= ReasonCode.unspecifiedError;
}

/** The subscriptions of the client's grant, as if it had asked for them, but without a SUBACK. */
export function subscribeFor(subscriber: Subscriber, granted: readonly ServerSubscription[]): void {
  const { engine, session, pending } = subscriber;
  const missing = granted.filter(
    ({ topicFilter }) => !engine.isSubscribed(session, withPrefix(topicFilter, subscriber)),
  );
  if (missing.length === 0) return;
  const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  const subscriptions = missing.map((each) => ({ ...each, ...options }));
  const packet = { packetId: 0, subscriptions, properties: {} };
  subscriber.whenAllowed(missing, (isAllowed) =>
    pending.begin(
      engine,
      session,
      (token) => void subscribe(subscriber, packet, token, isAllowed),
      (token) => engine.endSubscribe(session, token),
    ),
  );
}

/** What an operator subscribes a session to. */
export interface AskedSubscription extends Readonly<SubscriptionOptions> {
  readonly session: number;
  readonly topicFilter: string;
}

export interface SubscriptionAnswer {
  /** As a SUBACK would have it. */
  readonly reasonCode: number;
  readonly wasSubscribed: boolean;
}

/**
 * Subscribes a session whose client is connected or away, as if the client had asked. Undefined: the session is not on this worker.
 */
export function subscribeSession(
  engine: Engine,
  pending: PendingSubscribes,
  available: BrokerConfig,
  { session, topicFilter, ...options }: AskedSubscription,
): SubscriptionAnswer | undefined {
  if (engine.figuresOf(session).length === 0) return undefined;
  const wasSubscribed = engine.isSubscribed(session, topicFilter);
  const refusal = refusalOf(topicFilter, available);
  if (refusal !== undefined) return { reasonCode: refusal, wasSubscribed };
  const granted = grantedOf(options, available);
  let outcome: Subscribed = Subscribed.refused;
  pending.begin(
    engine,
    session,
    (token) => {
      outcome = engine.subscribe(session, topicFilter, optionsByte(granted), 0, token);
    },
    (token) => engine.endSubscribe(session, token),
  );
  return { reasonCode: reasonCodeOf(outcome, granted.qos), wasSubscribed };
}

/** With no higher QoS than there is [MQTT-3.2.2-10]. */
function grantedOf(options: SubscriptionOptions, { limits }: BrokerConfig): SubscriptionOptions {
  return options.qos <= limits.maximumQoS ? options : { ...options, qos: limits.maximumQoS as QoS };
}

function reasonCodeOf(outcome: Subscribed, qos: number): number {
  if (outcome === Subscribed.denied) return ReasonCode.notAuthorized;
  return outcome === Subscribed.refused ? ReasonCode.quotaExceeded : qos;
}

export function onUnsubscribe(subscriber: Subscriber, header: number, body: Uint8Array): void {
  const { engine, session, available, protocolVersion } = subscriber;
  const packet = decodeUnsubscribe(header, body, protocolVersion, available.limits);
  if (isProtocolError(packet)) {
    subscriber.fail(packet);
    return;
  }
  const reasonCodes = packet.topicFilters.map((topicFilter) =>
    engine.unsubscribe(session, withPrefix(topicFilter, subscriber))
      ? ReasonCode.success
      : ReasonCode.noSubscriptionExisted,
  );
  acknowledge(subscriber, encodeUnsuback, packet.packetId, reasonCodes);
  subscriber.answered('unsubscribe', packet.topicFilters, reasonCodes);
  engine.resume(subscriber.slot);
}

/** Everything is available to the host program. */
export function availableToHost(config: BrokerConfig): BrokerConfig {
  return {
    ...config,
    subscriptionIdentifiersAvailable: true,
    wildcardSubscriptionAvailable: true,
    limits: { ...config.limits, maximumQoS: 2 },
  };
}

// --- what clients may subscribe to (MQTT 5, 3.2.2.3.11 to 3.2.2.3.13) -------------------------------------

/**
 * Using a feature that the CONNACK declared unavailable ends the connection. Before MQTT 5 a CONNACK cannot
 * declare it, and the SUBACK refuses each filter.
 */
function unavailableTo(
  { properties, subscriptions }: SubscribePacket,
  version: ProtocolVersion,
  config: BrokerConfig,
): number | undefined {
  if (version !== 5) return undefined;
  if (!config.subscriptionIdentifiersAvailable && properties.subscriptionIdentifiers !== undefined) {
    return ReasonCode.subscriptionIdentifiersNotSupported;
  }
  for (const { topicFilter } of subscriptions) {
    const refusal = kindRefusalOf(topicFilter, config);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/**
 * Why no client may subscribe to this filter; undefined if some may. `full`: with the prefix of its client, whose levels do
 * not count.
 */
function refusalOf(topicFilter: string, config: BrokerConfig, full = topicFilter): number | undefined {
  if (levelCount(unsharedFilter(topicFilter)) > config.limits.topicLevelsMax || isTooLong(full))
    return ReasonCode.topicFilterInvalid;
  return kindRefusalOf(topicFilter, config);
}

function kindRefusalOf(topicFilter: string, config: BrokerConfig): number | undefined {
  if (!config.sharedSubscriptionAvailable && isSharedFilter(topicFilter)) {
    return ReasonCode.sharedSubscriptionsNotSupported;
  }
  if (!config.wildcardSubscriptionAvailable && hasWildcards(topicFilter)) {
    return ReasonCode.wildcardSubscriptionsNotSupported;
  }
  return undefined;
}

// --- the data plane ---------------------------------------------------------------------------------------

/**
 * Adds the subscriptions to the session: for each the granted QoS, or the reason for its refusal. `isAllowed`: the decisions of
 * programs about each; undefined: none was asked.
 */
function subscribe(
  subscriber: Subscriber,
  { subscriptions, properties }: SubscribePacket,
  token: number,
  isAllowed: readonly boolean[] | undefined,
): number[] {
  const { engine, session, available } = subscriber;
  const subscriptionId = properties.subscriptionIdentifiers?.[0] ?? 0;
  return subscriptions.map((asked, index) => {
    const topicFilter = withPrefix(asked.topicFilter, subscriber);
    if (isAllowed !== undefined && isAllowed[index] !== true) return ReasonCode.notAuthorized;
    const refusal = refusalOf(asked.topicFilter, available, topicFilter);
    if (refusal !== undefined) return refusal;
    const granted = grantedOf(asked, available);
    const outcome = engine.subscribe(session, topicFilter, optionsByte(granted), subscriptionId, token);
    return reasonCodeOf(outcome, granted.qos);
  });
}

/** A tenant's topic filter with its prefix, which in a shared one follows `$share/{name}/`. */
function withPrefix(topicFilter: string, { topicPrefix }: Subscriber): string {
  if (topicPrefix === '') return topicFilter;
  const inner = unsharedFilter(topicFilter);
  return topicFilter.slice(0, topicFilter.length - inner.length) + topicPrefix + inner;
}

/**
 * A SUBSCRIBE of a bridge (see decode-connect.ts): its own messages do not come back to it, or two brokers
 * would exchange a message for ever, and a message stays retained on its way to the other broker.
 */
function asBridge(packet: SubscribePacket): SubscribePacket {
  const subscriptions = packet.subscriptions.map((subscription) => ({
    ...subscription,
    noLocal: !isSharedFilter(subscription.topicFilter), // [MQTT-3.8.3-4]
    retainAsPublished: true,
  }));
  return { ...packet, subscriptions };
}

/** Sends SUBACK or UNSUBACK, with reason strings for the reason codes that need explaining. */
function acknowledge(
  { engine, slot, protocolVersion, maximumPacketSize, getsReasonStrings }: Subscriber,
  encode: (packet: SubackPacket, version: ProtocolVersion) => Uint8Array<ArrayBuffer>,
  packetId: number,
  reasonCodes: number[],
): void {
  const sentences = new Set(getsReasonStrings ? reasonCodes.map(reasonSentence) : []);
  sentences.delete(undefined);
  const properties = sentences.size > 0 ? { reasonString: [...sentences].join(' ') } : {};
  const packet = encodeWithin(maximumPacketSize, properties, (sent) =>
    encode({ packetId, reasonCodes, properties: sent }, protocolVersion),
  );
  engine.send(slot, packet);
}
