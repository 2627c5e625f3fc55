/** One client: its events, state and subscriptions, and how to disconnect it. */
import { byId, make, setText, shownName } from '../shared/dom.ts';
import { ApiError, ask, type Page, pathOf } from './api.ts';
import { type Client, roadOf, versions } from './clients.ts';
import { shownAge, shownBytes, shownCount, shownDuration, shownTime } from './format.ts';
import { attempt, copyText, say, showFacts, showRows, type View } from './parts.ts';

interface Figures extends Client {
  readonly subscriptions_cnt?: number;
  readonly mqueue_len?: number;
  readonly inflight_cnt?: number;
  readonly held_bytes?: number;
  readonly unsent_bytes?: number;
  readonly expiry_interval?: number;
  readonly keepalive_ms?: number;
  readonly recv_msg?: number;
  readonly send_msg?: number;
  readonly recv_oct?: number;
  readonly send_oct?: number;
  readonly 'send_msg.dropped'?: number;
}

interface Event {
  readonly at: string;
  readonly event: string;
  readonly reason?: string;
  readonly detail: string;
  /** For dropped messages: the time of the first drop. */
  readonly since?: string;
}

export interface Subscription {
  readonly topic: string;
  readonly qos: number;
  readonly nl: number;
  readonly rap: number;
  readonly subid: number;
}

const titles: Readonly<Record<string, string>> = {
  connected: 'Connected',
  refused: 'Refused',
  reauthenticated: 'Credentials renewed',
  dropped: 'Messages dropped',
  subscriptionRefused: 'Subscription refused',
  disconnectAsked: 'Ended by an operator',
  subscribeAsked: 'Subscribed by an operator',
  unsubscribeAsked: 'Unsubscribed by an operator',
  disconnected: 'Disconnected',
};
const forEver = 4_294_967_295;

export class ClientPage implements View {
  readonly #said = byId('client-said');
  readonly #more = byId('client-subscriptions-more');
  #clientId = '';
  #cursor: string | undefined;

