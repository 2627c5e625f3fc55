/** The page at `/`: the broker's state and addresses, the demos, and the console. */
import './landing.css';
import { byId, setText } from '../shared/dom.ts';
import { mqttPath, openRally } from '../shared/page.ts';
import { keptCredentials, offerSignIn } from '../shared/sign-in.ts';
import { showPulse } from './pulse.ts';
import { type BrokerFacts, snippetsOf } from './snippets.ts';
import { showTeasers } from './teasers.ts';

/** The delay between two requests for the broker's addresses. */
const retryMs = 1_000;

// After the first paint.
void import('./console.ts').then(({ startConsole }) => startConsole(webSocketUrl()));
void start();
for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copies]')) copyFrom(button);

async function start(): Promise<void> {
  const facts = await brokerFacts();
  showAddresses(facts);
  if (facts === undefined) {
    setTimeout(() => void start(), retryMs);
  } else if (facts.authenticates) {
    const isSignedIn = keptCredentials().password !== undefined;
    closePulse(isSignedIn);
    if (isSignedIn) showTeasers(openRally());
    else showSignedOut();
  } else {
    const rally = openRally();
    rally.on('connected', () => setText(byId('pulse-title'), 'This broker, now'));
    rally.on('reconnecting', () => setText(byId('pulse-title'), 'When last seen'));
    showPulse(rally);
    showTeasers(rally);
  }
}

function showSignedOut(): void {
  setText(byId('link-state'), 'Running');
  for (const teaser of document.querySelectorAll('.teaser span')) setText(teaser, 'Sign in first');
}

/** If a broker requires credentials, its figures are for operators only. */
function closePulse(isSignedIn: boolean): void {
  document.querySelector('.pulse')?.classList.add('closed');
  setText(byId('pulse-title'), 'This broker');
  const figures = 'Its figures are in the dashboard.';
  setText(
    byId('pulse-note'),
    isSignedIn ? `You are signed in. ${figures}` : `It requires credentials. ${figures}`,
  );
  byId('closed').hidden = false;
  byId('offer').hidden = isSignedIn;
  byId('offer').addEventListener('click', () => {
    offerSignIn(byId('outage'), '');
    byId('sign-in-user').focus();
  });
}

function webSocketUrl(): string {
  return new URL(mqttPath(), location.href).href.replace(/^http/, 'ws');
}

/** Undefined: the broker cannot be reached now. */
async function brokerFacts(): Promise<BrokerFacts | undefined> {
  try {
    const response = await fetch('api/broker');
    return response.ok ? ((await response.json()) as BrokerFacts) : undefined;
  } catch {
    return undefined; // no answer
  }
}

function showAddresses(facts: BrokerFacts | undefined): void {
  byId('outage').hidden = facts !== undefined;
  if (facts === undefined) {
    setText(byId('outage'), 'The broker cannot be reached. Reconnecting…');
    return;
  }
  const webSocket = new URL(webSocketUrl());
  const { page, isPageForDisk, terminal, trustOption, tcpAddress } = snippetsOf(
    facts,
    new URL(location.href),
    webSocket,
  );
  setText(byId('version'), facts.version);
  setText(byId('ws-url'), `${webSocket} (sub-protocol mqtt)`);
  setText(byId('tcp-name'), tcpAddress?.startsWith('mqtts:') ? 'MQTT over TLS' : 'MQTT over TCP');
  setText(byId('tcp-url'), tcpAddress ?? 'not available');
  setText(byId('five-lines'), page);
  setText(byId('terminal'), terminal);
  byId('from-disk').hidden = !isPageForDisk;
  byId('from-server').hidden = isPageForDisk;
  for (const note of document.querySelectorAll<HTMLElement>('.placeholders'))
    note.hidden = !facts.authenticates;
  byId('trust').hidden = trustOption === undefined;
  setText(byId('trust-option'), trustOption ?? '');
}

function copyFrom(button: HTMLButtonElement): void {
  button.addEventListener('click', async () => {
    setText(button, await copy(byId(button.dataset['copies'] ?? '')));
    setTimeout(() => setText(button, 'Copy'), 2_000);
  });
}

/** Returns what it did. A page over http, unless from this machine, may not use the clipboard and selects the text instead. */
async function copy(snippet: HTMLElement): Promise<string> {
  try {
    await navigator.clipboard.writeText(snippet.textContent ?? '');
    return 'Copied';
  } catch {
    getSelection()?.selectAllChildren(snippet);
    return document.execCommand('copy') ? 'Copied' : 'Selected';
  }
}
