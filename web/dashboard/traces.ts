/** Traces: the list, a form that starts one, and a live view of one. */
import { byId, make, shownName } from '../shared/dom.ts';
import { ask, open } from './api.ts';
import { shownCount, shownDuration } from './format.ts';
import { LiveTrace } from './live-trace.ts';
import { attempt, saveFile, showRows, type View } from './parts.ts';

const kindNames = { clientid: 'client', topic: 'topic filter', ip_address: 'address' } as const;
type Kind = keyof typeof kindNames;

export interface Trace extends Readonly<Partial<Record<Kind, string>>> {
  readonly id: string;
  readonly status: 'running' | 'ended';
  readonly ended_by?: 'time' | 'size' | 'asked';
  readonly ends_at: string;
  readonly lines: number;
}

const ends: Readonly<Record<string, string>> = {
  time: 'ended: its time has run out',
  size: 'ended: maximum size',
  asked: 'stopped',
};

export class TraceView implements View {
  readonly #rows = byId('traces-rows');
  readonly #said = byId('traces-said');
  readonly #kind = byId<HTMLSelectElement>('trace-kind');
  readonly #target = byId<HTMLInputElement>('trace-target');
  readonly #live: LiveTrace;
  #watched: Trace | undefined;

  constructor(onFailed: (error: unknown) => void) {
    this.#live = new LiveTrace(onFailed);
    byId('trace-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void attempt(this.#said, () => this.#start());
    });
    byId('trace-stop').addEventListener('click', () => this.#act(this.#watched, stop));
    byId('trace-download').addEventListener('click', () => this.#act(this.#watched, download));
    byId('trace-close').addEventListener('click', () => this.hide());
  }

  /** `detail`: a kind and a value, such as clientid/court/1, to fill in the form. */
  show(detail: string): void {
    const [kind = '', ...target] = detail.split('/');
    if (!Object.hasOwn(kindNames, kind)) return;
    this.#kind.value = kind;
    this.#target.value = target.join('/');
  }

  hide(): void {
    this.#watched = undefined;
    this.#live.close();
  }

  async refresh(): Promise<void> {
    const { data } = await ask<{ data: readonly Trace[] }>('traces');
    this.#rows.hidden = data.length === 0;
    byId('traces-none').hidden = data.length > 0;
    const watched = data.find(({ id }) => id === this.#watched?.id);
    byId('trace-stop').hidden = watched?.status !== 'running';
    showRows(
      this.#rows,
      data.toReversed().map((trace) => this.#row(trace)),
    );
  }

  async #start(): Promise<string> {
    const trace = await ask<Trace>('traces', 'POST', {
      [this.#kind.value]: this.#target.value,
      seconds: Number(byId<HTMLSelectElement>('trace-seconds').value),
      payload_bytes: Number(byId<HTMLSelectElement>('trace-payload').value),
    });
    this.#watch(trace);
    await this.refresh();
    return '';
  }

  #watch(trace: Trace): void {
    this.#watched = trace;
    byId('trace-stop').hidden = trace.status !== 'running';
    this.#live.open(trace.id, `Trace of the ${nameOf(trace)}`);
  }

  #act(trace: Trace | undefined, work: (trace: Trace) => Promise<string>): void {
    if (trace === undefined) return;
    void attempt(this.#said, async () => {
      const sentence = await work(trace);
      await this.refresh();
      return sentence;
    });
  }

  async #delete(trace: Trace): Promise<string> {
    await ask(`traces/${trace.id}`, 'DELETE');
    if (trace.id === this.#watched?.id) this.hide();
    return 'Trace deleted.';
  }

  #row(trace: Trace): HTMLLIElement {
    const { status, ended_by: endedBy = '', ends_at: endsAt, lines } = trace;
    const button = (title: string, onClick: () => void): HTMLButtonElement => {
      const label = `${title} the trace of the ${nameOf(trace)}`;
      const element = make('button', { type: 'button', class: 'plain small', 'aria-label': label }, title);
      element.addEventListener('click', onClick);
      return element;
    };
    const left = shownDuration(Math.max(0, (Date.parse(endsAt) - Date.now()) / 1_000));
    const state = status === 'running' ? `running, ${left} left` : (ends[endedBy] ?? 'ended');
    return make(
      'li',
      { id: `trace-${trace.id}` },
      make('span', { class: 'mono grow' }, nameOf(trace)),
      make('span', { class: status === 'running' ? 'tag live' : 'tag off' }, state),
      make('span', { class: 'number small quiet' }, lines === 1 ? '1 event' : `${shownCount(lines)} events`),
      make(
        'span',
        { class: 'row' },
        button('Watch', () => this.#watch(trace)),
        button('Download', () => this.#act(trace, download)),
        button('Delete', () => this.#act(trace, (each) => this.#delete(each))),
      ),
    );
  }
}

async function stop({ id }: Trace): Promise<string> {
  await ask(`traces/${id}/stop`, 'POST');
  return 'Trace stopped.';
}

async function download({ id }: Trace): Promise<string> {
  saveFile(`trace-${id}.ndjson`, await (await open(`api/v1/traces/${id}/log`)).blob());
  return '';
}

/** For example: client court/1. */
function nameOf(trace: Trace): string {
  const kind = (Object.keys(kindNames) as Kind[]).find((each) => trace[each] !== undefined) ?? 'clientid';
  return `${kindNames[kind]} ${shownName(trace[kind] ?? '')}`;
}
