/** The page at `/`: that the broker is alive, where it listens, the demos, and the console. */
import './landing.css';
import { byId, setText } from '../shared/dom.ts';
import { mqttPath, openRally } from '../shared/page.ts';
import { startConsole } from './console.ts';
import { showPulse } from './pulse.ts';

interface BrokerFacts {
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly tcpPort: number | false;
}

const rally = openRally();
rally.on('connected', () => void showAddresses());
showPulse(rally);
startConsole(mqttPath());

async function showAddresses(): Promise<void> {
  const response = await fetch('api/broker');
  if (!response.ok) return; // a proxy has not let it through; the rest of the page is as good
  const { version, host, tcpPort } = (await response.json()) as BrokerFacts;
  const webSocket = new URL(mqttPath(), location.href).href.replace(/^http/, 'ws');
  setText(byId('version'), version);
  setText(byId('ws-url'), `${webSocket} (sub-protocol mqtt)`);
  setText(byId('tcp-url'), tcpPort === false ? 'off' : `mqtt://${host}:${tcpPort}`);
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
