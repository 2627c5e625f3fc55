/**
 * Real clients over TLS: with a valid certificate, an expired one, one of another host, one of a stranger; and
 * without.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { after, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { startBroker } from '../../support/broker.ts';
import { Authority, type CertifiedFiles } from '../../support/secure.ts';
import { until, within } from '../../support/wait.ts';
import { secureClient } from './secure-client.ts';

const run = promisify(execFile);

const authority = new Authority();
const ca = authority.own.certificate;
const caFile = authority.own.certFile;
const good = authority.issue();
const expired = authority.issue({ fromSeconds: -100, untilSeconds: -1 });
const elsewhere = authority.issue({ names: ['elsewhere.example'] });
const stranger = new Authority('a stranger').issue();

async function startWith(t: TestContext, { certFile, keyFile }: CertifiedFiles) {
  const { broker, port } = await startBroker(t, {
    tlsPort: 0,
    mqttsPort: 0,
    tlsCert: certFile,
    tlsKey: keyFile,
  });
  const { tlsPort, mqttsPort } = broker.address();
  return { broker, port, tlsPort: Number(tlsPort), mqttsPort: Number(mqttsPort) };
}

/** The end of a program, whatever its status. */
async function ended(program: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await within(program, run(program, [...args], { timeout: 10_000 }));
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: `${stdout}${stderr}` };
  }
}

test('MQTT.js connects by wss and mqtts, on the port of all and on that of MQTT', async (t) => {
  const { tlsPort, mqttsPort } = await startWith(t, good);
  const ways = [
    { protocol: 'wss', port: tlsPort },
    { protocol: 'mqtts', port: tlsPort },
    { protocol: 'mqtts', port: mqttsPort },
    { protocol: 'mqtts', port: mqttsPort, protocolVersion: 5, ALPNProtocols: ['mqtt'] },
  ] as const;
  const clients = await Promise.all(ways.map((way) => secureClient(t, way.port, ca, way as object)));
  for (const { subscribe } of clients) await subscribe('a/#');
  for (const [index, { client }] of clients.entries()) {
    await client.publishAsync(`a/${index}`, `${index} ${'x'.repeat(100_000)}`, { qos: 2 });
  }
  for (const { texts } of clients) {
    await until('all messages', () => texts.length === clients.length);
    assert.deepEqual(
      texts.map((text) => text[0]),
      ['0', '1', '2', '3'],
    );
  }
});

