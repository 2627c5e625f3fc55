/** The appliances: the power of each, and its switch, which moves when the appliance has answered. */
import { byId, make, numberFormat, setText } from '../shared/dom.ts';
import { colourOf } from './colours.ts';
import type { Appliance } from './topics.ts';

interface Row {
  readonly element: HTMLElement;
  readonly watts: HTMLElement;
  readonly bar: HTMLElement;
  readonly button: HTMLButtonElement;
  readonly state: HTMLElement;
  now: number;
  isOn: boolean | undefined;
}

/** What fills a bar. */
const barWatts = 2_500;

export class ApplianceList {
  readonly #rows = new Map<string, Row>();
  readonly #command: (id: string, isOn: boolean) => void;

  constructor(command: (id: string, isOn: boolean) => void) {
    this.#command = command;
  }

  has(id: string): boolean {
    return this.#rows.has(id);
  }

  /** In watts. */
  total(): number {
    return [...this.#rows.values()].reduce((sum, { now }) => sum + now, 0);
  }

  show(appliances: readonly Appliance[]): void {
    if (appliances.length === this.#rows.size && appliances.every(({ id }) => this.#rows.has(id))) return;
    this.#rows.clear();
    byId('appliances').replaceChildren(...appliances.map((appliance, index) => this.#add(appliance, index)));
  }

  showWatts(id: string, watts: number): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    row.now = watts;
    showDraw(row);
    row.bar.style.setProperty('--share', `${Math.min(100, (100 * watts) / barWatts)}%`);
  }

  showSwitch(id: string, state: string): void {
    const row = this.#rows.get(id);
    if (row === undefined || (state !== 'on' && state !== 'off')) return;
    row.isOn = state === 'on';
    row.button.disabled = false;
    row.button.setAttribute('aria-checked', `${row.isOn}`);
    row.element.classList.toggle('off', !row.isOn);
    setText(row.state, state);
    showDraw(row);
  }

  refused(id: string, why: string): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    row.button.disabled = false;
    setText(row.state, why);
  }

  #add({ id, name }: Appliance, index: number): HTMLElement {
    const watts = make('span', { class: 'watts number' }, '–');
    const bar = make('span', { class: 'draw' });
    const state = make('span', { class: 'unseen' });
    const button = make('button', {
      type: 'button',
      role: 'switch',
      'aria-checked': 'false',
      'aria-label': name,
      class: 'switch',
      disabled: true,
    });
    const element = make(
      'li',
      { id: `appliance-${id}` },
      make('span', { class: 'name' }, name),
      watts,
      bar,
      button,
      state,
    );
    element.style.setProperty('--colour', colourOf(index));
    const row: Row = { element, watts, bar, button, state, now: 0, isOn: undefined };
    button.addEventListener('click', () => {
      button.disabled = true; // until the appliance answers
      setText(state, '…');
      this.#command(id, row.isOn !== true);
    });
    this.#rows.set(id, row);
    return element;
  }
}

/** An appliance that is on and uses no power is idle, such as a kettle after boiling. */
function showDraw({ watts, now, isOn }: Row): void {
  setText(watts, isOn === true && now === 0 ? 'idle' : `${numberFormat.format(now)} W`);
}
