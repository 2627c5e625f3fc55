/**
 * The traces of a broker (main thread): the requests of operators over HTTP, the records of workers, and the streams.
 */
import type { OtherNodes } from '../cluster/node-messages.ts';
import type { Limits } from '../config/limits.ts';
import type { AuditLog } from '../control/audit-log.ts';
import type { ToMain, ToWorker } from '../control/messages.ts';
import type { SiteSource } from '../http/route.ts';
import { TraceStream } from '../http/sse/trace-stream.ts';
import type { ApiCaller } from '../security/api-caller.ts';
import type { ClientState } from '../sessions/client-list.ts';
import type { Clock } from '../sessions/timers.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import { NodeTraces } from './node-traces.ts';
import { readTraceRecord, type SpanRecord } from './trace-record.ts';
import { shownTarget } from './trace-target.ts';
import { type HandedOver, type Trace, Traces } from './traces.ts';

export interface TracingOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly audit: Pick<AuditLog, 'add'>;
  find(clientId: string): ClientState | undefined;
  clientIdOf(session: number): string | undefined;
  mayReceive(key: ApiCaller, topic: string): boolean;
  broadcast(message: Extract<ToWorker, { type: 'trace' | 'endTrace' }>): void;
  /** Errors: NOT_RUNNING. */
  assertRunning(): void;
  onSpan(span: SpanRecord): void;
  /** Of a cluster. */
  readonly nodeName: string | undefined;
  nodes(): OtherNodes | undefined;
}

type TraceSite = Pick<
  SiteSource,
  | 'traces'
  | 'trace'
  | 'startTrace'
  | 'stopTrace'
  | 'deleteTrace'
  | 'streamTrace'
  | 'traceForNode'
  | 'endTraceForNode'
>;

/** Streams over HTTP, of all traces. */
const streamsMax = 16;
/** Proxies end connections that are silent for 60 s. */
const heartbeatMsMax = 15_000;

export class Tracing {
  readonly #options: TracingOptions;
  readonly #traces: Traces;
  readonly #nodeTraces: NodeTraces;
  readonly #streams = new Set<TraceStream>();

  constructor(options: TracingOptions) {
    const { limits, clock, broadcast } = options;
    this.#options = options;
    this.#traces = new Traces({
      nodeName: options.nodeName,
      clock,
      now: () => Date.now(),
      bytesMax: limits.traceBytesMax,
      clientIdOf: (session) => options.clientIdOf(session),
      start: (index, { target, payloadBytesMax }) => {
        const away = target.kind === 'client' ? (options.find(target.clientId)?.session ?? 0) : 0;
        broadcast({ type: 'trace', index, target, payloadBytesMax, away });
      },
      end: (index) => broadcast({ type: 'endTrace', index }),
    });
    this.#nodeTraces = new NodeTraces({
      clock,
      now: () => Date.now(),
      traces: this.#traces,
      nodes: options.nodes,
    });
  }

  /** For HTTP. */
  get site(): TraceSite {
    return {
      traces: () => this.#traces.list(),
      trace: (id) => this.#traces.find(id),
      startTrace: (request, by) => this.#start(request, by),
      stopTrace: (id, by) => this.#end(this.#traces.stop(id), id, by),
      deleteTrace: (id, by) => this.#end(this.#traces.delete(id), id, by),
      traceForNode: (id, after, request, by) =>
        this.#traces.handOver(id, after) ?? this.#startForNode(id, request, by),
      endTraceForNode: (id) => this.#traces.endForNode(id),
      streamTrace: (trace, next, mayRead) => this.#stream(trace, next, mayRead),
    };
  }

  /** An event of a client on the main thread. */
  client(...what: Parameters<Traces['client']>): void {
    this.#traces.client(...what);
  }

  /** Records of a worker's data plane. */
  record(bytes: Uint8Array): void {
    const record = readTraceRecord(bytes);
    if ('traces' in record) this.#traces.record(record);
    else this.#options.onSpan(record);
  }

  /** Records of a worker's packet control. */
  answered(told: Extract<ToMain, { type: 'subscriptionTraced' }>): void {
    const { traces, clientId, action, topicFilters, reasonCodes } = told;
    const topics = topicFilters.map((topic, index) => ({
      topic,
      reason: reasonOf(action, reasonCodes[index] ?? ReasonCode.success),
    }));
    this.#traces.answered(traces, clientId, action, topics);
  }

  workerRestarted(): void {
    this.#traces.tellAgain();
  }

  /** Rights have changed: readers that still have them reconnect. */
  endStreams(): void {
    for (const stream of [...this.#streams]) stream.end();
  }

  close(): void {
    this.#nodeTraces.stop();
    this.#traces.close();
  }

  #start(request: Parameters<TraceSite['startTrace']>[0], by: ApiCaller): Trace | undefined {
    const { assertRunning, audit, mayReceive } = this.#options;
    assertRunning();
    const trace = this.#traces.start({ ...request, mayReceive: (topic) => mayReceive(by, topic) });
    if (trace === undefined) return undefined;
    audit.add('traceAsked', { by: by.name, trace: trace.id, ...request });
    this.#nodeTraces.follow(trace, shownTarget(request.target), by);
    return trace;
  }

  #startForNode(
    forNode: string,
    request: Parameters<TraceSite['startTrace']>[0],
    by: ApiCaller,
  ): HandedOver | undefined {
    const { assertRunning, audit, mayReceive } = this.#options;
    assertRunning();
    const started = { ...request, forNode, mayReceive: (topic: string) => mayReceive(by, topic) };
    if (this.#traces.start(started) === undefined) return undefined;
    audit.add('traceAsked', { by: by.name, trace: forNode, ...request });
    return { lines: [], next: 0 };
  }

  #end(isKnown: boolean, id: string, { name: by }: ApiCaller): boolean {
    if (isKnown) this.#options.audit.add('traceEndAsked', { by, trace: id });
    return isKnown;
  }

  #stream(trace: Trace, next: number, mayRead: (topic: string) => boolean): TraceStream | undefined {
    if (this.#streams.size >= streamsMax) return undefined;
    const { clock, limits } = this.#options;
    const stream = new TraceStream(trace, next, {
      clock,
      heartbeatMs: Math.min(heartbeatMsMax, limits.httpIdleTimeoutMs / 3),
      mayRead,
      listen: (told) => this.#traces.listen(trace.id, told),
      closed: () => void this.#streams.delete(stream),
    });
    this.#streams.add(stream);
    return stream;
  }
}

/** Reason codes below 0x80 of a SUBACK are the QoS that was granted. */
function reasonOf(action: 'subscribe' | 'unsubscribe', reasonCode: number): string {
  const isGranted = action === 'subscribe' && reasonCode < ReasonCode.unspecifiedError;
  return isGranted ? `granted QoS ${reasonCode}` : reasonCodeName(reasonCode);
}
