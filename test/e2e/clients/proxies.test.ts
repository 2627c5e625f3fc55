/**
 * The examples of docs/proxies.md in front of a broker on loopback, with Debian's nginx and HAProxy: pages and WebSockets at
 * the root and below a path, over TLS, with the address of the client.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { freePort } from '../../../bench/free-port.ts';
import type { ClientInfo } from '../../../core/broker.ts';
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

interface Front {
  readonly port: number;
  /** Of MQTT over TLS, if it has one. */
  readonly mqttsPort?: number;
}

interface Places {
  readonly folder: string;
  readonly port: number;
  readonly tcpPort: number;
}

function start(t: TestContext, command: string, ...args: string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.once('exit', (code) => {
    if (code) throw new Error(`${command} has ended with ${code}:\n${printed}`);
  });
  return child;
}

async function answers(port: number): Promise<void> {
  await until(`an answer on port ${port}`, async () => {
    const socket = connectTls({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
    try {
      await new Promise((done, fail) => socket.once('secureConnect', done).once('error', fail));
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  });
}

async function startNginx(t: TestContext, { folder, port: broker }: Places): Promise<Front> {
  const port = await freePort('127.0.0.1');
  const { certFile, keyFile } = standardCertificate().server;
  const site = example('nginx')
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replace('/etc/nginx/fullchain.pem', certFile)
    .replace('/etc/nginx/privkey.pem', keyFile)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${broker}`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n');
  const config = `daemon off;\nmaster_process off;\npid ${folder}/nginx.pid;\nerror_log stderr warn;
events {}\nhttp {\naccess_log off;\n${temporary}\n${site}\n}\n`;
  writeFileSync(join(folder, 'nginx.conf'), config);
  start(
    t,
    existsSync('/usr/sbin/nginx') ? '/usr/sbin/nginx' : 'nginx',
    '-c',
    join(folder, 'nginx.conf'),
    '-p',
    folder,
  );
  await answers(port);
  return { port };
}

async function startHaproxy(t: TestContext, { folder, port: broker, tcpPort }: Places): Promise<Front> {
  const [port, mqttsPort] = [await freePort('127.0.0.1'), await freePort('127.0.0.1')];
  const { certFile, keyFile } = standardCertificate().server;
  writeFileSync(join(folder, 'scores.pem'), `${readFileSync(certFile)}${readFileSync(keyFile)}`);
  const config = example('haproxy')
    .replaceAll('/etc/haproxy/', `${folder}/`)
    .replace('bind :443', `bind 127.0.0.1:${port}`)
    .replace('bind :8883', `bind 127.0.0.1:${mqttsPort}`)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${broker}`)
    .replaceAll('127.0.0.1:1883', `127.0.0.1:${tcpPort}`);
  writeFileSync(join(folder, 'haproxy.cfg'), config);
  start(
    t,
    existsSync('/usr/sbin/haproxy') ? '/usr/sbin/haproxy' : 'haproxy',
    '-db',
    '-f',
    join(folder, 'haproxy.cfg'),
  );
  await answers(port);
  return { port, mqttsPort };
}

/** The status of an opening of a WebSocket, as a browser asks for it. */
function openingStatus(
  t: TestContext,
  port: number,
  path: string,
  origin = `https://${host}:${port}`,
): Promise<number> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, 'mqtt', {
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

async function pageStatus(port: number, path: string): Promise<number> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`);
  const first = await within('a page', new Promise<Buffer>((done) => socket.once('data', done)));
  socket.destroy();
  return Number(first.toString('latin1').slice(9, 12));
}

for (const [name, startProxy] of [
  ['nginx', startNginx],
  ['HAProxy', startHaproxy],
] as const) {
  test(`${name} as docs/proxies.md has it: pages and WebSockets, at the root and below a path`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'rallymq-proxy-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const options = { trustedProxies: ['127.0.0.1'], authenticate: () => true };
    const { broker, port, tcpPort } = await startBroker(t, options);
    const clients: ClientInfo[] = [];
    broker.on('clientConnected', (client) => clients.push(client));
    const front = await startProxy(t, { folder, port, tcpPort });
    for (const base of ['/', '/broker/']) {
      assert.equal(await pageStatus(front.port, base), 200);
      assert.equal(await pageStatus(front.port, `${base}demos/rooms/`), 200);
      assert.equal(await pageStatus(front.port, `${base}api/broker`), 200);
      assert.equal(await openingStatus(t, front.port, `${base}mqtt`), 101);
      assert.equal(await openingStatus(t, front.port, `${base}mqtt`, 'https://evil.example'), 403);
    }
    if (front.mqttsPort === undefined) return;
    const device = connectTls({ port: front.mqttsPort, host: '127.0.0.1', rejectUnauthorized: false });
    t.after(() => device.destroy());
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
  const front = await startNginx(t, { folder, port, tcpPort });
  assert.equal(await pageStatus(front.port, '/'), 200);
  assert.equal(await pageStatus(front.port, '/api/statistics'), 403);
  assert.equal(await openingStatus(t, front.port, '/mqtt'), 403);
  await until('the event', () => reasons.length > 0);
  assert.match(reasons[0] ?? '', /comes through a proxy \(X-Forwarded-For\)/);
});
