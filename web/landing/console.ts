/**
 * The console: a client of its own, with its connection, its subscriptions, and the received messages. It connects
 * to any broker that the browser can reach, with MQTT 5 or 3.1.1.
 */
import {
  type Message,
  type Properties,
  type QoS,
  Rally,
  type RallyOptions,
  type Subscription,
} from '../../client/rally.ts';
import { byId, make, numberFormat, setText } from '../shared/dom.ts';
import { errorText } from '../shared/page.ts';
import { keptCredentials } from '../shared/sign-in.ts';
import type { KeptMessage } from './kept-messages.ts';
import { MessageLog } from './message-log.ts';
import { bytesFromHex, hexOf, textOf } from './payload.ts';
import { TopicTree } from './topic-tree.ts';

/** The interval between two drawings: short enough to look live, long enough for a flood of messages. */
const drawPeriodMs = 125;

export function startConsole(url: string): void {
  byId<HTMLInputElement>('url').value ||= url;
  const { username = '', password = '' } = keptCredentials();
  byId<HTMLInputElement>('username').value ||= username;
  byId<HTMLInputElement>('password').value ||= password;
  new Console();
}

class Console {
  readonly #log = new MessageLog((message) => putIntoForm(message));
  readonly #tree = new TopicTree((topic) => this.#choose(topic));
  /** By topic filter. */
  readonly #subscriptions = new Map<string, Subscription>();
  #rally: Promise<Rally> | undefined;
  #isDrawing = false;
  #isLogInSight = true;
  /** The number of messages when the list was last visible. */
  #seen = 0;
  #second = { startMs: 0, count: 0 };

  constructor() {
    onSubmit('connect-form', () => (this.#rally === undefined ? this.#connect() : this.#disconnect()));
    onSubmit('subscribe-form', () => this.#subscribe(textIn('filter')));
    onSubmit('publish-form', () => this.#publish());
    byId('show-log').addEventListener('click', () => this.#show('log'));
    byId('show-tree').addEventListener('click', () => this.#show('tree'));
    byId('search').addEventListener('input', () => this.#log.search(textIn('search')));
    byId('clear').addEventListener('click', () => {
      this.#seen = 0;
      this.#log.clear();
      this.#tree.clear();
      this.#draw();
    });
    setInterval(() => this.#showRate(), 1_000);
    this.#hintAtArrivals();
  }

  /** If the list is out of sight, as on a phone, a button counts the new messages and scrolls to them. */
  #hintAtArrivals(): void {
    const hint = byId('arrived');
    new IntersectionObserver(([entry]) => {
      this.#isLogInSight = entry?.isIntersecting === true;
      this.#seen = this.#log.count;
      if (this.#isLogInSight) hint.hidden = true;
    }).observe(byId('log').parentElement as HTMLElement);
    hint.addEventListener('click', () => {
      byId('log').parentElement?.scrollIntoView({ block: 'center' });
      byId('log').focus({ preventScroll: true });
    });
  }

  #showArrivals(): void {
    const fresh = this.#log.count - this.#seen;
    if (this.#isLogInSight || fresh <= 0) return;
    const what = fresh === 1 ? '1 message' : `${numberFormat.format(fresh)} messages`;
    setText(byId('arrived'), `${what} ↓`);
    byId('arrived').hidden = false;
  }

  /** The existing connection, open or opening, or a new one. */
  #connect(): Promise<Rally> {
    this.#rally ??= this.#open();
    return this.#rally;
  }

  async #open(): Promise<Rally> {
    this.#say('connecting', 'connecting…');
    setText(byId('connect'), 'Disconnect');
    try {
      const rally = new Rally(textIn('url'), await connectOptions());
      this.#follow(rally);
      return rally;
    } catch (error) {
      this.#ended(errorText(error));
      throw error;
    }
  }

  #follow(rally: Rally): void {
    rally.on('connected', () => this.#say('connected', `connected as ${rally.clientId}`));
    rally.on('reconnecting', ({ error, delayMs }) => {
      const why = error === undefined ? 'the broker closed the connection' : errorText(error);
      this.#say('reconnecting', `${why}; next attempt in ${(delayMs / 1_000).toFixed(1)} s`);
    });
    rally.on('closed', ({ error }) =>
      this.#ended(error === undefined ? undefined : `refused: ${errorText(error)}`),
    );
  }

  async #disconnect(): Promise<void> {
    (await this.#rally)?.close();
  }

  #ended(why: string | undefined): void {
    this.#rally = undefined;
    this.#subscriptions.clear();
    byId('subscriptions').replaceChildren();
    setText(byId('connect'), 'Connect');
    this.#say(why === undefined ? 'idle' : 'closed', why ?? 'not connected');
  }

  #say(status: string, text: string): void {
    byId('console-state').dataset['status'] = status;
    setText(byId('console-state'), text);
  }

  async #subscribe(filter: string): Promise<void> {
    const rally = await this.#connect();
    if (this.#subscriptions.has(filter)) return;
    const qos = qosOf('subscribe-qos');
    try {
      const subscription = rally.subscribe(filter, (message) => this.#received(message), { qos });
      this.#subscriptions.set(filter, subscription);
      this.#showSubscription(filter, qos, subscription);
    } catch (error) {
      this.#say('closed', errorText(error));
    }
  }

  #showSubscription(filter: string, qos: QoS, subscription: Subscription): void {
    const end = make('button', { type: 'button', 'aria-label': `Unsubscribe from ${filter}` }, '✕');
    const state = make('span', { class: 'quiet' }, '…');
    const row = make('li', {}, make('code', {}, filter), state, end);
    byId('subscriptions').append(row);
    end.addEventListener('click', () => {
      subscription.unsubscribe();
      this.#subscriptions.delete(filter);
      row.remove();
      byId('filter').focus();
    });
    subscription.ready.then(
      () => setText(state, `QoS ${qos}`),
      (error: unknown) => {
        row.classList.add('refused');
        setText(state, errorText(error));
      },
    );
  }

  #received(message: Message): void {
    this.#log.add(message);
    this.#tree.add(message);
    this.#second.count += 1;
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    setTimeout(() => {
      this.#isDrawing = false;
      this.#draw();
    }, drawPeriodMs);
  }

  #draw(): void {
    setText(byId('log-count'), numberFormat.format(this.#log.count));
    setText(byId('topic-count'), numberFormat.format(this.#tree.count));
    this.#showArrivals();
    if (byId('tree').hidden) this.#log.draw();
    else if (!byId<HTMLInputElement>('pause').checked) this.#tree.draw();
  }

  #showRate(): void {
    const nowMs = performance.now();
    const { startMs, count } = this.#second;
    const perSecond = Math.round((1_000 * count) / (nowMs - startMs));
    setText(byId('log-rate'), perSecond === 0 ? '' : `${numberFormat.format(perSecond)} a second`);
    this.#second = { startMs: nowMs, count: 0 };
  }

  #show(what: 'log' | 'tree'): void {
    for (const name of ['log', 'tree']) {
      byId(name).hidden = name !== what;
      byId(`show-${name}`).setAttribute('aria-pressed', `${name === what}`);
    }
    byId('newer').hidden = true;
    this.#draw();
  }

  /** Called by the tree: shows the messages of the topic, and puts it into the form. */
  #choose(topic: string): void {
    byId<HTMLInputElement>('search').value = topic;
    byId<HTMLInputElement>('topic').value = topic;
    this.#log.search(topic);
    this.#show('log');
    byId('log').focus();
  }

  async #publish(): Promise<void> {
    const said = byId('published');
    said.classList.remove('failed');
    try {
      const payload = payloadInForm();
      const rally = await this.#connect();
      const qos = qosOf('publish-qos');
      setText(said, rally.status === 'connected' ? '…' : 'waiting for the connection…');
      const answer = await rally.publish(textIn('topic'), payload, {
        qos,
        retain: byId<HTMLInputElement>('retain').checked,
        properties: publishProperties(),
      });
      const noSubscriber = answer?.reasonCode === 0x10 ? '; nobody is subscribed to it' : '';
      setText(said, qos === 0 ? 'sent' : `the broker has it${noSubscriber}`);
    } catch (error) {
      said.classList.add('failed');
      setText(said, errorText(error));
    }
  }
}

function onSubmit(id: string, submitted: () => Promise<unknown>): void {
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault();
    // A failed connection is reported beside the heading.
    submitted().catch(() => undefined);
  });
}

