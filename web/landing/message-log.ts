/** The messages of the console, the newest first. What comes faster than the screen is drawn is drawn together. */
import type { Message, Properties } from '../../client/rally.ts';
import { byId, make, numberFormat, setText } from '../shared/dom.ts';

const shownMax = 300;
const payloadShownMax = 4_000;

interface Entry {
  readonly message: Message;
  readonly at: Date;
}

export class MessageLog {
  #waiting: Entry[] = [];
  #count = 0;
  #isDrawing = false;

  constructor() {
    byId('clear').addEventListener('click', () => this.#clear());
    byId('pause').addEventListener('change', () => this.#draw());
  }

  add(message: Message): void {
    this.#count += 1;
    this.#waiting.push({ message, at: new Date() });
    if (this.#waiting.length > shownMax) this.#waiting.shift();
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    setText(byId('log-count'), this.#count === 0 ? '' : numberFormat.format(this.#count));
    if (byId<HTMLInputElement>('pause').checked) return;
    const log = byId('log');
    byId('log-empty').hidden = this.#count > 0;
    log.prepend(...this.#waiting.reverse().map(rowOf));
    this.#waiting = [];
    while (log.children.length > shownMax + 1) log.children[shownMax - 1]?.remove();
  }

  #clear(): void {
    this.#waiting = [];
    this.#count = 0;
    byId('log')
      .querySelectorAll('.message')
      .forEach((row) => {
        row.remove();
      });
    this.#draw();
  }
}

function rowOf({ message, at }: Entry): HTMLElement {
  const { topic, qos, retain, dup, bytes, properties } = message;
  const head = make(
    'header',
    {},
    make('code', { class: 'topic' }, topic),
    make('span', { class: 'tag' }, `QoS ${qos}`),
    retain ? make('span', { class: 'tag live' }, 'retained') : undefined,
    dup ? make('span', { class: 'tag' }, 'again') : undefined,
    make('span', { class: 'quiet small' }, `${numberFormat.format(bytes.length)} bytes`),
    make('time', { class: 'quiet small number', datetime: at.toISOString() }, at.toLocaleTimeString()),
  );
  const shown = shownProperties(properties);
  return make(
    'article',
    { class: 'message' },
    head,
    make('pre', {}, payloadOf(message)),
    shown === '' ? undefined : make('p', { class: 'small quiet properties' }, shown),
  );
}

function payloadOf({ bytes }: Message): string {
  if (bytes.length === 0) return '(empty)';
  const part = bytes.subarray(0, payloadShownMax);
  const more = bytes.length > payloadShownMax ? '…' : '';
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(part, { stream: true }) + more;
  } catch {
    // Not text.
    const hex = Array.from(part.subarray(0, 512), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    return `${hex}${bytes.length > 512 ? '…' : ''}`;
  }
}

function shownProperties({ userProperties = [], ...others }: Properties): string {
  const named = Object.entries(others)
    .filter(
      ([name, value]) => value !== undefined && name !== 'subscriptionIdentifiers' && name !== 'topicAlias',
    )
    .map(([name, value]) => `${name}: ${value}`);
  return [...named, ...userProperties.map(([name, value]) => `${name} = ${value}`)].join(' · ');
}
