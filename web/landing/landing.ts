/** The page at `/`: that the broker is alive, where it listens, the demos, and the console. */
import './landing.css';
import { byId, setText } from '../shared/dom.ts';
import { mqttPath, openRally } from '../shared/page.ts';
import { showPulse } from './pulse.ts';
import { showTeasers } from './teasers.ts';

interface BrokerFacts {
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly tcpPort: number | false;
  readonly tlsPort: number | false;
  readonly mqttsPort: number | false;
  /** Whether clients need credentials. */
  readonly authenticates: boolean;
}

/** What one snippet publishes, the other shows. */
const snippetFilter = 'scores/#';
const snippetTopic = 'scores/court/1';

/** Between two attempts to find out where the broker is. */
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
    // This page has no credentials; visitors enter theirs in the console.
    setText(byId('link-state'), 'Running');
    setText(byId('pulse-note'), 'This broker requires credentials, so its figures are not public.');
  } else {
    const rally = openRally();
    rally.on('connected', () => setText(byId('pulse-title'), 'This broker, now'));
    rally.on('reconnecting', () => setText(byId('pulse-title'), 'This broker, when last seen'));
    showPulse(rally);
    showTeasers(rally);
  }
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
    return undefined; // nobody answers
  }
}

function showAddresses(facts: BrokerFacts | undefined): void {
  byId('outage').hidden = facts !== undefined;
  if (facts === undefined) {
    setText(byId('outage'), 'The broker cannot be reached. Reconnecting…');
    return;
  }
  const { version, host, tcpPort } = facts;
  const isSecure = location.protocol === 'https:';
  const securePort = facts.mqttsPort || facts.tlsPort;
  const webSocket = webSocketUrl();
  setText(byId('version'), version);
  setText(byId('ws-url'), `${webSocket} (sub-protocol mqtt)`);
  if (isSecure && securePort !== false) setText(byId('tcp-url'), `mqtts://${host}:${securePort}`);
  else setText(byId('tcp-url'), tcpPort === false ? 'off' : `mqtt://${host}:${tcpPort}`);
  setText(byId('five-lines'), fiveLines(webSocket));
  setText(byId('terminal'), tcpPort === false ? overWebSocket(webSocket) : overTcp(host, tcpPort));
}

function fiveLines(url: string): string {
  return [
    '<script type="module">',
    `  import { connect } from '${new URL('rally.js', location.href)}';`,
    `  const rally = await connect('${url}');`,
    `  rally.subscribe('${snippetFilter}', (message) => {`,
    '    document.body.append(message.topic, ": ", message.text(), " ");',
    '  });',
    '</script>',
  ].join('\n');
}

function overTcp(host: string, port: number): string {
  const where = `-h ${host} -p ${port}`;
  return `mosquitto_sub ${where} -t '${snippetFilter}' -v\nmosquitto_pub ${where} -t ${snippetTopic} -m '40-30'`;
}

function overWebSocket(url: string): string {
  return `npx mqtt sub -u '${url}' -t '${snippetFilter}' -v\nnpx mqtt pub -u '${url}' -t ${snippetTopic} -m '40-30'`;
}

function copyFrom(button: HTMLButtonElement): void {
  button.addEventListener('click', () => {
    const text = byId(button.dataset['copies'] ?? '').textContent ?? '';
    // Only pages over https, or of this machine, may write to the clipboard.
    const copied = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'));
    copied.then(
      () => setText(button, 'Copied'),
      () => {
        getSelection()?.selectAllChildren(byId(button.dataset['copies'] ?? ''));
        setText(button, 'Selected');
      },
    );
    setTimeout(() => setText(button, 'Copy'), 2_000);
  });
}
