/** The workers and the main thread as small multiples: how busy each is, and how long its turns take. */
import { make, setText } from '../shared/dom.ts';
import { Curve } from './curve.ts';
import { boundOf, mainBusySecondsOf, type WorkerTurns, workerTurnsOf } from './metrics-reader.ts';

/** Above it, others wait often. */
const busyMax = 0.9;

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
  readonly #workers = new Map<string, Thread>();
  #main: Thread | undefined;
  #before:
    | { readonly turns: readonly WorkerTurns[]; readonly mainSeconds: number; readonly atMs: number }
    | undefined;

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  /** `metrics`: the text of /metrics. `second`: as in Curve. */
  update(metrics: string, second: number): void {
    const now = {
      turns: workerTurnsOf(metrics),
      mainSeconds: mainBusySecondsOf(metrics),
      atMs: performance.now(),
    };
    const before = this.#before;
    this.#before = now;
    for (const { worker } of now.turns) this.#workerOf(worker);
    this.#main ??= this.#add('Main thread');
    // A broker that was started again counts anew.
    if (before === undefined || before.mainSeconds > now.mainSeconds) return;
    const seconds = (now.atMs - before.atMs) / 1_000;
    this.#main.update((now.mainSeconds - before.mainSeconds) / seconds, 'CONNECT and HTTP', second);
    for (const turns of now.turns) {
      const earlier = before.turns.find(({ worker }) => worker === turns.worker);
      if (earlier !== undefined)
        this.#workerOf(turns.worker).update(
          (turns.seconds - earlier.seconds) / seconds,
          noteOf(earlier, turns),
          second,
        );
    }
  }

  #workerOf(worker: string): Thread {
    const known = this.#workers.get(worker);
    if (known !== undefined) return known;
    const thread = this.#add(`Worker ${worker}`);
    this.#workers.set(worker, thread);
    return thread;
  }

  #add(name: string): Thread {
    const thread = new Thread(name);
    this.#list.append(thread.element);
    return thread;
  }
}

function shownPart(part: number): string {
  return `${Math.round(part * 100)} %`;
}

function noteOf(before: WorkerTurns, now: WorkerTurns): string {
  const bound = boundOf(0.99, before, now);
  if (bound === undefined) return 'idle';
  const within =
    bound === Number.POSITIVE_INFINITY ? 'over 5 s' : `within ${Number((bound * 1_000).toPrecision(3))} ms`;
  return `99 % of turns ${within}`;
}
