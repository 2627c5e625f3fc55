/**
 * The examples of docs/proxies.md in front of a broker on loopback, with Debian's nginx, HAProxy and Caddy: pages and
 * WebSockets at the root and below a path, with and without TLS, with the client's address.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { freePort } from '../../../bench/free-port.ts';
import type { ClientInfo } from '../../../core/broker.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { connectFrame } from '../../support/frames.ts';
import { standardCertificate } from '../../support/secure.ts';
import { until, within } from '../../support/wait.ts';

const document = readFileSync(resolve(import.meta.dirname, '../../../../docs/proxies.md'), 'utf8');
const host = 'scores.example';

function example(language: string): string {
  return (
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(document)?.[1] ?? assert.fail(language)
  );
}

/** Where a visitor finds the proxy. */
interface Port {
  readonly port: number;
  readonly isSecure: boolean;
}

interface Front {
  readonly web: readonly Port[];
  /** Of MQTT over TLS, if it has one. */
  readonly mqttsPort?: number;
}

interface Places {
  readonly folder: string;
  readonly port: number;
  readonly tcpPort: number;
}

async function freePorts(): Promise<[secure: Port, plain: Port]> {
  return [
    { port: await freePort('127.0.0.1'), isSecure: true },
    { port: await freePort('127.0.0.1'), isSecure: false },
  ];
}

function start(t: TestContext, folder: string, command: string, ...args: string[]): void {
  // Debian has them in a folder that users have not in their PATH. Caddy keeps files in these.
  const env = {
    PATH: `${process.env['PATH']}:/usr/sbin`,
    HOME: folder,
    XDG_DATA_HOME: folder,
    XDG_CONFIG_HOME: folder,
  };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  atEnd(t, () => child.kill('SIGKILL'));
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.once('exit', (code) => {
    if (code) throw new Error(`${command} has ended with ${code}:\n${printed}`);
  });
}

function isMissing(command: string): boolean {
  return spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin" command -v ${command}`]).status !== 0;
}

function open({ port, isSecure }: Port): Socket {
  return isSecure
    ? connectTls({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false })
    : connectTcp({ port, host: '127.0.0.1' });
}

async function answers(ports: readonly Port[]): Promise<void> {
  for (const port of ports) {
    await until(`an answer on port ${port.port}`, async () => {
      const socket = open(port);
      try {
        const event = port.isSecure ? 'secureConnect' : 'connect';
        await new Promise((done, fail) => socket.once(event, done).once('error', fail));
        return true;
      } catch {
        return false;
      } finally {
        socket.destroy();
      }
    });
  }
}

async function startNginx(t: TestContext, { folder, port: broker }: Places): Promise<Front> {
  const web = await freePorts();
  const [secure, plain] = web;
  const { certFile, keyFile } = standardCertificate().server;
  const site = example('nginx').replaceAll('127.0.0.1:8080', `127.0.0.1:${broker}`);
  const withTls = site
    .replace('listen 443 ssl', `listen 127.0.0.1:${secure.port} ssl`)
    .replace('/etc/nginx/fullchain.pem', certFile)
    .replace('/etc/nginx/privkey.pem', keyFile);
  const [, server = ''] = /(^server \{.*^\}$)/ms.exec(site) ?? [];
  const withoutTls = server
    .replace('listen 443 ssl', `listen 127.0.0.1:${plain.port}`)
    .replaceAll(/^ *ssl_certificate.*\n/gm, '');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n');
  const config = `daemon off;\nmaster_process off;\npid ${folder}/nginx.pid;\nerror_log stderr warn;
events {}\nhttp {\naccess_log off;\n${temporary}\n${withTls}\n${withoutTls}\n}\n`;
  writeFileSync(join(folder, 'nginx.conf'), config);
  start(t, folder, 'nginx', '-c', join(folder, 'nginx.conf'), '-p', folder);
  await answers(web);
  return { web };
}

