/**
 * Traces (main thread): recordings of what happens to a client, the clients of an address, or the messages that a topic filter
 * matches.
 *
 *     POST /traces --> workers: data plane, packet control --records--> lines of JSON, kept --> streams, downloads
 *     the main thread's events of clients --------------------------------^
 *
 * A trace ends after its time, at its number of bytes (traceBytesMax), or when a user ends it. Its lines stay
 * until it is deleted or a new trace needs the room, but for an hour at most.
 */
import { randomBytes } from 'node:crypto';
import { tracesMax } from '../config/limits.ts';
import { shownDropReason } from '../front-end/client-event-details.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import { type TraceRecord, wallClockMs } from './trace-record.ts';
import { isAboutClient, type TraceTarget } from './trace-target.ts';

export interface TraceRequest {
  readonly target: TraceTarget;
  readonly seconds: number;
  /** Payload bytes of each message; 0: no payloads. */
  readonly payloadBytesMax: number;
  /** Whether the rules let whoever asks have messages of the topic. */
  mayReceive(topic: string): boolean;
  /** Another node has it: its identifier there. That node takes the lines, and nobody else sees it here. */
  readonly forNode?: string;
}

export type TraceEnd = 'time' | 'size' | 'asked';

/** An event of a trace. */
export interface TraceLine {
  /** A JSON object, without the payload. */
  readonly text: string;
  /** The members for the payload. Undefined: there is none. */
  readonly payload?: { readonly topic: string; readonly members: string };
}

/** A trace, as others see it. */
export interface Trace {
  readonly id: string;
  readonly target: TraceTarget;
  readonly startedAtMs: number;
  readonly endsAtMs: number;
  readonly payloadBytesMax: number;
  /** Undefined: it is running. */
  readonly endedBy: TraceEnd | undefined;
  readonly lines: readonly TraceLine[];
  readonly bytes: number;
}

/** Lines of a trace for the node that has it, and the number of the next one. */
export interface HandedOver {
  readonly lines: readonly TraceLine[];
  readonly next: number;
}

export interface TracesOptions {
  /** Of a cluster, where each line says on which node it happened. */
  readonly nodeName: string | undefined;
  readonly clock: Clock;
  /** The wall clock. */
  now(): number;
  readonly bytesMax: number;
  clientIdOf(session: number): string | undefined;
  /** Tells the workers. */
  start(index: number, trace: Pick<TraceRequest, 'target' | 'payloadBytesMax'>): void;
  end(index: number): void;
}

interface Kept extends Trace {
  readonly index: number;
  readonly request: TraceRequest;
  readonly lines: TraceLine[];
  readonly listeners: Set<() => void>;
  bytes: number;
  endedBy: TraceEnd | undefined;
  timer: Timer | undefined;
  /** Of one of another node: lines that have been handed over, and are here no more. */
  handedOver: number;
  /** Of one of another node: when that asked last, on the clock. */
  askedAtMs: number;
}

const keptMs = 3_600_000;
/** A node that does not ask for so long has no such trace any more. */
const unaskedMsMax = 10_000;
/** Of lines that are handed over at once, unless a single one has more. */
const handedBytesMax = 262_144;

/** The line as whoever may read these topics sees it: JSON, without the end of the line. */
export function shownLine({ text, payload }: TraceLine, mayRead: (topic: string) => boolean): string {
  if (payload === undefined) return text;
  return mayRead(payload.topic) ? `${text.slice(0, -1)},${payload.members}}` : withheld(text);
}

const payloadWithheld = '"payload_withheld":true';

function withheld(text: string): string {
  return `${text.slice(0, -1)},${payloadWithheld}}`;
}

/** In UTF-8, as it is downloaded. */
function bytesOf({ text, payload }: TraceLine): number {
  return Buffer.byteLength(text) + (payload === undefined ? 0 : Buffer.byteLength(payload.members) + 1);
}

/** It has become too long meanwhile. */
function isEnded({ endedBy }: Trace): boolean {
  return endedBy !== undefined;
}

export class Traces {
  readonly #options: TracesOptions;
  /** The oldest first. */
  readonly #traces = new Map<string, Kept>();

  constructor(options: TracesOptions) {
    this.#options = options;
  }

  /** Those of this node. */
  list(): readonly Trace[] {
    return [...this.#traces.values()].filter(({ request }) => request.forNode === undefined);
  }

  /** One of this node. */
  find(id: string): Trace | undefined {
    return this.#own(id);
  }

  #own(id: string): Kept | undefined {
    const trace = this.#traces.get(id);
    return trace?.request.forNode === undefined ? trace : undefined;
  }

