/** The snippets of the landing page name addresses that their reader reaches, and credentials where they are needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BrokerFacts, type Snippets, snippetsOf } from '../../../web/landing/snippets.ts';

const local: BrokerFacts = {
  version: '0.1.0',
  host: '127.0.0.1',
  port: 8080,
  path: '/mqtt',
  tcpPort: 1883,
  tlsPort: false,
  mqttsPort: false,
  authenticates: false,
};

function snippets(facts: Partial<BrokerFacts>, page: string): Snippets {
  const root = new URL(page);
  const webSocket = new URL(new URL('mqtt', root).href.replace(/^http/, 'ws'));
  return snippetsOf({ ...local, ...facts }, root, webSocket);
}

const commandsOf = (facts: Partial<BrokerFacts>, page: string): string[] =>
  snippets(facts, page).terminal.split('\n');

test('on this machine: mosquitto over TCP, and a page for the disk', () => {
  const { terminal, page, isPageForDisk, tcpAddress, trustOption } = snippets({}, 'http://127.0.0.1:8080/');
  assert.equal(terminal, "mosquitto_pub -t scores/court/1 -m '40-30' -r\nmosquitto_sub -t 'scores/#' -v");
  assert.match(page, /from 'http:\/\/127\.0\.0\.1:8080\/rally\.js'/);
  assert.match(page, /connect\('ws:\/\/127\.0\.0\.1:8080\/mqtt'\)/);
  assert.deepEqual([isPageForDisk, tcpAddress, trustOption], [true, 'mqtt://127.0.0.1:1883', undefined]);
});

test('another port is named', () => {
  const [publish] = commandsOf({ tcpPort: 1884 }, 'http://localhost:8080/');
  assert.equal(publish, "mosquitto_pub -p 1884 -t scores/court/1 -m '40-30' -r");
});

test('with authentication there are placeholders for the credentials, everywhere', () => {
  for (const tcpPort of [1883, false] as const) {
    const { terminal, page } = snippets({ authenticates: true, tcpPort }, 'http://127.0.0.1:8080/');
    for (const command of terminal.split('\n')) assert.match(command, / -u USER -P PASSWORD -t /);
    assert.match(page, /connect\('ws:\S+', \{\s+username: 'USER', password: 'PASSWORD',\s+\}\);/);
  }
});

test('a broker for all addresses is named as the visitor names it', () => {
  const { terminal, tcpAddress, isPageForDisk } = snippets({ host: '0.0.0.0' }, 'http://192.0.2.7:8080/');
  assert.match(terminal, /mosquitto_sub -h 192\.0\.2\.7 -t/);
  assert.deepEqual([tcpAddress, isPageForDisk], ['mqtt://192.0.2.7:1883', false]);
  assert.equal(snippets({ host: '::' }, 'http://[2001:db8::7]/').tcpAddress, 'mqtt://[2001:db8::7]:1883');
  assert.match(commandsOf({ host: '::1' }, 'http://[::1]:8080/')[0] ?? '', /-h ::1 -t/);
});

test('over https the commands use TLS, and name the option for a certificate of dev-cert', () => {
  const facts = { host: '0.0.0.0', tlsPort: 8443 };
  const own = snippets(facts, 'https://broker.example:8443/');
  assert.match(own.terminal, /mosquitto_sub -h broker\.example -p 8443 --tls-use-os-certs -t/);
  assert.deepEqual([own.tcpAddress, own.trustOption], ['mqtts://broker.example:8443', '--cafile dev-ca.pem']);
  const { tcpAddress } = snippets({ ...facts, mqttsPort: 8883 }, 'https://broker.example:8443/');
  assert.equal(tcpAddress, 'mqtts://broker.example:8883');
});

test('through a proxy, or without a port for TCP, they use the WebSocket', () => {
  const proxied = snippets({ authenticates: true }, 'https://scores.example/broker/');
  const where = '-l wss -h scores.example -p 443 --path /broker/mqtt';
  assert.equal(
    proxied.terminal,
    `npx mqtt pub ${where} -u USER -P PASSWORD -t scores/court/1 -m '40-30' -r\n` +
      `npx mqtt sub ${where} -u USER -P PASSWORD -t 'scores/#' -v`,
  );
  const { tcpAddress, trustOption, isPageForDisk } = proxied;
  assert.deepEqual([tcpAddress, trustOption, isPageForDisk], [undefined, undefined, false]);
  assert.match(
    commandsOf({ host: '::1', tcpPort: false }, 'http://[::1]:8080/')[1] ?? '',
    /^npx mqtt sub -l ws -h '\[::1\]' -p 8080 --path \/mqtt -t/,
  );
});
