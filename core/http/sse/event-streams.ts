/**
 * Streams of messages over HTTP (main thread): the open streams and their topic filters. The broker
 * sends a message once for all of them, and it is encoded once:
 *
 *     host client --one subscription for each filter--> event --> history, bounded --> each stream at its own place
 *
 * A filter without streams stays subscribed for a while, so that a client that reconnects misses nothing.
 */
import { randomBytes } from 'node:crypto';
import type { Limits } from '../../config/limits.ts';
import type { MessageListener } from '../../host/host-client.ts';
import type { HostMessage } from '../../host/host-message.ts';
import type { Clock, Timer } from '../../sessions/timers.ts';
import type { StreamedBody } from '../answer.ts';
import { EventHistory } from './event-history.ts';
import { EventStream, type EventStreamTerms } from './event-stream.ts';
import { MessageEvent } from './message-event.ts';

/** Subscribes for the streams: see HostClient. */
export interface EventSource {
  subscribe(
    filter: string,
    listener: MessageListener,
    qos: 1,
    isLiveOnly: true,
  ): Promise<() => Promise<void>>;
  sendRetained(filter: string, listener: MessageListener): Promise<void>;
}

export interface EventStreamsOptions {
  readonly source: EventSource;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'eventStreamsMax'>;
  readonly filtersMax: number;
  readonly historyBytesMax: number;
  readonly heartbeatMs: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

export type StreamRequest = Pick<EventStreamTerms, 'isNamed' | 'mayReceive'> & {
  /** Without duplicates. */
  readonly filters: readonly string[];
  /** Of the last event that the client received; empty: none. */
  readonly lastEventId: string;
  /** Streams of the same name have the same rights. */
  readonly rights: string;
};

interface Filter {
  readonly filter: string;
  readonly streams: Set<EventStream>;
  /** Live messages from this event on are in the history. */
  since: number;
  /** Ends the subscription; undefined: the broker has not answered yet. */
  unsubscribe: (() => Promise<void>) | undefined;
  readonly ready: Promise<void>;
  /** Streams, and requests waiting for `ready`. */
  holders: number;
  /** Runs while no stream has the filter. */
  lingering: Timer | undefined;
  /** Streams that have not requested retained messages yet. */
  newcomers: Set<EventStream>;
  isAsking: boolean;
}

/** How long an unused filter stays: browsers reconnect within seconds. */
const lingerMs = 20_000;
/** The number of unused filters. */
const lingeringMax = 1_000;
/** A stream that is cut reconnects after this time plus a random part of up to as much, so that not all come at once. */
const retryMs = 2_000;

export class EventStreams {
  readonly history: EventHistory;
  readonly #options: EventStreamsOptions;
  /** The prefix of event identifiers, different in each run. */
  readonly #epoch = randomBytes(6).toString('base64url');
  readonly #filters = new Map<string, Filter>();
  readonly #lingering = new Set<Filter>();
  readonly #streams = new Set<EventStream>();
  #withEvents: EventStream[] = [];
  #heartbeat: Timer | undefined;
  #missed = 0;
  /** Requests that are not streams yet. */
  #opening = 0;
  /** How often all streams have been ended. */
  #ends = 0;
  /** The decisions of the rules about the current topic, which thousands of streams need. */
  #verdicts = { topic: '', byRights: new Map<string, boolean>() };
  /** The last message and its event: a message arrives once for each filter. */
  #last: { readonly message: HostMessage; readonly event: MessageEvent } | undefined;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
    this.history = new EventHistory(options.historyBytesMax);
  }

