/** The broker at a glance: rates and levels over the last minutes, the workers, and totals. */
import { byId, make, setText } from '../shared/dom.ts';
import { ask } from './api.ts';
import { Curve } from './curve.ts';
import { shownBytes, shownCount, shownDuration, shownRate } from './format.ts';
import type { BrokerOverview, Live } from './live.ts';
import { showFacts, type View } from './parts.ts';
import { Threads } from './threads.ts';

type Stats = BrokerOverview['stats'];

interface Figure {
  readonly title: string;
  readonly unit?: string;
  /** The sum of these: as a level, or with `isRate` as growth per second. */
  readonly names: readonly string[];
  readonly isRate: boolean;
  readonly shown: (value: number) => string;
  /** Any value above zero deserves attention. */
  readonly isTrouble?: boolean;
}

const drops = [
  'droppedQos0',
  'droppedQueueFull',
  'droppedTotalFull',
  'droppedTooLarge',
  'droppedExpired',
  'droppedUnreadable',
  'droppedOutdated',
];

const figures: readonly Figure[] = [
  { title: 'Clients', names: ['clientsConnected'], isRate: false, shown: shownCount },
  { title: 'Messages in', unit: '/s', names: ['publishReceived'], isRate: true, shown: shownRate },
  { title: 'Messages out', unit: '/s', names: ['publishSent'], isRate: true, shown: shownRate },
  { title: 'Dropped', unit: '/s', names: drops, isRate: true, shown: shownRate, isTrouble: true },
  { title: 'Bytes in', unit: '/s', names: ['bytesReceived'], isRate: true, shown: shownBytes },
  { title: 'Bytes out', unit: '/s', names: ['bytesSent'], isRate: true, shown: shownBytes },
  { title: 'Queued messages', names: ['queued'], isRate: false, shown: shownCount },
  { title: 'Memory', names: ['memoryBytes'], isRate: false, shown: shownBytes },
];

class Plot {
  readonly element: HTMLLIElement;
  readonly #figure: Figure;
  readonly #value = make('strong', { class: 'number' }, '–');
  /** The maximum of the last minutes, or the value at the cursor. */
  readonly #note = make('span', { class: 'small quiet number' });
  readonly #curve: Curve;
  #pointed: string | undefined;

  constructor(figure: Figure) {
    this.#figure = figure;
    const unit = figure.unit === undefined ? undefined : make('span', { class: 'quiet small' }, figure.unit);
    this.#curve = new Curve(figure.shown, (pointed) => {
      this.#pointed = pointed;
      this.#showNote();
    });
    const title = make('p', { class: 'plot-title' }, figure.title, this.#note);
    this.element = make('li', { class: 'card plot' }, title, make('p', {}, this.#value, ' ', unit));
    this.element.append(this.#curve.element);
  }

  update(before: Stats | undefined, now: Stats, second: number): void {
    const { names, isRate, shown, isTrouble = false } = this.#figure;
    const total = (stats: Stats): number => names.reduce((sum, name) => sum + (stats[name] ?? 0), 0);
    if (isRate && before === undefined) return;
    const seconds = ((now['uptimeMs'] ?? 0) - (before?.['uptimeMs'] ?? 0)) / 1_000;
    if (isRate && seconds <= 0) return;
    const value = isRate && before !== undefined ? (total(now) - total(before)) / seconds : total(now);
    this.#curve.add(value, second);
    setText(this.#value, shown(value));
    this.#showNote();
    this.element.classList.toggle('trouble', isTrouble && value > 0);
  }

  #showNote(): void {
    setText(this.#note, this.#pointed ?? `max ${this.#figure.shown(this.#curve.most)}`);
  }
}

export class Overview implements View {
  readonly #plots = figures.map((figure) => new Plot(figure));
  readonly #threads = new Threads(byId('threads'));
  readonly #live: Pick<Live, 'isOn'>;
  #before: Stats | undefined;

  constructor(live: Pick<Live, 'isOn'>) {
    this.#live = live;
    byId('plots').append(...this.#plots.map(({ element }) => element));
  }

  show(): void {}

  /** Requests the overview, unless it is pushed. */
  async refresh(): Promise<void> {
    if (this.#live.isOn) return;
    const overview = await ask<BrokerOverview>('overview');
    if (!this.#live.isOn) this.take(overview);
  }

  take({ stats, threads, trouble }: BrokerOverview): void {
    // A restarted broker counts from zero.
    const isSame = (this.#before?.['uptimeMs'] ?? 0) <= (stats['uptimeMs'] ?? 0);
    const second = Date.now() / 1_000;
    for (const plot of this.#plots) plot.update(isSame ? this.#before : undefined, stats, second);
    this.#before = stats;
    this.#threads.update(threads, second);
    showTotals(stats);
    const degraded = byId('degraded');
    degraded.hidden = trouble === null;
    setText(degraded, trouble ?? '');
  }
}

function showTotals(stats: Stats): void {
  const count = (name: string): string => shownCount(stats[name] ?? 0);
  showFacts(byId('totals'), {
    running: shownDuration((stats['uptimeMs'] ?? 0) / 1_000),
    'CPU time': shownDuration((stats['cpuUs'] ?? 0) / 1e6),
    'most clients': count('clientsConnectedMost'),
    sessions: count('sessions'),
    subscriptions: count('subscriptions'),
    'retained messages': count('retained'),
    'messages in': count('publishReceived'),
    'messages out': count('publishSent'),
    dropped: shownCount(drops.reduce((sum, name) => sum + (stats[name] ?? 0), 0)),
    'messages refused': count('publishRefused'),
    'connections cut': count('connectionsCut'),
  });
}
