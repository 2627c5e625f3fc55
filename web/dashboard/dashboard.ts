/**
 * The dashboard: signs in, shows the view named in the address, and refreshes it while the page is visible. The
 * overview is pushed over MQTT.
 */
import 'uplot/dist/uPlot.min.css';
import './dashboard.css';
import { byId, setText } from '../shared/dom.ts';
import { ApiError, forgetCredentials, isSignedIn, keepCredentials, sentenceOf } from './api.ts';
import { BanView } from './bans.ts';
import { ClientPage } from './client-page.ts';
import { Clients } from './clients.ts';
import { Live } from './live.ts';
import { askCluster, Nodes } from './nodes.ts';
import { Overview } from './overview.ts';
import { say, type View } from './parts.ts';
import { Publish } from './publish.ts';
import { Settings } from './settings.ts';
import { Slow } from './slow.ts';
import { Topics } from './topics.ts';
import { TraceView } from './traces.ts';

const refreshMs = 2_000;

const live = new Live({
  onOverview: (figures) => overview.take(figures),
  onChanged: () => void refresh(),
  onRefused: onFailed,
});
const overview = new Overview(live);
const clients = new Clients(onFailed);
const views: Readonly<Record<string, View>> = {
  overview,
  clients,
  client: new ClientPage(onFailed),
  topics: new Topics(onFailed),
  slow: new Slow(onFailed),
  traces: new TraceView(onFailed),
  nodes: new Nodes(),
  bans: new BanView(onFailed),
  publish: new Publish(onFailed),
  settings: new Settings(),
};

const signIn = byId('sign-in');
const signedIn = byId('signed-in');
let timer: ReturnType<typeof setTimeout> | undefined;
let shown = '';

function route(): { readonly name: string; readonly detail: string } {
  const [name = '', ...rest] = location.hash.slice(1).split('/');
  return Object.hasOwn(views, name)
    ? { name, detail: decoded(rest.join('/')) }
    : { name: 'overview', detail: '' };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand
  }
}

/** `isMove`: the visitor navigated there, so the keyboard focus follows. */
function showRoute(isMove: boolean): void {
  if (signedIn.hidden) return;
  const { name, detail } = route();
  if (name !== shown) views[shown]?.hide?.();
  shown = name;
  for (const each of Object.keys(views)) byId(`view-${each}`).hidden = each !== name;
  for (const link of document.querySelectorAll<HTMLAnchorElement>('.top nav a')) {
    const isCurrent = link.hash === `#${name === 'client' ? 'clients' : name}`;
    if (isCurrent) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const heading = document.querySelector<HTMLElement>(`#view-${name} h1`);
  if (isMove) heading?.focus();
  views[name]?.show(detail);
  document.title = `${heading?.textContent} · RallyMQ dashboard`;
  void refresh();
}

async function refresh(): Promise<void> {
  clearTimeout(timer);
  if (signedIn.hidden) return;
  try {
    if (document.visibilityState === 'visible') await views[shown]?.refresh();
    showLink('connected', live.isOn ? 'Live' : 'Polling', '');
  } catch (error) {
    onFailed(error);
  }
  clearTimeout(timer);
  timer = setTimeout(() => void refresh(), refreshMs);
}

function onFailed(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) signOut(error.message);
  else showLink('reconnecting', error instanceof ApiError ? 'Trouble' : 'Offline', sentenceOf(error));
}

function showLink(status: string, text: string, trouble: string): void {
  const state = byId('link-state');
  const outage = byId('outage');
  state.dataset['status'] = status;
  document.documentElement.dataset['link'] = status;
  setText(state, text);
  setText(outage, trouble);
  outage.hidden = trouble === '';
}

async function trySignIn(): Promise<void> {
  clearTimeout(timer);
  const said = byId('sign-in-said');
  say(said, '');
  try {
    await showCluster();
    signIn.hidden = true;
    signedIn.hidden = false;
    document.documentElement.classList.add('is-signed-in');
    live.start();
    showRoute(false);
  } catch (error) {
    if (error instanceof ApiError && error.status < 500) signOut(error.message);
    else waitForBroker(error);
  }
}

/** The visitor's credentials may still be valid. */
function waitForBroker(error: unknown): void {
  onFailed(error);
  timer = setTimeout(() => void trySignIn(), refreshMs);
}

/** The view of the nodes, and the choice of a node, are shown only in a cluster. */
async function showCluster(): Promise<void> {
  const cluster = await askCluster();
  const link = document.querySelector<HTMLAnchorElement>('.top nav a[href="#nodes"]');
  if (link !== null) link.hidden = cluster === undefined;
  clients.showNodes(cluster?.nodes);
}

function signOut(sentence: string): void {
  clearTimeout(timer);
  live.stop();
  forgetCredentials();
  views[shown]?.hide?.();
  signedIn.hidden = true;
  signIn.hidden = false;
  document.documentElement.classList.remove('is-signed-in');
  say(byId('sign-in-said'), sentence, sentence !== '');
  showLink('connecting', 'Signed out', '');
}

byId('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const username = byId<HTMLInputElement>('user');
  const secret = byId<HTMLInputElement>('key');
  keepCredentials(username.value, username.value === '' ? secret.value.trim() : secret.value);
  secret.value = '';
  void trySignIn();
});
byId('sign-out').addEventListener('click', () => {
  forgetCredentials();
  location.reload(); // nothing shown before stays in the page
});
addEventListener('hashchange', () => showRoute(true));
document.addEventListener('visibilitychange', () => void refresh());

if (isSignedIn()) void trySignIn();
else signOut('');