  get counts(): { readonly streams: number; readonly missed: number } {
    return { streams: this.#streams.size, missed: this.#missed };
  }

  /**
   * Returns the stream once it gets messages, at once if the broker has all its filters; undefined: there are too many streams,
   * or the caller has to be authorised again. Errors: see HostClient.subscribe().
   */
  open(request: StreamRequest): StreamedBody | undefined | Promise<StreamedBody | undefined> {
    const { filters: names } = request;
    if (this.#streams.size + this.#opening >= this.#options.limits.eventStreamsMax) return undefined;
    if (!this.#hasRoomFor(names)) return undefined;
    const filters = names.map((name) => this.#filters.get(name) ?? this.#add(name));
    for (const filter of filters) this.#hold(filter);
    return filters.every(({ unsubscribe }) => unsubscribe !== undefined)
      ? this.#newStream(request, filters)
      : this.#whenReady(request, filters);
  }

  /** Removes unused filters, the oldest first. */
  #hasRoomFor(names: readonly string[]): boolean {
    const added = names.filter((name) => !this.#filters.has(name)).length;
    const excess = this.#filters.size + added - this.#options.filtersMax;
    if (excess <= 0) return true;
    const unwanted = [...this.#lingering].filter(({ filter }) => !names.includes(filter));
    if (unwanted.length < excess) return false;
    for (const filter of unwanted.slice(0, excess)) this.#drop(filter);
    return true;
  }

  /** Undefined: all streams have been ended meanwhile because rights have changed. */
  async #whenReady(request: StreamRequest, filters: readonly Filter[]): Promise<StreamedBody | undefined> {
    const ends = this.#ends;
    this.#opening += 1;
    try {
      await Promise.all(filters.map(({ ready }) => ready));
    } catch (error) {
      for (const filter of filters) void this.#releaseWhenReady(filter);
      throw error;
    } finally {
      this.#opening -= 1;
    }
    if (this.#ends === ends) return this.#newStream(request, filters);
    for (const filter of filters) this.#release(filter);
    return undefined;
  }

  #newStream({ filters: names, ...request }: StreamRequest, filters: readonly Filter[]): EventStream {
    const { lastEventId, isNamed, rights, mayReceive } = request;
    const after = this.#numberOf(lastEventId);
    const isHere = after !== undefined && this.#isAllHere(after, filters);
    const { random = Math.random } = this.#options;
    const terms = {
      filters: names,
      isNamed,
      mayReceive: (topic: string) => this.#mayReceive(rights, topic, mayReceive),
      after: isHere ? after : undefined,
      hasGap: lastEventId !== '' && !isHere,
      retryMs: Math.round(retryMs * (1 + random())),
    };
    const stream = new EventStream(terms, {
      history: this.history,
      opened: (opened) => this.#onOpened(opened, filters),
      closed: (closed) => this.#onClosed(closed, filters),
      hasEvents: (waiting) => this.#onEvents(waiting),
      missed: (messages) => {
        this.#missed += messages;
      },
    });
    this.#streams.add(stream); // it counts from now on
    return stream;
  }

  /** Ends all streams: clients reconnect and are authorised again. */
  endAll(): void {
    this.#ends += 1;
    this.#verdicts = { topic: '', byRights: new Map() };
    for (const stream of [...this.#streams]) stream.end();
  }

  /** Messages are missing: clients are told so when they reconnect, and get the retained ones again. */
  interrupt(): void {
    for (const filter of this.#filters.values()) filter.since = this.history.next;
    this.endAll();
  }

  /** There are no events any more. */
  close(): void {
    this.endAll();
    this.#heartbeat?.cancel();
    this.#heartbeat = undefined;
    for (const { lingering } of this.#filters.values()) lingering?.cancel();
  }

  #mayReceive(rights: string, topic: string, mayReceive: (topic: string) => boolean): boolean {
    if (this.#verdicts.topic !== topic) this.#verdicts = { topic, byRights: new Map() };
    const known = this.#verdicts.byRights.get(rights);
    if (known !== undefined) return known;
    const verdict = mayReceive(topic);
    this.#verdicts.byRights.set(rights, verdict);
    return verdict;
  }

  #add(name: string): Filter {
    const asked = this.#options.source.subscribe(
      name,
      (message) => this.#onMessage(filter, message),
      1,
      true,
    );
    const filter: Filter = {
      filter: name,
      streams: new Set(),
      since: Number.POSITIVE_INFINITY,
      unsubscribe: undefined,
      ready: asked.then((unsubscribe) => {
        filter.unsubscribe = unsubscribe;
        filter.since = this.history.next;
      }),
      holders: 0,
      lingering: undefined,
      newcomers: new Set(),
      isAsking: false,
    };
    this.#filters.set(name, filter);
    return filter;
  }

  #hold(filter: Filter): void {
    filter.holders += 1;
    filter.lingering?.cancel();
    filter.lingering = undefined;
    this.#lingering.delete(filter);
  }

  /** If the broker has not answered yet, it would stay subscribed without anyone knowing. */
  async #releaseWhenReady(filter: Filter): Promise<void> {
    await filter.ready.catch(() => {}); // it was refused; the caller has the error
    this.#release(filter);
  }

  #release(filter: Filter): void {
    filter.holders -= 1;
    if (filter.holders > 0) return;
    if (filter.unsubscribe === undefined) {
      if (this.#filters.get(filter.filter) === filter) this.#filters.delete(filter.filter); // it was refused
      return;
    }
    this.#lingering.add(filter);
    filter.lingering = this.#options.clock.after(lingerMs, () => this.#drop(filter));
    const [oldest] = this.#lingering;
    if (this.#lingering.size > lingeringMax && oldest !== undefined) this.#drop(oldest);
  }

  #drop(filter: Filter): void {
    filter.lingering?.cancel();
    this.#lingering.delete(filter);
    this.#filters.delete(filter.filter);
    filter.unsubscribe?.().catch(() => {}); // the broker is stopping, which ends all subscriptions
  }

  #numberOf(lastEventId: string): number | undefined {
    const [, epoch, number] = /^([\w-]{8})\.(\d{1,15})$/.exec(lastEventId) ?? [];
    return epoch === this.#epoch ? Number(number) : undefined;
  }

  #isAllHere(after: number, filters: readonly Filter[]): boolean {
    if (after >= this.history.next || after + 1 < this.history.first) return false;
    return filters.every(({ since }) => since <= after); // its last event arrived when all filters were subscribed
  }

  #onOpened(stream: EventStream, filters: readonly Filter[]): void {
    for (const filter of filters) {
      filter.streams.add(stream);
      if (stream.terms.after !== undefined) continue;
      filter.newcomers.add(stream);
      this.#askForRetained(filter);
    }
    if (this.#heartbeat === undefined) this.#beatLater();
  }

  #onClosed(stream: EventStream, filters: readonly Filter[]): void {
    if (!this.#streams.delete(stream)) return;
    for (const filter of filters) {
      filter.streams.delete(stream);
      filter.newcomers.delete(stream);
      this.#release(filter);
    }
  }

  /** Once for all streams that have joined during the previous request. */
  #askForRetained(filter: Filter): void {
    if (filter.isAsking || filter.newcomers.size === 0) return;
    const audience = filter.newcomers;
    filter.newcomers = new Set();
    filter.isAsking = true;
    const listener = (message: HostMessage): void => this.#onMessage(filter, message, audience);
    this.#options.source
      .sendRetained(filter.filter, listener)
      .catch(() => {
        for (const stream of audience) stream.end(); // they reconnect and request them again
      })
      .finally(() => {
        filter.isAsking = false;
        this.#askForRetained(filter);
      });
  }

  #onMessage(filter: Filter, message: HostMessage, audience?: ReadonlySet<EventStream>): void {
    const event = this.#eventOf(filter, message, audience);
    for (const stream of audience ?? filter.streams) stream.offer(event);
  }

  #eventOf({ filter }: Filter, message: HostMessage, audience?: ReadonlySet<EventStream>): MessageEvent {
    if (this.#last?.message === message && this.#last.event.audience === audience) {
      this.#last.event.filters.add(filter);
      return this.#last.event;
    }
    const { next } = this.history;
    const event = new MessageEvent(next, `${this.#epoch}.${next}`, message, filter, audience);
    this.#last = { message, event };
    this.history.add(event);
    return event;
  }

  #onEvents(stream: EventStream): void {
    if (this.#withEvents.length === 0) setImmediate(() => this.#flush());
    this.#withEvents.push(stream);
  }

  #flush(): void {
    const streams = this.#withEvents;
    this.#withEvents = [];
    for (const stream of streams) stream.flush();
  }

  #beatLater(): void {
    this.#heartbeat = this.#options.clock.after(this.#options.heartbeatMs, () => {
      for (const stream of this.#streams) stream.beat();
      if (this.#streams.size > 0) this.#beatLater();
      else this.#heartbeat = undefined;
    });
  }
}