  constructor(onFailed: (error: unknown) => void) {
    byId('client-disconnect').addEventListener('click', () => void this.#end(true));
    byId('client-end').addEventListener('click', () => void this.#end(false));
    byId('client-copy').addEventListener('click', () => {
      void attempt(this.#said, async () => {
        await copyText(this.#clientId);
        return 'Identifier copied.';
      });
    });
    byId('client-subscribe').addEventListener('submit', (event) => {
      event.preventDefault();
      void attempt(this.#said, () => this.#subscribe());
    });
    this.#more.addEventListener('click', () => void this.#askSubscriptions(this.#cursor).catch(onFailed));
  }

  show(detail: string): void {
    this.#clientId = detail;
    this.#cursor = undefined;
    setText(byId('client-title'), shownName(detail));
    say(this.#said, '');
    for (const id of ['client-facts', 'client-events', 'client-subscriptions']) byId(id).replaceChildren();
    for (const id of ['client-disconnect', 'client-end', 'client-subscribe']) byId(id).hidden = true;
    byId<HTMLAnchorElement>('client-ban').href = `#bans/clientid/${encodeURIComponent(detail)}`;
    byId<HTMLAnchorElement>('client-trace').href = `#traces/clientid/${encodeURIComponent(detail)}`;
  }

  async refresh(): Promise<void> {
    const [client, events] = await Promise.all([
      absentIfUnknown(ask<Figures>(this.#path())),
      absentIfUnknown(ask<{ data: readonly Event[] }>(this.#path('/events'))),
    ]);
    showEvents(events?.data ?? []);
    this.#showClient(client);
    if (client !== undefined && this.#cursor === undefined) await this.#askSubscriptions(undefined);
  }

  #path(below = '', query: Readonly<Record<string, string>> = {}): string {
    return pathOf(`clients/{clientid}${below}`, this.#clientId, query);
  }

  #showClient(client: Figures | undefined): void {
    byId('client-disconnect').hidden = client?.connected !== true;
    for (const id of ['client-end', 'client-subscribe']) byId(id).hidden = client === undefined;
    if (client === undefined) {
      showFacts(byId('client-facts'), { state: 'has no session' });
      return;
    }
    const { expiry_interval: expiry, keepalive_ms: keepAlive = 0, username, ip_address: address } = client;
    showFacts(byId('client-facts'), {
      state: `${client.connected ? 'connected' : 'away'} for ${shownAge(client.connected_at ?? client.disconnected_at ?? '')}`,
      node: client.node,
      user: username === null ? 'not authenticated' : othersLink('like_username', username),
      address: othersLink('ip_address', address),
      protocol: `MQTT ${versions[client.proto_ver]} over ${roadOf(client)}`,
      'messages from it': traffic(client.recv_msg, client.recv_oct),
      'messages to it': traffic(client.send_msg, client.send_oct),
      'dropped messages': counted(client['send_msg.dropped']),
      'queued messages': counted(client.mqueue_len),
      'not acknowledged': counted(client.inflight_cnt),
      'bytes queued': client.held_bytes === undefined ? undefined : shownBytes(client.held_bytes),
      'unsent in its socket': client.unsent_bytes === undefined ? undefined : shownBytes(client.unsent_bytes),
      'disconnected if silent for':
        keepAlive === 0 ? 'no limit: keep alive is 0' : shownDuration(keepAlive / 1_000),
      'session expiry':
        expiry === undefined ? undefined : expiry === forEver ? 'never' : shownDuration(expiry),
    });
  }

  async #askSubscriptions(cursor: string | undefined): Promise<void> {
    const query = { limit: '100', ...(cursor === undefined ? {} : { cursor }) };
    const page = await absentIfUnknown(ask<Page<Subscription>>(this.#path('/subscriptions', query)));
    const rows = (page?.data ?? []).map((each) => this.#subscriptionRow(each));
    const list = byId('client-subscriptions');
    if (cursor === undefined) showRows(list, rows);
    else list.append(...rows);
    this.#cursor = page?.meta.cursor;
    this.#more.hidden = page?.meta.hasnext !== true;
    byId('client-subscribes-none').hidden = list.childElementCount > 0;
  }

  async #subscribe(): Promise<string> {
    const topic = byId<HTMLInputElement>('client-subscribe-topic');
    const { value: qos } = byId<HTMLSelectElement>('client-subscribe-qos');
    const { topic: filter, qos: granted } = await ask<{ topic: string; qos: number }>(
      this.#path('/subscriptions'),
      'POST',
      { topic: topic.value, qos: Number(qos) },
    );
    topic.value = '';
    await this.refresh();
    return `Subscribed to ${shownName(filter)} with QoS ${granted}.`;
  }

  async #unsubscribe(topic: string): Promise<string> {
    await ask(this.#path('/subscriptions', { topic }), 'DELETE');
    this.#cursor = undefined;
    await this.refresh();
    return `The subscription to ${shownName(topic)} is ended.`;
  }

  #subscriptionRow({ topic, qos, nl, rap, subid }: Subscription): HTMLTableRowElement {
    const options = [
      nl === 1 ? 'no local' : undefined,
      rap === 1 ? 'retain as published' : undefined,
      subid === 0 ? undefined : `identifier ${subid}`,
    ].filter((one) => one !== undefined);
    const end = make(
      'button',
      { type: 'button', class: 'plain small', 'aria-label': `End the subscription to ${shownName(topic)}` },
      'End',
    );
    end.addEventListener('click', () => void attempt(this.#said, () => this.#unsubscribe(topic)));
    return make(
      'tr',
      {},
      make('th', { scope: 'row', class: 'mono' }, shownName(topic)),
      make('td', {}, `${qos}`),
      make('td', {}, options.join(', ') || '–'),
      make('td', { class: 'action' }, end),
    );
  }

  async #end(keepsSession: boolean): Promise<void> {
    const question = `End the session of ${shownName(this.#clientId)}, with its queued messages?`;
    if (!keepsSession && !confirm(question)) return;
    await attempt(this.#said, async () => {
      await ask(this.#path('', { keep_session: `${keepsSession}` }), 'DELETE');
      return keepsSession ? 'Its connection ends.' : 'Its session ends.';
    });
    await this.refresh().catch(() => {}); // the next refresh reports the error
  }
}

/** Undefined for what the broker does not know. */
async function absentIfUnknown<Body>(asked: Promise<Body>): Promise<Body | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** For example: 1,204 (83 KB). */
function traffic(messages: number | undefined, bytes: number | undefined): string | undefined {
  return messages === undefined || bytes === undefined
    ? undefined
    : `${shownCount(messages)} (${shownBytes(bytes)} in all)`;
}

/** A link to the clients that share this value. */
function othersLink(search: string, value: string): HTMLAnchorElement {
  return make('a', { href: `#clients/${search}/${encodeURIComponent(value)}` }, shownName(value));
}

function counted(value: number | undefined): string | undefined {
  return value === undefined ? undefined : shownCount(value);
}

function showEvents(events: readonly Event[]): void {
  const rows = events.map(({ at, event, reason, detail, since }) =>
    make(
      'li',
      { class: event },
      make('time', { datetime: at, class: 'number small quiet' }, timesOf(since, at)),
      make('strong', {}, titles[event] ?? event),
      reason === undefined ? undefined : make('code', { class: 'small' }, reason),
      make('span', {}, detail),
    ),
  );
  const nothing = make('li', { class: 'quiet' }, 'Nothing in the last hour.');
  showRows(byId('client-events'), rows.length > 0 ? rows : [nothing]);
}

/** For example 14:03:05 or, for an interval, 14:03:05 – 14:07:12. */
function timesOf(since: string | undefined, at: string): string {
  const [first, last] = [shownTime(since ?? at), shownTime(at)];
  return first === last ? last : `${first} – ${last}`;
}