test('MQTT.js refuses certificates that are no good, and the broker goes on', async (t) => {
  for (const [certified, code] of [
    [expired, 'CERT_HAS_EXPIRED'],
    [elsewhere, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [stranger, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ] as const) {
    const { tlsPort, mqttsPort } = await startWith(t, certified);
    for (const options of [{ port: tlsPort }, { port: mqttsPort, protocol: 'mqtts' as const }]) {
      await assert.rejects(secureClient(t, options.port, ca, options), { code });
    }
    await secureClient(t, mqttsPort, ca, { protocol: 'mqtts', rejectUnauthorized: false });
  }
});

test('mosquitto_pub and mosquitto_sub talk over TLS 1.2 and 1.3, and refuse what is no good', async (t) => {
  const { tlsPort, mqttsPort } = await startWith(t, good);
  for (const [port, version] of [
    [tlsPort, 'tlsv1.3'],
    [mqttsPort, 'tlsv1.2'],
  ] as const) {
    const common = [
      '-h',
      'localhost',
      '-p',
      `${port}`,
      '--cafile',
      caFile,
      '--tls-version',
      version,
      '-V',
      '5',
      '-q',
      '1',
    ];
    await run('mosquitto_pub', [...common, '-t', 'kept', '-m', `over ${version}`, '-r']);
    const { stdout } = await run('mosquitto_sub', [...common, '-t', 'kept', '-C', '1', '-W', '10']);
    assert.equal(stdout, `over ${version}\n`);
  }
  for (const certified of [expired, elsewhere, stranger]) {
    const { mqttsPort: port } = await startWith(t, certified);
    const { code, output } = await ended('mosquitto_pub', [
      '-h',
      'localhost',
      '-p',
      `${port}`,
      '--cafile',
      caFile,
      '-t',
      'a',
      '-m',
      'b',
    ]);
    assert.notEqual(code, 0);
    assert.match(output, /certificate|TLS|protocol/i);
  }
  const plain = await ended('mosquitto_pub', ['-h', 'localhost', '-p', `${mqttsPort}`, '-t', 'a', '-m', 'b']);
  assert.notEqual(plain.code, 0);
});

test('curl is served, and is told why where it does not agree', async (t) => {
  const { port, tlsPort } = await startWith(t, good);
  const curl = (...args: string[]) =>
    ended('curl', ['-sS', '-i', '--max-time', '10', '--cacert', caFile, ...args]);
  assert.match((await curl(`https://localhost:${tlsPort}/healthz`)).output, /200 OK.*"ok"/s);
  assert.match((await curl('--http1.1', '--head', `https://localhost:${tlsPort}/`)).output, /200 OK/);
  assert.match((await curl(`https://localhost:${tlsPort}/mqtt`)).output, /426 Upgrade Required/);
  const plain = await curl(`http://localhost:${tlsPort}/healthz`);
  assert.match(plain.output, /400 Bad Request.*This port speaks TLS: use https:\/\//s);
  const secure = await curl(`https://localhost:${port}/healthz`);
  assert.deepEqual([secure.code, /alert handshake failure/.test(secure.output)], [35, true], secure.output);
  const old = await curl(
    '--tls-max',
    '1.1',
    '--ciphers',
    'DEFAULT@SECLEVEL=0',
    `https://localhost:${tlsPort}/healthz`,
  );
  assert.match(old.output, /alert protocol version/);
});

test('openssl s_client sees TLS 1.2 and 1.3 with good ciphers, one ticket, and no renegotiation', async (t) => {
  const { tlsPort } = await startWith(t, good);
  const ask = (...args: string[]) =>
    new Promise<string>((resolve) => {
      const all = [
        's_client',
        '-connect',
        `localhost:${tlsPort}`,
        '-CAfile',
        caFile,
        '-verify_return_error',
        ...args,
      ];
      const client = spawn('openssl', all);
      let output = '';
      for (const stream of [client.stdout, client.stderr]) stream.on('data', (text) => (output += text));
      client.on('close', () => resolve(output));
      client.stdin.on('error', () => {}); // it may have been refused, and ended, before it reads
      client.stdin.end(args.includes('-tls1_2') ? 'R\n' : '');
    });
  const modern = await ask('-tls1_3');
  assert.match(modern, /Verification: OK/);
  assert.match(modern, /TLSv1\.3, Cipher is TLS_/);
  const older = await ask('-tls1_2');
  assert.match(older, /TLSv1\.2, Cipher is ECDHE-ECDSA-(AES|CHACHA)/);
  assert.match(older, /no renegotiation/);
  assert.match(
    await ask('-tls1_2', '-cipher', 'AES128-SHA:ECDHE-ECDSA-AES128-SHA'),
    /alert handshake failure/,
  );
  assert.match(await ask('-alpn', 'h2'), /alert no application protocol/);
  assert.match(await ask('-alpn', 'h2,mqtt'), /ALPN protocol: mqtt/);
});

let launched: Promise<Browser> | undefined;
after(async () => (await launched)?.close());

async function pageIn(t: TestContext, trusts: boolean): Promise<Page> {
  launched ??= chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const context = await (await launched).newContext({ ignoreHTTPSErrors: trusts });
  t.after(() => context.close());
  return await context.newPage();
}

test('Chromium shows the pages over https, and they connect by wss', async (t) => {
  const { broker, tlsPort, mqttsPort } = await startWith(t, good);
  const page = await pageIn(t, true);
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  const sockets: string[] = [];
  page.on('websocket', (socket) => sockets.push(socket.url()));
  await page.goto(`https://localhost:${tlsPort}/`);
  await page.locator('#link-state', { hasText: 'Live' }).waitFor();
  assert.equal(
    await page.locator('#ws-url').textContent(),
    `wss://localhost:${tlsPort}/mqtt (sub-protocol mqtt)`,
  );
  assert.equal(await page.locator('#tcp-url').textContent(), `mqtts://localhost:${mqttsPort}`);
  await page.goto(`https://localhost:${tlsPort}/demos/rooms/#lobby`);
  await page.locator('#link-state', { hasText: 'Live' }).waitFor();
  assert.deepEqual(new Set(sockets), new Set([`wss://localhost:${tlsPort}/mqtt`]));
  assert.deepEqual(faults, []);
  assert.ok(broker.statistics().tlsHandshakes >= 2);
});

test('Chromium lets no page and no wss through to a broker whose certificate is no good', async (t) => {
  for (const certified of [expired, elsewhere, stranger]) {
    const { tlsPort } = await startWith(t, certified);
    const page = await pageIn(t, false);
    await assert.rejects(page.goto(`https://localhost:${tlsPort}/`), /net::ERR_CERT_/);
    const other = await pageIn(t, false); // of which a refused navigation is not still under way
    const opened = await other.evaluate(
      (url) =>
        new Promise<boolean>((resolve) => {
          const socket = new WebSocket(url, 'mqtt');
          socket.onopen = () => resolve(true);
          socket.onerror = () => resolve(false);
        }),
      `wss://localhost:${tlsPort}/mqtt`,
    );
    assert.equal(opened, false);
  }
});
