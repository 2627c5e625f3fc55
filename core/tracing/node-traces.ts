/**
 * Traces of a cluster (main thread): the node on which one was started asks the others for what happens there, which they
 * begin to trace when they are asked the first time, and cease to when they are not asked any more.
 *
 *     this node   POST /traces { id, what is traced, lines that it has of each node } -->  the others, again and again
 *                 <-- lines of each, which become lines of the trace
 */
import type { OtherNodes } from '../cluster/node-messages.ts';
import { type ApiCaller, toldCaller } from '../security/api-caller.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import type { HandedOver, Trace, Traces } from './traces.ts';

export interface NodeTracesOptions {
  readonly clock: Clock;
  /** The wall clock. */
  now(): number;
  readonly traces: Pick<Traces, 'merge' | 'note'>;
  /** Undefined: the broker is not in a cluster. */
  nodes(): OtherNodes | undefined;
}

const askEveryMs = 250;
const path = '/api/v1/traces';

/** The body of what other nodes are asked for. */
export interface TraceForNode {
  readonly id: string;
  /** As POST /traces has it. */
  readonly target: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly payload_bytes: number;
  /** By node: the number of the first line that is not known yet. */
  readonly after: Readonly<Record<string, number>>;
}

export class NodeTraces {
  readonly #options: NodeTracesOptions;
  readonly #timers = new Set<Timer>();
  #isStopped = false;

  constructor(options: NodeTracesOptions) {
    this.#options = options;
  }

  /** Until the trace has ended. `target`: as POST /traces has it. */
  follow(trace: Trace, target: TraceForNode['target'], by: ApiCaller): void {
    if (this.#options.nodes() !== undefined) void this.#ask(trace, target, by, new Map(), new Set());
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  async #ask(
    trace: Trace,
    target: TraceForNode['target'],
    by: ApiCaller,
    after: Map<string, number>,
    silent: Set<string>,
  ): Promise<void> {
    const { now } = this.#options;
    const caller = toldCaller(by);
    if (trace.endedBy !== undefined) {
      const question = { method: 'delete', path: `${path}/${trace.id}`, query: '', by: caller };
      await this.#options.nodes()?.ask(question);
      return;
    }
    const body: TraceForNode = {
      id: trace.id,
      target,
      seconds: Math.max(1, Math.ceil((trace.endsAtMs - now()) / 1_000)),
      payload_bytes: trace.payloadBytesMax,
      after: Object.fromEntries(after),
    };
    const answers = await this.#options.nodes()?.ask({ method: 'post', path, query: '', by: caller, body });
    for (const [node, answer] of answers ?? []) {
      if (answer === undefined) continue; // it is asked again
      if (answer.status === 200) this.#take(trace, node, JSON.parse(answer.text) as HandedOver, after);
      else if (!silent.has(node)) {
        silent.add(node);
        this.#options.traces.note(trace.id, {
          event: 'notTraced',
          detail: `What happens on ${node} is missing: ${whyOf(answer)}`,
        });
      }
    }
    this.#later(() => void this.#ask(trace, target, by, after, silent));
  }

  #take(trace: Trace, node: string, { lines, next }: HandedOver, after: Map<string, number>): void {
    after.set(node, next);
    this.#options.traces.merge(trace.id, lines);
  }

  #later(work: () => void): void {
    if (this.#isStopped) return;
    const timer = this.#options.clock.after(askEveryMs, () => {
      this.#timers.delete(timer);
      work();
    });
    this.#timers.add(timer);
  }
}

/** 0: a node of a version that traces for itself alone. */
function whyOf({ status }: { readonly status: number }): string {
  return status === 409 ? 'eight traces run there.' : 'it cannot trace for other nodes.';
}
