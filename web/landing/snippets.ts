/**
 * The snippets of the landing page. They work as copied, at the addresses under which the visitor reaches the
 * broker; if clients need credentials, USER and PASSWORD are placeholders.
 */

/** The answer to GET /api/broker. */
export interface BrokerFacts {
  readonly version: string;
  /** The host on which the broker listens. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly tcpPort: number | false;
  readonly tlsPort: number | false;
  readonly mqttsPort: number | false;
  /** Whether clients need credentials. */
  readonly authenticates: boolean;
}

export interface Snippets {
  /** HTML for a file. */
  readonly page: string;
  /** Whether the broker accepts the page when it is opened from the disk. */
  readonly isPageForDisk: boolean;
  /** Two commands for a shell: the second prints what the first publishes. */
  readonly terminal: string;
  /** Makes the commands trust a certificate of `rallymq dev-cert`; undefined if they do not use the broker's TLS. */
  readonly trustOption: string | undefined;
  /** A URL; undefined: the visitor cannot reach the broker over TCP. */
  readonly tcpAddress: string | undefined;
}

/** One snippet publishes it, and the other shows it. */
const filter = 'scores/#';
const topic = 'scores/court/1';
const payload = '40-30';

/** `root` is the URL of the landing page, `webSocket` that of MQTT. */
export function snippetsOf(facts: BrokerFacts, root: URL, webSocket: URL): Snippets {
  const tcp = tcpAddressOf(facts, root);
  const credentials = facts.authenticates ? ' -u USER -P PASSWORD' : '';
  const { command, where, trustOption } = tcp === undefined ? overWebSocket(webSocket) : overTcp(tcp);
  return {
    page: pageOf(facts, root, webSocket),
    isPageForDisk: isLoopback(facts.host) && isLoopback(root.hostname),
    terminal: [
      `${command('pub')}${where}${credentials} -t ${topic} -m '${payload}' -r`,
      `${command('sub')}${where}${credentials} -t '${filter}' -v`,
    ].join('\n'),
    trustOption,
    tcpAddress: tcp?.href,
  };
}

function pageOf({ authenticates }: BrokerFacts, root: URL, webSocket: URL): string {
  const credentials = authenticates ? ", {\n    username: 'USER', password: 'PASSWORD',\n  }" : '';
  return [
    '<script type="module">',
    `  import { connect } from '${new URL('rally.js', root)}';`,
    `  const rally = await connect('${webSocket}'${credentials});`,
    `  rally.subscribe('${filter}', (score) => {`,
    "    document.body.append(score.topic, ': ', score.text(), ' ');",
    '  });',
    '</script>',
  ].join('\n');
}

interface Commands {
  readonly command: (action: 'pub' | 'sub') => string;
  /** Options, each preceded by a space. */
  readonly where: string;
  readonly trustOption: string | undefined;
}

function overTcp({ protocol, hostname, port }: URL): Commands {
  const isSecure = protocol === 'mqtts:';
  // Default values are left out.
  const isDefaultHost = hostname === '127.0.0.1' || hostname === 'localhost';
  const host = isDefaultHost && !isSecure ? '' : ` -h ${hostname.replace(/^\[|\]$/g, '')}`;
  const where = port === '1883' ? host : `${host} -p ${port}`;
  return {
    command: (action) => `mosquitto_${action}`,
    where: isSecure ? `${where} --tls-use-os-certs` : where,
    trustOption: isSecure ? '--cafile dev-ca.pem' : undefined,
  };
}

/** With the command of MQTT.js, since mosquitto's commands have no WebSocket. */
function overWebSocket({ protocol, hostname, port, pathname }: URL): Commands {
  const isSecure = protocol === 'wss:';
  const shownHost = hostname.includes(':') ? `'${hostname}'` : hostname;
  return {
    command: (action) => `npx mqtt ${action}`,
    where: ` -l ${protocol.slice(0, -1)} -h ${shownHost} -p ${port || (isSecure ? 443 : 80)} --path ${pathname}`,
    trustOption: undefined,
  };
}

/** With TLS if the page has it. An HTTP proxy in front of the broker does not forward its other ports. */
function tcpAddressOf(facts: BrokerFacts, root: URL): URL | undefined {
  const isSecure = root.protocol === 'https:';
  const port = isSecure ? facts.mqttsPort || facts.tlsPort : facts.tcpPort;
  const host = reachableHost(facts.host, root.hostname);
  if (port === false || host === undefined) return undefined;
  return new URL(`${isSecure ? 'mqtts' : 'mqtt'}://${host}:${port}`);
}

/** The host of a URL; undefined: only the broker's own machine can reach it, and the visitor is elsewhere. */
function reachableHost(listens: string, visited: string): string | undefined {
  const isAnyAddress = listens === '0.0.0.0' || listens === '::';
  if (isAnyAddress || (isLoopback(listens) && isLoopback(visited))) return visited;
  if (isLoopback(listens)) return undefined;
  return listens.includes(':') ? `[${listens}]` : listens;
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host);
}
