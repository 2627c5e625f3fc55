/** Which certificate is shown, and that a new one replaces it while all clients stay connected. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { type BrokerOptions, createBroker } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { runCommand, startCommand } from '../../support/command.ts';
import { Authority, type CertifiedFiles, folder } from '../../support/secure.ts';
import { until, within } from '../../support/wait.ts';
import { watchWorkers } from '../../support/workers.ts';
import { secureClient } from './secure-client.ts';

const run = promisify(execFile);

const authority = new Authority();
const ca = authority.own.certificate;
const first = authority.issue({ commonName: 'first' });
const second = authority.issue({ commonName: 'second' });

/** Files of their own, that the test changes. */
function changingFiles(certified: CertifiedFiles) {
  const own = mkdtempSync(join(folder(), 'changing-'));
  const files = { tlsCert: join(own, 'cert.pem'), tlsKey: join(own, 'key.pem') };
  const put = ({ certificate, key }: { certificate: string; key: string }): void => {
    writeFileSync(files.tlsCert, certificate);
    writeFileSync(files.tlsKey, key);
  };
  put(certified);
  return { files, put, own };
}

async function shownTo(port: number, servername = 'localhost'): Promise<PeerCertificate> {
  const socket: TLSSocket = connect({
    port,
    host: '127.0.0.1',
    servername,
    ca,
    checkServerIdentity: () => undefined,
  });
  await within(
    'a handshake',
    new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    }),
  );
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

async function nameShownTo(port: number, servername?: string): Promise<string> {
  return `${(await shownTo(port, servername)).subject.CN}`;
}

const quick = { limits: { certificateCheckMs: 100 } } as const;

async function startSecure(t: Parameters<typeof startBroker>[0], options: BrokerOptions) {
  const running = await startBroker(t, { tlsPort: 0, ...options });
  return { ...running, tlsPort: Number(running.broker.address().tlsPort) };
}

test('a new certificate is shown as soon as its files are there, and nobody is disconnected', async (t) => {
  const { files, put } = changingFiles(first);
  const { broker, tlsPort } = await startSecure(t, { ...files, ...quick, workers: 2 });
  const client = await secureClient(t, tlsPort, ca);
  await client.subscribe('a');
  assert.equal(await nameShownTo(tlsPort), 'first');
  put(second);
  await until('the new certificate', async () => (await nameShownTo(tlsPort)) === 'second');
  await broker.publish('a', 'still here');
  await until('the message', () => client.texts.includes('still here'));
  assert.equal(broker.statistics().certificateReloads, 1);
  assert.ok(broker.statistics().certificateDaysLeft >= 58);
});

test('certificates change under load: every handshake succeeds, every message comes', async (t) => {
  const { files, put } = changingFiles(first);
  const { broker, tlsPort } = await startSecure(t, { ...files, workers: 2 });
  const client = await secureClient(t, tlsPort, ca);
  await client.subscribe('count');
  const names = new Set<string>();
  for (let round = 0; round < 10; round++) {
    put(round % 2 === 0 ? second : first);
    const handshakes = Promise.all(Array.from({ length: 20 }, () => nameShownTo(tlsPort)));
    assert.equal(await broker.reloadCertificates(), 'reloaded');
    await broker.publish('count', `${round}`);
    for (const name of await handshakes) names.add(name);
  }
  await until('the messages', () => client.texts.length === 10);
  assert.deepEqual(
    client.texts,
    Array.from({ length: 10 }, (_, round) => `${round}`),
  );
  assert.deepEqual([...names].sort(), ['first', 'second']);
});

test('links that are set anew are followed, as certbot and Kubernetes do it', async (t) => {
  const { own } = changingFiles(first);
  const release = (name: string, certified: CertifiedFiles): string => {
    mkdirSync(join(own, name));
    copyFileSync(certified.certFile, join(own, name, 'cert.pem'));
    copyFileSync(certified.keyFile, join(own, name, 'key.pem'));
    return name;
  };
  symlinkSync(release('1', first), join(own, 'current'));
  const files = { tlsCert: join(own, 'current/cert.pem'), tlsKey: join(own, 'current/key.pem') };
  const { tlsPort } = await startSecure(t, { ...files, ...quick });
  assert.equal(await nameShownTo(tlsPort), 'first');
  symlinkSync(release('2', second), join(own, 'next'));
  renameSync(join(own, 'next'), join(own, 'current'));
  await until('the new certificate', async () => (await nameShownTo(tlsPort)) === 'second');
});

test('certificates that are no good are refused, and the old one stays', async (t) => {
  const { files, put } = changingFiles(first);
  const { broker, tlsPort } = await startSecure(t, files);
  const expired = authority.issue({ fromSeconds: -100, untilSeconds: -1 });
  for (const wrong of [
    expired,
    { certificate: second.certificate, key: first.key },
    { certificate: '', key: '' },
    { certificate: first.certificate + second.certificate, key: first.key },
  ]) {
    put(wrong);
    assert.equal(await broker.reloadCertificates(), 'refused');
    assert.equal(await nameShownTo(tlsPort), 'first');
  }
  assert.equal(broker.statistics().certificateReloadsRefused, 4);
});

