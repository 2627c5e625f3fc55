/**
 * The frame of every page: its connection to the broker, and its status. While the broker is unreachable, a banner
 * above the content tells the visitor, until the client is connected again.
 */
import {
  type Message,
  Rally,
  RallyError,
  type RallyOptions,
  type SubscribeOptions,
  type Subscription,
} from '../../client/rally.ts';
import { byId, setText } from './dom.ts';
import { keptCredentials, offerSignIn } from './sign-in.ts';
import { siteRoot } from './statistics.ts';

/** The connection of this page. It reconnects automatically. */
export function openRally(options: RallyOptions = {}): Rally {
  const reconnect = { minMs: 250, maxMs: 5_000 };
  const rally = new Rally(mqttPath(), { reconnect, ...keptCredentials(), ...options });
  showState(rally);
  return rally;
}

/** Subscribes, and tells the visitor if the broker does not allow it, which would look as if there were nothing to see. */
export function subscribe(
  rally: Rally,
  topicFilter: string,
  listener: (message: Message) => void,
  options: SubscribeOptions = {},
): Subscription {
  const subscription = rally.subscribe(topicFilter, listener, options);
  subscription.ready.catch((error: unknown) => {
    if (rally.status !== 'connected') return; // the status tells
    showOutage(byId('outage'), `The broker does not show ${topicFilter} to you: ${errorText(error)}.`);
  });
  return subscription;
}

/** Calls `startOver` when the broker has no session of this page: what was cleared meanwhile is unknown, and all else comes again. */
export function onNewSession(rally: Rally, startOver: () => void): void {
  rally.on('connected', ({ sessionPresent }) => {
    if (!sessionPresent) startOver();
  });
}

/** Below the path, if any, that a proxy serves the pages under. */
export function mqttPath(): string {
  const path = document.documentElement.dataset['mqtt'] ?? '/mqtt';
  return new URL(path.slice(1), siteRoot).pathname;
}

/** Before this time a page does not report that there is nothing to show. */
const patienceMs = 1_500;

/**
 * Shows `note` while there is nothing to see, but not in the first moments of a connection. Call the returned
 * function whenever that may have changed.
 */
export function noteWhenEmpty(rally: Rally, note: HTMLElement, isEmpty: () => boolean): () => void {
  let mayShow = false;
  const update = (): void => {
    note.hidden = !mayShow || !isEmpty();
  };
  rally.on('connected', () => {
    setTimeout(() => {
      mayShow = true;
      update();
    }, patienceMs);
  });
  return update;
}

/** A name for this tab: the same after a reload, different in another tab. */
export function tabId(key: string): string {
  const kept = sessionStorage.getItem(key);
  const id = kept ?? randomId();
  sessionStorage.setItem(key, id);
  return id;
}

export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte % 36).toString(36)).join('');
}

/** The error, without a full stop, and with the reason code of MQTT 5 if there is one. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof RallyError ? error.reasonCode : 0;
  const shown = `0x${code.toString(16)}`;
  const message = error.message.replace(/\.$/, '');
  return code === 0 || message.includes(shown) ? message : `${message} (${shown})`;
}

/** A shorter outage is not worth a banner. */
const graceMs = 400;

function showState(rally: Rally): void {
  const state = byId('link-state');
  const outage = byId('outage');
  let grace: ReturnType<typeof setTimeout> | undefined;
  const show = (status: Rally['status'], text: string, trouble = ''): void => {
    clearTimeout(grace);
    state.dataset['status'] = status;
    document.documentElement.dataset['link'] = status;
    setText(state, text);
    if (status !== 'closed' || trouble !== '')
      grace = setTimeout(() => showOutage(outage, trouble), trouble === '' ? 0 : graceMs);
  };
  show('connecting', 'Connecting');
  rally.on('connected', () => show('connected', 'Live'));
  rally.on('reconnecting', ({ error }) => show('reconnecting', 'Offline', troubleOf(error)));
  rally.on('closed', ({ error }) => {
    if (error === undefined) return;
    const asksWho = error instanceof RallyError && (error.reasonCode === 0x86 || error.reasonCode === 0x87);
    if (asksWho) {
      show('closed', 'Signed out');
      offerSignIn(byId('outage'), errorText(error));
    } else {
      show('closed', 'Closed', `${sentence(error)} Reload the page to try again.`);
    }
  });
}

function showOutage(outage: HTMLElement, trouble: string): void {
  outage.hidden = trouble === '';
  setText(outage, trouble);
}

function troubleOf(error: Error | undefined): string {
  const { reasonCode = 0, status = 0 } = (error instanceof RallyError ? error : {}) as Partial<RallyError>;
  const isRefusal = (reasonCode >= 0x80 && reasonCode !== 0x8b) || (status >= 400 && status < 500);
  const what = error && isRefusal ? sentence(error) : 'The broker cannot be reached.';
  return `${what} Reconnecting…`;
}

function sentence(error: Error): string {
  const text = errorText(error).replace(/^no connection to \S+: /, '');
  return `The broker says: ${text}.`;
}
