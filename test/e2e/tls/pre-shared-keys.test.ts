/** Clients with a key instead of a certificate (TLS-PSK), and what others are told about the broker's certificate. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { BrokerOptions, ConnectingClient } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { connectFrame } from '../../support/frames.ts';
import { ocspResponse } from '../../support/ocsp.ts';
import { Authority, folder } from '../../support/secure.ts';
import { until } from '../../support/wait.ts';
import { secureClient } from './secure-client.ts';

const authority = new Authority();
const server = authority.issue();
const ca = authority.own.certFile;
const key = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';

function written(name: string, content: string | Buffer): string {
  const path = join(mkdtempSync(join(folder(), 'psk-')), name);
  writeFileSync(path, content);
  return path;
}

async function start(t: TestContext, options: BrokerOptions = {}) {
  const heard: ConnectingClient[] = [];
  const pskFile = written('psk.txt', `# devices\nGerät 7:${key}\nother:${'00'.repeat(16)}\n`);
  const { broker } = await startBroker(t, {
    tlsPort: 0,
    tlsCert: server.certFile,
    tlsKey: server.keyFile,
    pskFile,
    authenticate: (client) => {
      heard.push(client);
      return true;
    },
    ...options,
  });
  return { broker, pskFile, heard, port: Number(broker.address().tlsPort) };
}

/** What `openssl s_client` prints until it has a CONNACK, or was refused. */
async function openssl(port: number, ...args: string[]): Promise<string> {
  const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args]);
  let printed = '';
  client.stdin.on('error', () => {});
  client.stdin.write(connectFrame());
  for (const stream of [client.stdout, client.stderr]) {
    stream.setEncoding('latin1').on('data', (text: string) => (printed += text));
  }
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => client.once('close', resolve)).then(() => {
    hasEnded = true;
  });
  await until('an answer', () => hasEnded || connack.test(printed));
  client.kill();
  await ended;
  return printed;
}

const connack = /\x20.\x00\x00/s;

test('a client with a key comes in over TLS 1.2 and 1.3, and authentication is told its identity', async (t) => {
  const { port, heard, broker } = await start(t);
  for (const version of ['-tls1_2', '-tls1_3']) {
    const came = heard.length;
    const client = openssl(port, version, '-psk_identity', 'Gerät 7', '-psk', key);
    assert.match(await client, version === '-tls1_2' ? /PSK/ : /TLS_AES_128_GCM_SHA256/);
    await until('the client', () => heard.length === came + 1);
    const { version: spoken, identity, isPreShared } = heard[came]?.tls ?? {};
    assert.deepEqual(
      [spoken, identity, isPreShared],
      [version === '-tls1_2' ? 'TLSv1.2' : 'TLSv1.3', 'Gerät 7', true],
    );
  }
  assert.equal(broker.statistics().tlsFailed, 0);
});

test('a wrong key, or one of nobody, comes in nowhere', async (t) => {
  const { port, heard, broker } = await start(t);
  for (const version of ['-tls1_2', '-tls1_3']) {
    await openssl(port, version, '-psk_identity', 'Gerät 7', '-psk', 'ff'.repeat(16));
  }
  await openssl(port, '-tls1_2', '-psk_identity', 'nobody', '-psk', key, '-cipher', 'PSK');
  await until('the failures', () => broker.statistics().tlsFailed === 3);
  assert.deepEqual(heard, []);
});

test('mosquitto_pub with a key; its identity is the user by option, and a key that is taken away is good no more', async (t) => {
  const { port, broker, pskFile } = await start(t, { identityAsUser: true, authenticate: () => false });
  const texts: string[] = [];
  const users: (string | undefined)[] = [];
  broker.on('clientConnected', ({ username }) => users.push(username));
  await broker.subscribe('a', ({ payload }) => void texts.push(Buffer.from(payload).toString()));
  const publish = (text: string): Promise<unknown> => {
    const psk = ['--psk', key, '--psk-identity', 'Gerät 7'];
    return promisify(execFile)('mosquitto_pub', [...psk, '-p', `${port}`, '-t', 'a', '-q', '1', '-m', text]);
  };
  await publish('one');
  await until('the message', () => texts.length > 0);
  assert.deepEqual([texts, users], [['one'], ['Gerät 7']]);
  writeFileSync(pskFile, `other:${key}\n`);
  assert.equal(await broker.reloadCertificates(), 'reloaded');
  await assert.rejects(publish('two'));
  assert.deepEqual(texts, ['one']);
});

test('clients with certificates to check, and without a key, come in on the same port', async (t) => {
  const { port, heard } = await start(t);
  await secureClient(t, port, authority.own.certificate);
  assert.deepEqual(
    heard.map(({ tls }) => [tls?.identity, tls?.isPreShared]),
    [[undefined, undefined]],
  );
});

test('who asks is shown what the authority says about the certificate, and the next one once it is there', async (t) => {
  const tlsCert = written('chain.pem', server.certificate + authority.own.certificate);
  const tlsOcsp = written('ocsp.der', 'not yet');
  const { port, broker } = await start(t, { tlsCert, tlsOcsp });
  const asked = ['-status', '-CAfile', ca];
  for (const version of ['-tls1_2', '-tls1_3']) {
    assert.match(await openssl(port, ...asked, version), /OCSP response: no response sent/);
  }
  writeFileSync(tlsOcsp, ocspResponse(authority, server));
  assert.equal(await broker.reloadCertificates(), 'reloaded');
  for (const version of ['-tls1_2', '-tls1_3']) {
    const printed = await openssl(port, ...asked, version);
    assert.match(printed, /OCSP Response Status: successful/);
    assert.match(printed, /Cert Status: good/);
  }
});
