/** The traces as a worker knows them: whose sessions they are about, which the data plane has to be told. */
import { tracesMax } from '../config/limits.ts';
import type { Engine } from '../data-plane/addon.ts';
import { isAboutClient, type TraceTarget } from '../tracing/trace-target.ts';

interface TracedClient {
  readonly clientId: string;
  /** 0: it is not connected. */
  readonly session: number;
  readonly peer: { readonly remoteAddress: string };
}

export class WorkerTraces {
  readonly #engine: Engine;
  readonly #targets = new Map<number, TraceTarget>();

  constructor(engine: Engine) {
    this.#engine = engine;
    // Of a worker that has ended the data plane remembers what may be over by now.
    for (let index = 0; index < tracesMax; index++) engine.endTrace(index);
  }

  /** `away`: the session of a client that is not connected, wherever that is; 0: there is none. */
  start(
    index: number,
    target: TraceTarget,
    payloadBytesMax: number,
    away: number,
    connected: Iterable<TracedClient>,
  ): void {
    this.#targets.set(index, target);
    this.#engine.trace(index, target.kind === 'topic' ? target.topicFilter : '', payloadBytesMax);
    if (away !== 0) this.#engine.traceSession(away, index);
    for (const client of connected)
      if (isAbout(target, client)) this.#engine.traceSession(client.session, index);
  }

  /** Whether a trace is about clients: then each has to be looked at. */
  get areAboutClients(): boolean {
    for (const { kind } of this.#targets.values()) if (kind !== 'topic') return true;
    return false;
  }

  end(index: number): void {
    this.#targets.delete(index);
    this.#engine.endTrace(index);
  }

  /** The client is about to get its session. */
  connecting(client: TracedClient, session: number): void {
    for (const [index, target] of this.#targets)
      if (isAbout(target, client)) this.#engine.traceSession(session, index);
  }

  /** Bit t: the trace with the index t is about all that the client does. */
  of(client: TracedClient): number {
    let traces = 0;
    for (const [index, target] of this.#targets) if (isAbout(target, client)) traces |= 1 << index;
    return traces;
  }
}

function isAbout(target: TraceTarget, { clientId, peer }: TracedClient): boolean {
  return isAboutClient(target, { clientId, remoteAddress: peer.remoteAddress });
}