  /** Undefined: too many are running. */
  start(request: TraceRequest): Trace | undefined {
    const index = this.#freeIndex();
    if (index === undefined) return undefined;
    const { target, seconds, payloadBytesMax } = request;
    const startedAtMs = this.#options.now();
    const trace: Kept = {
      id: request.forNode ?? randomBytes(6).toString('base64url'),
      index,
      target,
      request,
      startedAtMs,
      endsAtMs: startedAtMs + seconds * 1_000,
      payloadBytesMax,
      lines: [],
      bytes: 0,
      endedBy: undefined,
      listeners: new Set(),
      handedOver: 0,
      askedAtMs: this.#options.clock.nowMs(),
      timer: this.#options.clock.after(seconds * 1_000, () => this.#end(trace, 'time')),
    };
    this.#traces.set(trace.id, trace);
    this.#options.start(index, request);
    return trace;
  }

  /** Ends it, and keeps what was written. False: there is no such trace. */
  stop(id: string): boolean {
    const trace = this.#own(id);
    if (trace === undefined) return false;
    this.#end(trace, 'asked');
    return true;
  }

  /** False: there is no such trace. */
  delete(id: string): boolean {
    const trace = this.#own(id);
    if (trace !== undefined) this.#forget(trace);
    return trace !== undefined;
  }

