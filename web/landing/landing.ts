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
  /** Whether it asks who connects. */
  readonly authenticates: boolean;
}

/** Between two attempts to find out where the broker is. */
const retryMs = 1_000;

// After the first paint.
void import('./console.ts').then(({ startConsole }) => startConsole(webSocketUrl()));
void start();

async function start(): Promise<void> {
  const facts = await brokerFacts();
  showAddresses(facts);
  if (facts === undefined) {
    setTimeout(() => void start(), retryMs);
  } else if (facts.authenticates) {
    // This page has no credentials; who has some gives them to the console.
    setText(byId('link-state'), 'Running');
    setText(byId('pulse-note'), 'This broker asks who connects, and shows its figures to nobody else.');
  } else {
    const rally = openRally();
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
    setText(byId('outage'), 'The broker cannot be reached. This page goes on by itself as soon as it can.');
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
    "  for await (const message of rally.subscribe('scores/+'))",
    '    document.body.append(message.topic, ": ", message.text());',
    '</script>',
  ].join('\n');
}

function overTcp(host: string, port: number): string {
  const where = `-h ${host} -p ${port}`;
  return `mosquitto_sub ${where} -t 'scores/#' -v\nmosquitto_pub ${where} -t scores/court/1 -m '40-30'`;
}

function overWebSocket(url: string): string {
  return `npx mqtt sub -u '${url}' -t 'scores/#' -v`;
}