async function startHaproxy(t: TestContext, { folder, port: broker, tcpPort }: Places): Promise<Front> {
  const web = await freePorts();
  const [secure, plain] = web;
  const mqttsPort = await freePort('127.0.0.1');
  const { certFile, keyFile } = standardCertificate().server;
  writeFileSync(join(folder, 'scores.pem'), `${readFileSync(certFile)}${readFileSync(keyFile)}`);
  const config = example('haproxy')
    .replaceAll('/etc/haproxy/', `${folder}/`)
    .replace('bind :443', `bind 127.0.0.1:${plain.port}\n  bind 127.0.0.1:${secure.port}`)
    .replace('bind :8883', `bind 127.0.0.1:${mqttsPort}`)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${broker}`)
    .replaceAll('127.0.0.1:1883', `127.0.0.1:${tcpPort}`);
  writeFileSync(join(folder, 'haproxy.cfg'), config);
  start(t, folder, 'haproxy', '-db', '-f', join(folder, 'haproxy.cfg'));
  await answers(web);
  return { web, mqttsPort };
}

async function startCaddy(t: TestContext, { folder, port: broker }: Places): Promise<Front> {
  const web = await freePorts();
  const [secure, plain] = web;
  const { certFile, keyFile } = standardCertificate().server;
  const site = example('caddyfile').replaceAll('127.0.0.1:8080', `127.0.0.1:${broker}`);
  // Without an authority that would give it a certificate.
  const withTls = `${host}:${secure.port} {\n  bind 127.0.0.1\n  tls ${certFile} ${keyFile}\n`;
  const withoutTls = `http://${host}:${plain.port} {\n  bind 127.0.0.1\n`;
  const sites = [withTls, withoutTls].map((head) => site.replace(`${host} {\n`, head));
  writeFileSync(join(folder, 'Caddyfile'), `{\n  admin off\n  auto_https off\n}\n${sites.join('')}`);
  start(t, folder, 'caddy', 'run', '--config', join(folder, 'Caddyfile'));
  await answers(web);
  return { web };
}

/** The status of an opening of a WebSocket, as a browser asks for it. */
function openingStatus(
  t: TestContext,
  { port, isSecure }: Port,
  path: string,
  origin = `http${isSecure ? 's' : ''}://${host}:${port}`,
): Promise<number> {
  const socket = new WebSocket(`ws${isSecure ? 's' : ''}://127.0.0.1:${port}${path}`, 'mqtt', {
    headers: { host: `${host}:${port}`, origin },
    rejectUnauthorized: false,
  });
  t.after(() => socket.terminate());
  return within(
    'an answer to the opening',
    new Promise((done) => {
      socket.once('open', () => done(101));
      socket.once('unexpected-response', (_request, response) => done(response.statusCode ?? 0));
      socket.on('error', () => {});
    }),
  );
}

async function pageStatus(port: Port, path: string): Promise<number> {
  const socket = open(port);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port.port}\r\nConnection: close\r\n\r\n`);
  const first = await within('a page', new Promise<Buffer>((done) => socket.once('data', done)));
  socket.destroy();
  return Number(first.toString('latin1').slice(9, 12));
}

for (const [name, startProxy] of [
  ['nginx', startNginx],
  ['HAProxy', startHaproxy],
  ['Caddy', startCaddy],
] as const) {
  test(`${name} as docs/proxies.md has it: pages and WebSockets, at the root and below a path`, {
    skip: isMissing(name.toLowerCase()) ? `it needs Debian's ${name.toLowerCase()}` : false,
  }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'rallymq-proxy-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const options = { trustedProxies: ['127.0.0.1'], authenticate: () => true };
    const { broker, port, tcpPort } = await startBroker(t, options);
    const clients: ClientInfo[] = [];
    broker.on('clientConnected', (client) => clients.push(client));
    const front = await startProxy(t, { folder, port, tcpPort });
    for (const web of front.web) {
      for (const base of ['/', '/broker/']) {
        assert.equal(await pageStatus(web, base), 200);
        assert.equal(await pageStatus(web, `${base}demos/rooms/`), 200);
        assert.equal(await pageStatus(web, `${base}api/broker`), 200);
        assert.equal(await openingStatus(t, web, `${base}mqtt`), 101);
        assert.equal(await openingStatus(t, web, `${base}mqtt`, 'https://evil.example'), 403);
      }
      assert.match(`${await pageStatus(web, '/broker')}`, /^30[12]$/);
    }
    if (front.mqttsPort === undefined) return;
    const device = connectTls({ port: front.mqttsPort, host: '127.0.0.1', rejectUnauthorized: false });
    atEnd(t, () => device.destroy());
    device.write(connectFrame({ clientId: 'device' }));
    await until('the device', () => clients.some(({ clientId }) => clientId === 'device'));
  });
}

test('a broker without authentication behind a proxy refuses what comes from elsewhere, and says why', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-proxy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { broker, port, tcpPort } = await startBroker(t);
  const reasons: string[] = [];
  broker.on('clientRefused', (_client, { why }) => reasons.push(why));
  const [web] = (await startNginx(t, { folder, port, tcpPort })).web;
  assert.ok(web);
  assert.equal(await pageStatus(web, '/'), 200);
  assert.equal(await pageStatus(web, '/api/statistics'), 403);
  assert.equal(await openingStatus(t, web, '/mqtt'), 403);
  await until('the event', () => reasons.length > 0);
  assert.match(reasons[0] ?? '', /comes through a proxy \(X-Forwarded-For\)/);
});
