/** Client certificates: requested, required, revoked, and the facts about them given to `authenticate`. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Browser, chromium } from 'playwright-core';
import type { BrokerOptions, ConnectingClient } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { certifiedOnline } from '../../support/ocsp.ts';
import { revocations } from '../../support/revocations.ts';
import { Authority, type CertifiedFiles, folder } from '../../support/secure.ts';
import { until } from '../../support/wait.ts';
import { secureClient } from './secure-client.ts';

const servers = new Authority('servers');
const devices = new Authority('devices');
const server = servers.issue();
const ca = servers.own.certificate;
const seven = devices.issue({ commonName: 'device 7', names: ['seven.example'], isForClients: true });
const eight = devices.issue({ commonName: 'device 8', isForClients: true });
const stranger = new Authority('strangers').issue({ commonName: 'device 7', isForClients: true });
const ofServer = devices.issue({ commonName: 'device 7' });
const expired = devices.issue({ isForClients: true, fromSeconds: -100, untilSeconds: -1 });

async function startAsking(t: TestContext, options: BrokerOptions) {
  const heard: ConnectingClient[] = [];
  const { broker, tcpPort } = await startBroker(t, {
    tlsPort: 0,
    tlsCert: server.certFile,
    tlsKey: server.keyFile,
    clientCa: devices.own.certFile,
    authenticate: (client) => {
      heard.push(client);
      return true;
    },
    ...options,
  });
  return { broker, tcpPort, tlsPort: Number(broker.address().tlsPort), heard };
}

const showing = ({ certificate, key }: CertifiedFiles) => ({ cert: certificate, key });

/** Whether the client came in, by wss and by mqtts. */
async function comesIn(t: TestContext, port: number, shown: object): Promise<boolean> {
  const outcomes: boolean[] = [];
  for (const protocol of ['wss', 'mqtts'] as const) {
    outcomes.push(
      await secureClient(t, port, ca, { protocol, ...shown }).then(
        () => true,
        () => false,
      ),
    );
  }
  assert.equal(outcomes[0], outcomes[1]);
  return outcomes[0] === true;
}

test('a certificate that is required has to be there and to hold', async (t) => {
  const { tlsPort, heard, broker } = await startAsking(t, { clientCertificates: 'required' });
  assert.equal(await comesIn(t, tlsPort, showing(seven)), true);
  for (const shown of [{}, showing(stranger), showing(ofServer), showing(expired)]) {
    assert.equal(await comesIn(t, tlsPort, shown), false);
  }
  assert.deepEqual(
    heard.map(({ transport, tls }) => [transport, tls?.identity, tls?.version, tls?.serverName]),
    [
      ['ws', 'device 7', 'TLSv1.3', 'localhost'],
      ['tcp', 'device 7', 'TLSv1.3', 'localhost'],
    ],
  );
  assert.match(heard[0]?.tls?.fingerprint256 ?? '', /^[\da-f]{64}$/);
  await until('the failures', () => broker.statistics().tlsFailed === 8);
});

test('one that is asked for need not be there, and has to hold if it is', async (t) => {
  const { tlsPort, heard } = await startAsking(t, { clientCertificates: 'asked', clientIdentity: 'dnsName' });
  assert.equal(await comesIn(t, tlsPort, {}), true);
  assert.equal(await comesIn(t, tlsPort, showing(seven)), true);
  assert.equal(await comesIn(t, tlsPort, showing(stranger)), false);
  assert.deepEqual(
    heard.map(({ tls }) => tls?.identity),
    [undefined, undefined, 'seven.example', 'seven.example'],
  );
});

test('a plain connection has no identity, whatever the client says', async (t) => {
  const { broker, tcpPort, heard } = await startAsking(t, { clientCertificates: 'required' });
  const client = await secureClient(t, tcpPort, ca, { protocol: 'mqtt', username: 'device 7' });
  assert.equal(heard[0]?.tls, undefined);
  client.client.end();
  await until('it has left', () => broker.statistics().connections === 0);
});

test('a certificate that is revoked while the broker runs comes in no more, also with a session from before', async (t) => {
  const clientCrl = join(mkdtempSync(join(folder(), 'list-')), 'crl.pem');
  writeFileSync(clientCrl, revocations(devices, []));
  const { tlsPort, broker } = await startAsking(t, { clientCertificates: 'required', clientCrl });
  assert.equal(await comesIn(t, tlsPort, showing(seven)), true);
  assert.equal(await comesIn(t, tlsPort, showing(eight)), true);
  writeFileSync(clientCrl, revocations(devices, [seven]));
  assert.equal(await broker.reloadCertificates(), 'reloaded');
  await until('the list is known', async () => !(await comesIn(t, tlsPort, showing(seven))));
  assert.equal(await comesIn(t, tlsPort, showing(eight)), true);
  assert.equal(broker.statistics().tlsResumed, 0);
  writeFileSync(clientCrl, 'nothing');
  assert.equal(await broker.reloadCertificates(), 'refused');
  assert.equal(await comesIn(t, tlsPort, showing(seven)), false);
});

