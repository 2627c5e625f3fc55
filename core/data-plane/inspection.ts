/**
 * Questions of operators to a worker about its sessions and retained messages, and the decoding of the flat lists of
 * native/node/inspection-methods.h. Each answer is bounded: native/front-end/inspection.h.
 */
import type { QoS } from '../wire/packets.ts';
import type { Engine } from './addon.ts';

export type Inspection =
  | { readonly about: 'session'; readonly session: number }
  /** `below`: `rest` of an earlier answer; undefined: from the newest one on. */
  | {
      readonly about: 'subscriptions';
      readonly session: number;
      readonly below: number | undefined;
      readonly max: number;
    }
  | { readonly about: 'matches'; readonly topic: string; readonly max: number; readonly from: MatchPlace }
  /** `behind`: `rest` of an earlier answer; empty: from the first one on. */
  | { readonly about: 'retained'; readonly filter: string; readonly max: number; readonly behind: string }
  /**
   * How many messages the topics get that this worker owns: the levels below `above` that follow `after`, in the order of
   * their bytes. Undefined: the first levels; from the first one on.
   */
  | {
      readonly about: 'topicLevels';
      readonly above: string | undefined;
      readonly after: string | undefined;
      readonly max: number;
    }
  /** The sessions with the longest queues, and those whose sockets accept nothing. */
  | { readonly about: 'slow'; readonly max: number };

/** A session in numbers; sizes are in bytes. */
export interface SessionFigures {
  readonly subscriptions: number;
  readonly subscriptionBytes: number;
  /** Messages that wait for room in the window or the outbox. */
  readonly queued: number;
  /** QoS 1 and 2, sent and not acknowledged. */
  readonly inFlight: number;
  /** Of those two. */
  readonly heldBytes: number;
  /** Packet identifiers of QoS 2 that the client has not released. */
  readonly qos2Pending: number;
  /** Bytes to the client that its socket has not accepted. */
  readonly unsentBytes: number;
  readonly expirySeconds: number;
  readonly keepAliveMs: number;
  /** Since it connected; 0 while it is away. Messages are PUBLISH packets. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly messagesReceived: number;
  readonly messagesSent: number;
}

export interface SubscriptionRow {
  readonly topicFilter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0: none. */
  readonly subscriptionId: number;
}

/** `rest`: below it are those behind the rows; undefined: there are none. */
export interface SubscriptionPage {
  readonly rest: number | undefined;
  readonly rows: readonly SubscriptionRow[];
}

/** Where a list of matches goes on: below that many subscribers of the filter with this number. */
export interface MatchPlace {
  readonly filter: number;
  readonly below: number;
}
export const firstMatch: MatchPlace = { filter: 1, below: 0xffff_ffff };

export interface MatchRow extends SubscriptionRow {
  readonly session: number;
}

export interface RetainedRow {
  readonly topic: string;
  readonly payloadBytes: number;
  readonly qos: QoS;
}

/** A session that is slow, or whose client is away. */
export interface SlowRow {
  readonly session: number;
  /** Messages queued or not acknowledged. */
  readonly waiting: number;
  /** Their bytes, and those that its socket has not accepted. */
  readonly waitingBytes: number;
  /** For how long its socket has accepted nothing; 0: it accepts, or there is none. */
  readonly blockedMs: number;
}

/** A level of topics: the messages on it and on all levels below, as far as they are remembered. */
export interface TopicLevelRow {
  readonly level: string;
  readonly messages: number;
  /** Those on the topic that ends at this level. */
  readonly own: number;
  /** Over about ten seconds. */
  readonly messagesPerSecond: number;
  /** Of payloads. */
  readonly bytesPerSecond: number;
  /** Since the last one. */
  readonly silentMs: number;
  readonly hasBelow: boolean;
}

export interface InspectionAnswers {
  /** Undefined: the session is not here. */
  readonly session: SessionFigures | undefined;
  readonly subscriptions: SubscriptionPage;
  /** `count`: how many there are, also beyond the rows. `rest`: where those behind the rows begin; undefined: nowhere. */
  readonly matches: {
    readonly count: number;
    readonly rest: MatchPlace | undefined;
    readonly rows: readonly MatchRow[];
  };
  /** `rest`: likewise; there may be no rows before it. */
  readonly retained: { readonly rest: string | undefined; readonly rows: readonly RetainedRow[] };
  readonly topicLevels: readonly TopicLevelRow[];
  /** In no order. */
  readonly slow: readonly SlowRow[];
}

export type InspectionAnswer = InspectionAnswers[Inspection['about']];

