/** The page at `/`: what is running here and how to connect. */
import type { BrokerConfig } from '../config/options.ts';

export interface ListeningPorts {
  readonly port: number;
  readonly tcpPort: number | false;
}

export function statusPage(config: BrokerConfig, ports: ListeningPorts, version: string): string {
  const host = escapeHtml(hostForUrl(config.host));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>RallyMQ</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 40rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
code, pre { font: 0.9rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem; }
dt { font-weight: 600; margin-top: .75rem; }
dd { margin: 0; overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
<h1>RallyMQ ${escapeHtml(version)} is running</h1>
<p>An MQTT broker for the web: MQTT 3.1, 3.1.1 and 5.0.</p>
<dl>
<dt>MQTT over WebSocket</dt>
<dd><code>ws://${host}:${ports.port}${escapeHtml(config.path)}</code> (sub-protocol <code>mqtt</code>)</dd>
<dt>MQTT over TCP</dt>
<dd>${ports.tcpPort === false ? 'off' : `<code>mqtt://${host}:${ports.tcpPort}</code>`}</dd>
<dt>Health</dt>
<dd><a href="/healthz"><code>/healthz</code></a></dd>
</dl>
<p>Try it in a terminal:</p>
<pre>${escapeHtml(tryIt(config, ports))}</pre>
</main>
</body>
</html>
`;
}

function tryIt(config: BrokerConfig, { port, tcpPort }: ListeningPorts): string {
  if (tcpPort === false) return `npx mqtt sub -t 'scores/#' -v -h ${config.host} -p ${port} -C ws`;
  const where = `-h ${config.host} -p ${tcpPort}`;
  return `mosquitto_sub ${where} -t 'scores/#' -v\nmosquitto_pub ${where} -t scores/court/1 -m '40-30'`;
}

function hostForUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
