/** Reads how busy the threads are out of the text of /metrics. */

export interface WorkerTurns {
  readonly worker: string;
  /** Turns within each bound, in seconds; those of smaller bounds are among them. */
  readonly buckets: readonly (readonly [bound: number, count: number])[];
  /** That all turns have taken. */
  readonly seconds: number;
}

const line = /^rallymq_loop_lag_seconds_(bucket|sum)\{worker="(\d+)"(?:,le="([^"]+)")?\} (\S+)$/gm;

export function workerTurnsOf(text: string): WorkerTurns[] {
  const workers = new Map<string, { buckets: [number, number][]; seconds: number }>();
  for (const [, kind, worker = '', le = '', value = ''] of text.matchAll(line)) {
    const turns = workers.get(worker) ?? { buckets: [], seconds: 0 };
    workers.set(worker, turns);
    if (kind === 'sum') turns.seconds = Number(value);
    else turns.buckets.push([le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), Number(value)]);
  }
  return [...workers].map(([worker, turns]) => ({ worker, ...turns }));
}

/** Since the broker started. */
export function mainBusySecondsOf(text: string): number {
  return Number(/^rallymq_main_thread_busy_seconds_total (\S+)$/m.exec(text)?.[1] ?? 0);
}

/** The bound within which a part of the turns between two readings was; undefined: there were none. */
export function boundOf(part: number, before: WorkerTurns | undefined, now: WorkerTurns): number | undefined {
  const counts = now.buckets.map(
    ([bound, count], index) => [bound, count - (before?.buckets[index]?.[1] ?? 0)] as const,
  );
  const all = counts.at(-1)?.[1] ?? 0;
  return all === 0 ? undefined : counts.find(([, count]) => count >= all * part)?.[0];
}