test('the certificate is that of the host that is asked for, with a standard one for all others', async (t) => {
  const court = authority.issue({ commonName: 'court', names: ['court.example'] });
  const all = authority.issue({ commonName: 'all', names: ['*.scores.example'] });
  const { tlsPort } = await startSecure(t, {
    tlsCert: first.certFile,
    tlsKey: first.keyFile,
    tlsCertificates: [court, all].map(({ certFile, keyFile }) => ({ cert: certFile, key: keyFile })),
  });
  for (const [host, name] of [
    ['court.example', 'court'],
    ['Court.Example', 'court'],
    ['one.scores.example', 'all'],
    ['scores.example', 'first'],
    ['elsewhere.example', 'first'],
  ] as const) {
    assert.equal(await nameShownTo(tlsPort, host), name, host);
  }
});

test('at SIGHUP the command reads its certificates again, and says what has come of it', async (t) => {
  const { files, put } = changingFiles(first);
  const command = startCommand(t, [
    '--tls-port',
    '0',
    '--tls-cert',
    files.tlsCert,
    '--tls-key',
    files.tlsKey,
  ]);
  await command.ready();
  const tlsPort = Number(/wss:\/\/[^\s/]*:(\d+)/.exec(command.stdout)?.[1]);
  assert.equal(await nameShownTo(tlsPort), 'first');
  put(second);
  command.kill('SIGHUP');
  await until('the line', () => command.stderr.includes('new certificates are in use'));
  await until('the new certificate', async () => (await nameShownTo(tlsPort)) === 'second');
  put({ certificate: first.certificate, key: second.key });
  command.kill('SIGHUP');
  await until('the line', () => command.stderr.includes('are invalid: the old ones stay in use'));
  assert.match(
    command.stderr,
    /"reason":"the key in .*key\.pem is not that of the certificate in .*cert\.pem: /,
  );
  assert.equal(await nameShownTo(tlsPort), 'second');
});

test('a worker that is started again shows the certificate of now', async (t) => {
  const workers = watchWorkers(t);
  const { files, put } = changingFiles(first);
  const { broker, tlsPort } = await startSecure(t, files);
  put(second);
  assert.equal(await broker.reloadCertificates(), 'reloaded');
  await workers.crash(0);
  assert.equal(await nameShownTo(tlsPort), 'second');
});

test('what cannot be used at the start is told with its file, and one that has expired is used and told of', async (t) => {
  const { files } = changingFiles(first);
  const options = { port: 0, tcpPort: 0, tlsPort: 0, workers: 1 } as const;
  const wrong = createBroker({ ...options, ...files, tlsKey: second.keyFile });
  await assert.rejects(wrong.start(), {
    code: 'CERTIFICATE_INVALID',
    message: /is not that of the certificate/,
  });
  const missing = createBroker({ ...options, ...files, tlsKey: '/nowhere/key.pem' });
  await assert.rejects(missing.start(), { code: 'CERTIFICATE_INVALID', message: /nowhere.*cannot be read/ });
  const expired = authority.issue({ commonName: 'expired', fromSeconds: -100, untilSeconds: -1 });
  const command = startCommand(t, [
    '--tls-port',
    '0',
    '--tls-cert',
    expired.certFile,
    '--tls-key',
    expired.keyFile,
  ]);
  await command.ready();
  await until('the line', () => command.stderr.includes('a certificate has expired'));
});

test('dev-cert makes what a client that trusts its authority accepts, and keeps the authority', async (t) => {
  const own = mkdtempSync(join(folder(), 'dev-'));
  const made = await runCommand(['dev-cert', '--out', own, 'court.local', '192.168.7.7']);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /court\.local, 192\.168\.7\.7, localhost/);
  const [caFile, certFile, keyFile] = ['dev-ca.pem', 'dev-cert.pem', 'dev-key.pem'].map((name) =>
    join(own, name),
  );
  for (const name of ['dev-ca-key.pem', 'dev-key.pem'])
    assert.equal(statSync(join(own, name)).mode & 0o777, 0o600);
  const check = (host: string): string =>
    execFileSync('openssl', [
      'verify',
      '-CAfile',
      `${caFile}`,
      '-purpose',
      'sslserver',
      '-verify_hostname',
      host,
      `${certFile}`,
    ]).toString();
  for (const host of ['court.local', 'localhost']) assert.match(check(host), /OK/);
  const { tlsPort } = await startSecure(t, { tlsCert: `${certFile}`, tlsKey: `${keyFile}` });
  const { stdout } = await run('curl', [
    '-sS',
    '--cacert',
    `${caFile}`,
    `https://localhost:${tlsPort}/healthz`,
  ]);
  assert.match(stdout, /ok/);
  const again = await runCommand(['dev-cert', '--out', own]);
  assert.match(again.stdout, /the existing authority/);
  assert.match(check('localhost'), /OK/);
  for (const args of [['a b'], ['--nothing'], ['--out']])
    assert.equal((await runCommand(['dev-cert', ...args])).code, 2);
});
