/** The workers and the main thread as small multiples: how busy each is, and how long its turns take. */
import { make, setText } from '../shared/dom.ts';
import { Curve } from './curve.ts';
import type { BrokerOverview, WorkerTurns } from './live.ts';

/** Above it, others often wait. */
const busyMax = 0.9;
/** The fraction of turns whose bound is shown. */
const noted = 0.99;

class Thread {
  readonly element: HTMLLIElement;
  readonly #value = make('strong', { class: 'number' }, '–');
  readonly #note = make('span', { class: 'small quiet' });
  readonly #pointed = make('span', { class: 'small quiet number' });
  readonly #curve = new Curve(shownPart, (pointed) => setText(this.#pointed, pointed ?? ''), 1);

  constructor(name: string) {
    const title = make('p', { class: 'plot-title' }, name, this.#pointed);
    const figures = make('p', {}, this.#value, ' ', make('span', { class: 'quiet small' }, 'busy'));
    this.element = make('li', { class: 'card plot thread' }, title, figures, this.#note);
    this.element.append(this.#curve.element);
  }

  update(busy: number, note: string, second: number): void {
    const part = Math.min(1, Math.max(0, busy));
    this.#curve.add(part, second);
    setText(this.#value, shownPart(part));
    setText(this.#note, note);
    this.element.classList.toggle('trouble', part > busyMax);
  }
}

export class Threads {
  readonly #list: HTMLElement;
  readonly #workers: Thread[] = [];
  #main: Thread | undefined;
  #before: (BrokerOverview['threads'] & { readonly second: number }) | undefined;

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  /** `second`: as in Curve. */
  update(threads: BrokerOverview['threads'], second: number): void {
    const before = this.#before;
    this.#before = { ...threads, second };
    for (const worker of threads.workers.keys()) this.#workers[worker] ??= this.#add(`Worker ${worker}`);
    this.#main ??= this.#add('Main thread');
    // A restarted broker counts from zero.
    if (before === undefined || before.mainSeconds > threads.mainSeconds) return;
    const seconds = second - before.second;
    if (seconds <= 0) return;
    this.#main.update((threads.mainSeconds - before.mainSeconds) / seconds, 'CONNECT and HTTP', second);
    for (const [worker, now] of threads.workers.entries()) {
      const earlier = before.workers[worker];
      if (earlier === undefined) continue;
      const note = noteOf(turnsSince(earlier, now), threads.turnBoundsUs);
      this.#workers[worker]?.update((now.seconds - earlier.seconds) / seconds, note, second);
    }
  }

  #add(name: string): Thread {
    const thread = new Thread(name);
    this.#list.append(thread.element);
    return thread;
  }
}

function shownPart(part: number): string {
  return `${Math.round(part * 100)}%`;
}

function turnsSince(earlier: WorkerTurns, now: WorkerTurns): number[] {
  return now.turns.map((count, bucket) => count - (earlier.turns[bucket] ?? 0));
}

/** `turns`: the number of turns in each bucket of durations. */
function noteOf(turns: readonly number[], boundsUs: readonly number[]): string {
  const all = turns.reduce((sum, count) => sum + count, 0);
  if (all === 0) return 'idle';
  let below = 0;
  const bucket = turns.findIndex((count) => {
    below += count;
    return below >= all * noted;
  });
  const boundUs = boundsUs[bucket];
  const within = boundUs === undefined ? 'over 5 s' : `within ${Number((boundUs / 1_000).toPrecision(3))} ms`;
  return `${noted * 100}% of turns ${within}`;
}
