/** A live trace: its existing lines, then new ones, over a stream that is reopened if it breaks. */
import { byId, make, setText, shownName, shownText } from '../shared/dom.ts';
import { followEvents } from './event-follower.ts';
import type { ServerEvent } from './event-reader.ts';
import { shownBytes, shownCount, shownTime } from './format.ts';

interface Line {
  readonly at: string;
  /** In a cluster. */
  readonly node?: string;
  readonly event: string;
  readonly clientid?: string | null;
  readonly ip_address?: string;
  readonly detail?: string;
  readonly from?: string | null;
  readonly topic?: string;
  readonly topics?: readonly { readonly topic: string; readonly reason: string }[];
  readonly qos?: number;
  readonly retain?: boolean;
  readonly payload_size?: number;
  readonly payload?: string;
  readonly payload_encoding?: 'plain' | 'base64';
  readonly reason?: string;
  readonly messages?: number;
}

/** More would make the page slow; the file has everything. */
const rowsMax = 500;

const ends: Readonly<Record<string, string>> = {
  time: 'Ended: its time has run out.',
  size: 'Ended: it has reached its maximum size.',
  asked: 'Stopped.',
};

export class LiveTrace {
  readonly #card = byId('trace-live');
  readonly #list = byId('trace-lines');
  readonly #region = byId('trace-region');
  readonly #state = byId('trace-live-state');
  readonly #onFailed: (error: unknown) => void;
  #reading: AbortController | undefined;
  /** The identifier of the last event received. */
  #lastId = '0';
  #rows: HTMLLIElement[] = [];

  constructor(onFailed: (error: unknown) => void) {
    this.#onFailed = onFailed;
  }

  open(id: string, title: string): void {
    this.close();
    setText(byId('trace-live-title'), title);
    setText(this.#state, 'No events yet.');
    this.#card.hidden = false;
    this.#reading = new AbortController();
    void this.#read(id, this.#reading);
  }

  close(): void {
    this.#reading?.abort();
    this.#reading = undefined;
    this.#lastId = '0';
    this.#rows = [];
    this.#list.replaceChildren();
    this.#card.hidden = true;
  }

  #read(id: string, { signal }: AbortController): Promise<void> {
    return followEvents(`api/v1/traces/${id}/events`, signal, {
      lastId: () => this.#lastId,
      take: (event) => {
        this.#take(event);
        return event.name === 'end';
      },
      onLost: () => setText(this.#state, 'The broker cannot be reached. Trying again…'),
      onRefused: (error) => {
        setText(this.#state, error.message);
        this.#onFailed(error);
      },
    });
  }

  #take({ id, name, data }: ServerEvent): void {
    if (id !== '') this.#lastId = id;
    if (name === 'end') {
      this.#show();
      setText(this.#state, `${ends[(JSON.parse(data) as { by: string }).by] ?? 'Ended.'} ${this.#count()}`);
      return;
    }
    if (this.#rows.length === 0) requestAnimationFrame(() => this.#show());
    this.#rows.push(rowOf(JSON.parse(data) as Line));
    if (this.#rows.length > rowsMax) this.#rows.shift();
  }

  /** Keeps scrolling if the visitor is at the end. */
  #show(): void {
    if (this.#rows.length === 0) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#region;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 40;
    this.#list.append(...this.#rows);
    this.#rows = [];
    while (this.#list.childElementCount > rowsMax) this.#list.firstElementChild?.remove();
    if (isAtEnd) this.#region.scrollTop = this.#region.scrollHeight;
    setText(this.#state, this.#count());
  }

  #count(): string {
    const lines = Number(this.#lastId);
    const all = lines === 1 ? 'One event' : `${shownCount(lines)} events`;
    return lines > rowsMax ? `${all}; the last ${rowsMax} are here, and the file has all.` : `${all}.`;
  }
}

function rowOf(line: Line): HTMLLIElement {
  const { at, event, clientid, topic, payload, payload_encoding: encoding } = line;
  return make(
    'li',
    { class: event },
    make('time', { datetime: at, class: 'number small quiet' }, shownTime(at)),
    make('strong', {}, event),
    clientid === undefined
      ? undefined
      : make('span', { class: 'mono' }, clientid === null ? '(no client)' : shownName(clientid)),
    topic === undefined ? undefined : make('span', { class: 'mono' }, shownName(topic)),
    make('span', { class: 'quiet small' }, detailsOf(line)),
    payload === undefined || payload === ''
      ? undefined
      : make('code', { class: 'small' }, encoding === 'base64' ? `base64: ${payload}` : shownText(payload)),
  );
}

function detailsOf(line: Line): string {
  const { detail, topics = [], from, qos, retain, payload_size: bytes, reason, messages, node } = line;
  const details = [
    detail,
    ...topics.map((each) => `${shownName(each.topic)}: ${each.reason}`),
    from === undefined || from === null ? undefined : `from ${shownName(from)}`,
    qos === undefined ? undefined : `QoS ${qos}`,
    retain === true ? 'retained' : undefined,
    bytes === undefined ? undefined : shownBytes(bytes),
    reason,
    messages === undefined ? undefined : `${shownCount(messages)} messages were omitted`,
    node === undefined ? undefined : `on ${node}`,
  ];
  return details.filter((one) => one !== undefined).join(' · ');
}