/** Why no Chromium can show certificates here; undefined: it can. */
function whyNoChromium(): string | undefined {
  if (!existsSync('/usr/bin/certutil')) return 'libnss3-tools is not installed';
  const { status } = spawnSync('unshare', ['--mount', 'true']);
  return status === 0 ? undefined : 'only root may show Chromium a policy of its own';
}

/**
 * Chromium with a home of its own, where it finds the authority to trust and a certificate to show, and a policy that it
 * shows it without asking anybody. The policy is in /etc, of which it sees another one.
 */
async function startChromium(t: TestContext, shown: CertifiedFiles): Promise<Browser> {
  const home = mkdtempSync(join(folder(), 'home-'));
  const etc = join(home, 'etc');
  const database = join(home, '.pki', 'nssdb');
  mkdirSync(join(etc, 'policies', 'managed'), { recursive: true });
  mkdirSync(database, { recursive: true });
  const choice = JSON.stringify({ pattern: 'https://localhost', filter: {} });
  const policy = JSON.stringify({
    AutoSelectCertificateForUrls: [choice],
    RequireOnlineRevocationChecksForLocalAnchors: true, // as it does for others only by lists of its own
  });
  writeFileSync(join(etc, 'policies', 'managed', 'certificates.json'), policy);
  const [bundle, launcher] = [join(home, 'shown.p12'), join(home, 'chromium')];
  const secret = 'pass:secret';
  const pair = ['-in', shown.certFile, '-inkey', shown.keyFile];
  execFileSync('openssl', ['pkcs12', '-export', ...pair, '-out', bundle, '-passout', secret]);
  const at = ['-d', `sql:${database}`];
  execFileSync('certutil', ['-N', ...at, '--empty-password']);
  execFileSync('certutil', ['-A', ...at, '-n', 'servers', '-t', 'C,,', '-i', servers.own.certFile]);
  execFileSync('pk12util', ['-i', bundle, ...at, '-W', 'secret']);
  const script = [
    '#!/bin/sh',
    '[ "$1" = --inside ] || exec unshare --mount "$0" --inside "$@"',
    'shift',
    `mount --bind '${etc}' /etc/chromium && exec /usr/bin/chromium "$@"`,
  ];
  writeFileSync(launcher, `${script.join('\n')}\n`);
  chmodSync(launcher, 0o755);
  const env = { ...process.env, HOME: home };
  const browser = await chromium.launch({ executablePath: launcher, args: ['--no-sandbox'], env });
  t.after(() => browser.close());
  return browser;
}

test('Chromium shows its certificate for the page and for wss until it is revoked, and goes to no broker whose own is', {
  skip: whyNoChromium() ?? false,
}, async (t) => {
  const clientCrl = join(mkdtempSync(join(folder(), 'list-')), 'crl.pem');
  writeFileSync(clientCrl, revocations(devices, []));
  const [good, revoked] = [
    await certifiedOnline(t, servers),
    await certifiedOnline(t, servers, { isRevoked: true }),
  ];
  const { tlsPort, broker, heard } = await startAsking(t, {
    clientCertificates: 'required',
    clientCrl,
    tlsCert: good.certFile,
    tlsKey: good.keyFile,
  });
  const browser = await startChromium(t, seven);
  const page = await browser.newPage();
  await page.goto(`https://localhost:${tlsPort}/demos/rooms/#lobby`);
  await page.locator('#link-state', { hasText: 'Live' }).waitFor();
  assert.deepEqual(
    heard.map(({ transport, tls }) => [transport, tls?.identity]),
    [['ws', 'device 7']],
  );
  writeFileSync(clientCrl, revocations(devices, [seven]));
  assert.equal(await broker.reloadCertificates(), 'reloaded');
  await until('the list is known', async () => !(await comesIn(t, tlsPort, showing(seven))));
  await page.close();
  const other = await (await browser.newContext()).newPage();
  await assert.rejects(other.goto(`https://localhost:${tlsPort}/`), /net::ERR_/);
  const third = await startAsking(t, {
    clientCertificates: 'asked',
    tlsCert: revoked.certFile,
    tlsKey: revoked.keyFile,
  });
  await assert.rejects(other.goto(`https://localhost:${third.tlsPort}/`), /net::ERR_CERT_REVOKED/);
});

test('by option the identity is the user, without asking anybody, and no other certificate comes in so', async (t) => {
  const users: (string | undefined)[] = [];
  const asked: ConnectingClient[] = [];
  const { broker, tlsPort } = await startAsking(t, {
    clientCertificates: 'asked',
    clientIdentity: 'dnsName',
    identityAsUser: true,
    authenticate: (client) => {
      asked.push(client);
      return false;
    },
  });
  broker.on('clientConnected', ({ username }) => users.push(username));
  assert.equal(await comesIn(t, tlsPort, showing(seven)), true);
  assert.deepEqual(users, ['seven.example', 'seven.example']);
  assert.equal(asked.length, 0);
  assert.equal(await comesIn(t, tlsPort, {}), false);
});