  #forget(trace: Kept): void {
    this.#end(trace, 'asked');
    trace.timer?.cancel();
    this.#traces.delete(trace.id);
  }

  // --- traces of a cluster -----------------------------------------------------------------------------

  /** What has happened here, from line `after` on, for the node that has the trace. Undefined: there is no such trace here. */
  handOver(id: string, after: number): HandedOver | undefined {
    const trace = this.#traces.get(id);
    if (trace?.request.forNode === undefined) return undefined;
    trace.askedAtMs = this.#options.clock.nowMs();
    const known = Math.min(Math.max(0, after - trace.handedOver), trace.lines.length);
    for (const line of trace.lines.splice(0, known)) trace.bytes -= bytesOf(line);
    trace.handedOver += known;
    let bytes = 0;
    const end = trace.lines.findIndex((line, index) => {
      bytes += bytesOf(line);
      return index > 0 && bytes > handedBytesMax;
    });
    const lines = trace.lines.slice(0, end < 0 ? trace.lines.length : end);
    return { lines, next: trace.handedOver + lines.length };
  }

  /** The node that has it has ended it, or is gone. False: there is no such trace here. */
  endForNode(id: string): boolean {
    const trace = this.#traces.get(id);
    if (trace?.request.forNode === undefined) return false;
    this.#forget(trace);
    return true;
  }

  /** What has happened on another node. Payloads are as whoever has started the trace may have them. */
  merge(id: string, lines: readonly TraceLine[]): void {
    const trace = this.#own(id);
    if (trace === undefined || trace.endedBy !== undefined) return;
    for (const line of lines) {
      const isShown = line.payload === undefined || trace.request.mayReceive(line.payload.topic);
      this.#write(trace, isShown ? line : { text: withheld(line.text) });
      if (isEnded(trace)) return;
    }
  }

  /** Something about another node. */
  note(id: string, what: Readonly<Record<string, string>>): void {
    const trace = this.#own(id);
    if (trace?.endedBy === undefined && trace !== undefined) this.#add(trace, this.#options.now(), what);
  }

  /** `told` hears of new lines and of the end; gives what takes it away. Undefined: there is no such trace. */
  listen(id: string, told: () => void): (() => void) | undefined {
    const trace = this.#own(id);
    trace?.listeners.add(told);
    return trace && (() => trace.listeners.delete(told));
  }

  /** The running traces, for a worker that has restarted. */
  tellAgain(): void {
    for (const { index, request, endedBy } of this.#traces.values())
      if (endedBy === undefined) this.#options.start(index, request);
  }

  close(): void {
    for (const trace of this.#traces.values()) {
      this.#end(trace, 'asked');
      trace.timer?.cancel();
    }
  }

  // --- events -----------------------------------------------------------------------------------------

  /** An event of a client on the main thread. */
  client(
    client: { readonly clientId: string; readonly remoteAddress: string },
    event: string,
    more: Readonly<Record<string, unknown>>,
  ): void {
    for (const trace of this.#traces.values()) {
      if (trace.endedBy !== undefined || !isAboutClient(trace.target, client)) continue;
      const { clientId: clientid, remoteAddress: ip_address } = client;
      this.#add(trace, this.#options.now(), { event, clientid, ip_address, ...more });
    }
  }

  /** An answer of packet control to a client; `traces`: bit t for the trace with the index t. */
  answered(
    traces: number,
    clientid: string,
    event: 'subscribe' | 'unsubscribe',
    topics: readonly { readonly topic: string; readonly reason: string }[],
  ): void {
    for (const trace of this.#of(traces)) this.#add(trace, this.#options.now(), { event, clientid, topics });
  }

  record(record: TraceRecord): void {
    const atMs = wallClockMs(record.atNs);
    for (const trace of this.#of(record.traces)) {
      const { payloadBytesMax, mayReceive } = trace.request;
      const { topic, payload } = record;
      const hasPayload = payloadBytesMax > 0 && record.kind !== 'missed';
      const isShown = hasPayload && mayReceive(topic);
      const what = this.#shown(record);
      if (isShown)
        this.#add(trace, atMs, what, { topic, members: membersOf(payload.subarray(0, payloadBytesMax)) });
      else this.#add(trace, atMs, hasPayload ? { ...what, payload_withheld: true } : what);
    }
  }

  #shown(record: TraceRecord): Readonly<Record<string, unknown>> {
    const { kind, session, origin, topic, qos, retain, payloadBytes, reasonCode, why } = record;
    if (kind === 'missed') return { event: 'missed', messages: payloadBytes };
    const isOut = kind !== 'published' && kind !== 'refused';
    return {
      event: kind,
      clientid: this.#options.clientIdOf(session) ?? null,
      ...(isOut && origin !== 0 ? { from: this.#options.clientIdOf(origin) ?? null } : {}),
      topic,
      qos,
      retain,
      payload_size: payloadBytes,
      ...(kind === 'refused' ? { reason: reasonCodeName(reasonCode) } : {}),
      ...(why === 'none' ? {} : { reason: shownDropReason(why) }),
    };
  }

  #of(traces: number): Kept[] {
    return [...this.#traces.values()].filter(
      ({ index, endedBy }) => endedBy === undefined && ((traces >> index) & 1) === 1,
    );
  }

  #add(
    trace: Kept,
    atMs: number,
    what: Readonly<Record<string, unknown>>,
    payload?: NonNullable<TraceLine['payload']>,
  ): void {
    const { nodeName } = this.#options;
    const where = nodeName === undefined ? {} : { node: nodeName };
    const text = JSON.stringify({ at: new Date(atMs).toISOString(), ...where, ...what });
    this.#write(trace, payload === undefined ? { text } : { text, payload });
  }

  /** The node that it is for has gone, or has been cut off. */
  #isUnasked({ request, askedAtMs }: Kept): boolean {
    return request.forNode !== undefined && askedAtMs < this.#options.clock.nowMs() - unaskedMsMax;
  }

  #write(trace: Kept, line: TraceLine): void {
    const { bytesMax } = this.#options;
    if (this.#isUnasked(trace)) {
      this.#forget(trace);
      return;
    }
    const bytes = bytesOf(line);
    if (trace.bytes + bytes > bytesMax) {
      this.#end(trace, 'size');
      return;
    }
    trace.lines.push(line);
    trace.bytes += bytes;
    for (const told of trace.listeners) told();
  }

  #end(trace: Kept, by: TraceEnd): void {
    if (trace.endedBy !== undefined) return;
    trace.endedBy = by;
    trace.timer?.cancel();
    const ms = trace.request.forNode === undefined ? keptMs : unaskedMsMax;
    trace.timer = this.#options.clock.after(ms, () => this.#traces.delete(trace.id));
    this.#options.end(trace.index);
    for (const told of trace.listeners) told();
  }

  /** Removes ended traces if there are too many, the oldest first. */
  #freeIndex(): number | undefined {
    const all = [...this.#traces.values()];
    if (all.length >= tracesMax) {
      const ended = all.find((trace) => trace.endedBy !== undefined || this.#isUnasked(trace));
      if (ended === undefined) return undefined;
      this.#forget(ended);
      return ended.index;
    }
    const taken = new Set(all.map(({ index }) => index));
    return Array.from({ length: tracesMax }, (_, index) => index).find((index) => !taken.has(index));
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** For example: "payload":"40-30","payload_encoding":"plain" */
function membersOf(payload: Uint8Array): string {
  return JSON.stringify(shownPayload(payload)).slice(1, -1);
}

function shownPayload(payload: Uint8Array): Readonly<Record<string, string>> {
  try {
    return { payload: strictUtf8.decode(payload), payload_encoding: 'plain' };
  } catch {
    return { payload: Buffer.from(payload).toString('base64'), payload_encoding: 'base64' }; // or a character was cut in two
  }
}
