/** The live messages of a topic filter, over a stream of events that is reopened if it breaks. */
import { byId, make, setText, shownName } from '../shared/dom.ts';
import { followEvents } from './event-follower.ts';
import type { ServerEvent } from './event-reader.ts';
import { shownBytes, shownCount, shownTime } from './format.ts';

interface Message {
  readonly topic: string;
  readonly payload: string;
  readonly payload_encoding: 'plain' | 'base64';
  readonly qos: number;
  readonly retain: boolean;
}

const rowsMax = 200;
/** Of a payload. */
const charactersMax = 2_000;

export class Subscriber {
  readonly #list = byId('subscribe-messages');
  readonly #region = byId('subscribe-region');
  readonly #state = byId('subscribe-said');
  readonly #stop = byId('subscribe-stop');
  readonly #onFailed: (error: unknown) => void;
  #reading: AbortController | undefined;
  #lastId = '';
  #count = 0;
  #rows: HTMLLIElement[] = [];

  constructor(onFailed: (error: unknown) => void) {
    this.#onFailed = onFailed;
    byId('subscribe-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#start(byId<HTMLInputElement>('subscribe-filter').value);
    });
    this.#stop.addEventListener('click', () => {
      this.stop();
      byId('subscribe-filter').focus();
    });
  }

  stop(): void {
    if (this.#reading === undefined) return;
    this.#reading.abort();
    this.#reading = undefined;
    this.#stop.hidden = true;
    this.#say(`Stopped. ${this.#counted()}`);
  }

  #start(filter: string): void {
    this.stop();
    this.#lastId = '';
    this.#count = 0;
    this.#rows = [];
    this.#list.replaceChildren();
    this.#region.hidden = true;
    this.#say('Waiting for messages…');
    this.#stop.hidden = false;
    this.#reading = new AbortController();
    void this.#read(filter, this.#reading);
  }

  #read(filter: string, { signal }: AbortController): Promise<void> {
    return followEvents(`sse?topic=${encodeURIComponent(filter)}`, signal, {
      lastId: () => this.#lastId,
      take: (event) => {
        this.#take(event);
        return false;
      },
      onLost: () => this.#say('The broker cannot be reached. Trying again…'),
      onRefused: (error) => {
        this.stop();
        this.#say(error.message, true);
        if (error.status === 401) this.#onFailed(error);
      },
    });
  }

  #take({ id, name, data }: ServerEvent): void {
    if (id !== '') this.#lastId = id;
    if (this.#rows.length === 0) requestAnimationFrame(() => this.#show());
    if (name === 'missed') {
      const { messages } = JSON.parse(data) as { messages?: number };
      const what = messages === undefined ? 'Some messages' : `${shownCount(messages)} messages`;
      this.#rows.push(make('li', { class: 'missed' }, make('strong', {}, `${what} missed`)));
      return;
    }
    this.#count++;
    this.#rows.push(rowOf(JSON.parse(data) as Message));
    if (this.#rows.length > rowsMax) this.#rows.shift();
  }

  /** Newest first. */
  #show(): void {
    if (this.#rows.length === 0) return;
    this.#list.prepend(...this.#rows.reverse());
    this.#rows = [];
    this.#region.hidden = false;
    while (this.#list.childElementCount > rowsMax) this.#list.lastElementChild?.remove();
    if (this.#reading !== undefined) this.#say(this.#counted());
  }

  #say(text: string, isBad = false): void {
    this.#state.classList.toggle('bad', isBad);
    setText(this.#state, text);
  }

  #counted(): string {
    if (this.#count === 0) return 'No messages yet.';
    const all = this.#count === 1 ? 'One message' : `${shownCount(this.#count)} messages`;
    return this.#count > rowsMax ? `${all}; the last ${rowsMax} are here.` : `${all}.`;
  }
}

function rowOf({ topic, payload, payload_encoding: encoding, qos, retain }: Message): HTMLLIElement {
  const now = new Date().toISOString();
  const bytes = encoding === 'base64' ? (payload.length / 4) * 3 : new TextEncoder().encode(payload).length;
  const shown = payload.length > charactersMax ? `${payload.slice(0, charactersMax)}…` : payload;
  const details = [`QoS ${qos}`, retain ? 'retained' : undefined, shownBytes(bytes)];
  return make(
    'li',
    { class: 'delivered' },
    make('time', { datetime: now, class: 'number small quiet' }, shownTime(now)),
    make('span', { class: 'mono' }, shownName(topic)),
    make('span', { class: 'quiet small' }, details.filter((one) => one !== undefined).join(' · ')),
    payload === ''
      ? undefined
      : make('code', { class: 'small' }, encoding === 'base64' ? `base64: ${shown}` : shown),
  );
}