/** On the worker's thread. */
export function inspect(engine: Engine, asked: Inspection): InspectionAnswer {
  switch (asked.about) {
    case 'session':
      return figuresOf(engine.figuresOf(asked.session));
    case 'subscriptions':
      return subscriptionPage(engine, asked);
    case 'matches': {
      const { topic, max, from } = asked;
      const list = engine.matchesOf(topic, max, from.filter, from.below);
      const rows = rowsOf(list, 3, 4, ([session, ...others]) => ({
        session: Number(session),
        ...subscriptionOf(others),
      }));
      const [count = 0, filter = 0, below = 0] = list.slice(0, 3).map(Number);
      return { count, rest: filter === 0 ? undefined : { filter, below }, rows };
    }
    case 'retained': {
      const list = engine.retainedOf(asked.filter, asked.max, asked.behind);
      const [rest] = list; // a text, which may be empty, or 0
      return { rest: typeof rest === 'string' ? rest : undefined, rows: rowsOf(list, 1, 3, retainedOf) };
    }
    case 'topicLevels':
      return rowsOf(engine.topicLevelsOf(asked.above, asked.after, asked.max), 0, 7, topicLevelOf);
    case 'slow':
      return slowRows(engine.slowOf(asked.max));
  }
}

type Field = string | number | undefined;

function rowsOf<Row>(
  list: readonly (string | number)[],
  first: number,
  fields: number,
  read: (row: readonly Field[]) => Row,
): Row[] {
  return Array.from({ length: (list.length - first) / fields }, (_, index) => {
    const at = first + index * fields;
    return read(list.slice(at, at + fields));
  });
}

const noLocalBit = 4;
const retainAsPublishedBit = 8;

function subscriptionOf([topicFilter, options, subscriptionId]: readonly Field[]): SubscriptionRow {
  const bits = Number(options);
  return {
    topicFilter: String(topicFilter),
    qos: (bits & 3) as QoS,
    noLocal: (bits & noLocalBit) !== 0,
    retainAsPublished: (bits & retainAsPublishedBit) !== 0,
    subscriptionId: Number(subscriptionId),
  };
}

function retainedOf([topic, payloadBytes, qos]: readonly Field[]): RetainedRow {
  return { topic: String(topic), payloadBytes: Number(payloadBytes), qos: Number(qos) as QoS };
}

function topicLevelOf([level, ...figures]: readonly Field[]): TopicLevelRow {
  const [messages = 0, own = 0, messagesPerSecond = 0, bytesPerSecond = 0, silentMs = 0, below] =
    figures.map(Number);
  return {
    level: String(level),
    messages,
    own,
    messagesPerSecond,
    bytesPerSecond,
    silentMs,
    hasBelow: below === 1,
  };
}

/**
 * From the last one to the first: the last one takes the place of one that is ended, so all that stay are on some page, whatever
 * is ended or added between two.
 */
function subscriptionPage(
  engine: Engine,
  { session, below, max }: Extract<Inspection, { about: 'subscriptions' }>,
): SubscriptionPage {
  const count = figuresOf(engine.figuresOf(session))?.subscriptions ?? 0;
  const end = Math.min(below ?? count, count);
  const from = Math.max(0, end - max);
  const rows = rowsOf(engine.subscriptionsOf(session, from, end - from), 0, 3, subscriptionOf).reverse();
  return { rest: from === 0 ? undefined : from, rows };
}

/** Each session once. */
function slowRows(list: readonly number[]): SlowRow[] {
  const rows = rowsOf(list, 0, 4, ([session, waiting, waitingBytes, blockedMs]) => ({
    session: Number(session),
    waiting: Number(waiting),
    waitingBytes: Number(waitingBytes),
    blockedMs: Number(blockedMs),
  }));
  return [...new Map(rows.map((row) => [row.session, row])).values()];
}

function figuresOf(list: readonly number[]): SessionFigures | undefined {
  if (list.length === 0) return undefined;
  const [subscriptions = 0, subscriptionBytes = 0, queued = 0, inFlight = 0, ...others] = list;
  const [heldBytes = 0, qos2Pending = 0, unsentBytes = 0, expirySeconds = 0, keepAliveMs = 0, ...traffic] =
    others;
  const [bytesReceived = 0, bytesSent = 0, messagesReceived = 0, messagesSent = 0] = traffic;
  return {
    subscriptions,
    subscriptionBytes,
    queued,
    inFlight,
    heldBytes,
    qos2Pending,
    unsentBytes,
    expirySeconds,
    keepAliveMs,
    bytesReceived,
    bytesSent,
    messagesReceived,
    messagesSent,
  };
}
