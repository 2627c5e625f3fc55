/**
 * The console: a client of its own, with its connection, its subscriptions, and the messages that come. The newest
 * message is on top, and the oldest leave beyond a bound.
 */
import { type Properties, type QoS, Rally, type Subscription } from '../../client/rally.ts';
import { byId, make, setText } from '../shared/dom.ts';
import { errorText } from '../shared/page.ts';
import { MessageLog } from './message-log.ts';

export function startConsole(path: string): void {
  new Console(path);
}

class Console {
  readonly #path: string;
  readonly #log = new MessageLog();
  /** By topic filter. */
  readonly #subscriptions = new Map<string, Subscription>();
  #rally: Rally | undefined;

  constructor(path: string) {
    this.#path = path;
    onSubmit('connect-form', () => (this.#rally === undefined ? this.#connect() : this.#disconnect()));
    onSubmit('subscribe-form', () => this.#subscribe(byId<HTMLInputElement>('filter').value));
    onSubmit('publish-form', () => void this.#publish());
  }

  #connect(): Rally {
    const rally = new Rally(this.#path, connectOptions());
    this.#rally = rally;
    setText(byId('connect'), 'Disconnect');
    this.#say('connecting…');
    rally.on('connected', () => this.#say(`connected as ${rally.clientId}`));
    rally.on('reconnecting', ({ error, delayMs }) =>
      this.#say(
        `${error === undefined ? 'the broker has said goodbye' : errorText(error)}; next attempt in ${(delayMs / 1_000).toFixed(1)} s`,
      ),
    );
    rally.on('closed', ({ error }) => {
      if (this.#rally !== rally) return;
      this.#ended();
      this.#say(error === undefined ? 'not connected' : `refused: ${errorText(error)}`);
    });
    return rally;
  }

  #disconnect(): void {
    this.#rally?.close();
  }

  #ended(): void {
    this.#rally = undefined;
    this.#subscriptions.clear();
    byId('subscriptions').replaceChildren();
    setText(byId('connect'), 'Connect');
  }

  #say(text: string): void {
    setText(byId('console-state'), text);
  }

  #subscribe(filter: string): void {
    const rally = this.#rally ?? this.#connect();
    const qos = qosOf('subscribe-qos');
    if (this.#subscriptions.has(filter)) return;
    try {
      const subscription = rally.subscribe(filter, (message) => this.#log.add(message), { qos });
      this.#subscriptions.set(filter, subscription);
      this.#showSubscription(filter, qos, subscription);
    } catch (error) {
      this.#say(errorText(error));
    }
  }

  #showSubscription(filter: string, qos: QoS, subscription: Subscription): void {
    const end = make('button', { type: 'button', 'aria-label': `Unsubscribe from ${filter}` }, '✕');
    const row = make('li', {}, make('code', {}, filter), make('span', { class: 'quiet' }, `QoS ${qos}`), end);
    byId('subscriptions').append(row);
    end.addEventListener('click', () => {
      subscription.unsubscribe();
      this.#subscriptions.delete(filter);
      row.remove();
    });
    subscription.ready.catch((error: unknown) => {
      row.classList.add('refused');
      row.children[1]?.replaceChildren(errorText(error));
    });
  }

  async #publish(): Promise<void> {
    const rally = this.#rally ?? this.#connect();
    const said = byId('published');
    const qos = qosOf('publish-qos');
    setText(said, rally.status === 'connected' ? '…' : 'waits for the connection…');
    try {
      const answer = await rally.publish(textOf('topic'), byId<HTMLTextAreaElement>('payload').value, {
        qos,
        retain: byId<HTMLInputElement>('retain').checked,
        properties: publishProperties(),
      });
      const noSubscriber = answer?.reasonCode === 0x10 ? '; nobody has subscribed to it' : '';
      setText(said, qos === 0 ? 'sent' : `the broker has it${noSubscriber}`);
    } catch (error) {
      setText(said, errorText(error));
    }
  }
}

function onSubmit(id: string, submitted: () => void): void {
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault();
    submitted();
  });
}

function connectOptions(): { clientId?: string; username?: string; password?: string } {
  const entries = [
    ['clientId', textOf('client-id')],
    ['username', textOf('username')],
    ['password', byId<HTMLInputElement>('password').value],
  ];
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

function publishProperties(): Properties {
  const expiry = textOf('expiry');
  const userProperties = byId<HTMLTextAreaElement>('user-properties')
    .value.split('\n')
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => {
      const at = line.indexOf(':');
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    });
  return {
    ...(textOf('content-type') === '' ? {} : { contentType: textOf('content-type') }),
    ...(expiry === '' ? {} : { messageExpiryInterval: Number(expiry) }),
    ...(textOf('response-topic') === '' ? {} : { responseTopic: textOf('response-topic') }),
    ...(userProperties.length === 0 ? {} : { userProperties }),
  };
}

function textOf(id: string): string {
  return byId<HTMLInputElement>(id).value.trim();
}

function qosOf(id: string): QoS {
  return Number(byId<HTMLSelectElement>(id).value) as QoS;
}