async function connectOptions(): Promise<RallyOptions> {
  const entries = [
    ['clientId', textIn('client-id')],
    ['username', textIn('username')],
    ['password', byId<HTMLInputElement>('password').value],
  ].filter(([, value]) => value !== '');
  const isOld = byId<HTMLSelectElement>('mqtt-version').value === '3';
  const version = isOld ? { WebSocket: (await import('../../client/mqtt-3.ts')).mqtt3() } : {};
  return { ...Object.fromEntries(entries), ...version };
}

function payloadInForm(): string | Uint8Array {
  const text = byId<HTMLTextAreaElement>('payload').value;
  if (byId<HTMLSelectElement>('payload-format').value === 'text') return text;
  const bytes = bytesFromHex(text);
  if (bytes === undefined) throw new Error('not hex: write two digits per byte, such as 0a ff');
  return bytes;
}

function putIntoForm({ topic, qos, retain, bytes }: KeptMessage): void {
  const text = textOf(bytes);
  byId<HTMLInputElement>('topic').value = topic;
  byId<HTMLSelectElement>('publish-qos').value = `${qos}`;
  byId<HTMLInputElement>('retain').checked = retain;
  byId<HTMLTextAreaElement>('payload').value = text ?? hexOf(bytes, ' ');
  byId<HTMLSelectElement>('payload-format').value = text === undefined ? 'hex' : 'text';
  byId('payload').focus();
}

function publishProperties(): Properties {
  const userProperties = byId<HTMLTextAreaElement>('user-properties')
    .value.split('\n')
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => {
      const at = line.indexOf(':');
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    });
  const named = {
    contentType: textIn('content-type') || undefined,
    messageExpiryInterval: textIn('expiry') === '' ? undefined : Number(textIn('expiry')),
    responseTopic: textIn('response-topic') || undefined,
    correlationData: new TextEncoder().encode(textIn('correlation')),
    userProperties,
  };
  const given = Object.entries(named).filter(([, value]) =>
    value instanceof Uint8Array || Array.isArray(value) ? value.length > 0 : value !== undefined,
  );
  return Object.fromEntries(given);
}

function textIn(id: string): string {
  return byId<HTMLInputElement>(id).value.trim();
}

function qosOf(id: string): QoS {
  return Number(byId<HTMLSelectElement>(id).value) as QoS;
}
