/** `rallymq pub` and `rallymq sub` with a broker: their output and error messages. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { createBroker } from '../../../core/broker.ts';
import { pub } from '../../../core/command/pub.ts';
import { sub } from '../../../core/command/sub.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { atEnd } from '../../support/at-end.ts';
import { unusedPort } from '../../support/command.ts';
import { Authority } from '../../support/secure.ts';
import { until } from '../../support/wait.ts';

const cli = resolve(import.meta.dirname, '../../../../dist/core/cli.js');
const never = new AbortController().signal;
const noVariables = {};

/** Collects what `sub` writes. */
class Output {
  text = '';
  readonly isTTY: boolean;

  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }

  write(line: Uint8Array | string): void {
    this.text += typeof line === 'string' ? line : Buffer.from(line).toString('latin1');
  }
}

test('what pub publishes, sub prints, also over TLS and to a terminal', async (t) => {
  const authority = new Authority();
  const { certFile, keyFile } = authority.issue();
  const broker = createBroker({
    port: 0,
    tcpPort: 0,
    tlsPort: 0,
    workers: 1, // a subscription that is counted is known everywhere
    tlsCert: certFile,
    tlsKey: keyFile,
  });
  atEnd(t, () => broker.stop());
  await broker.start();
  const { port, tcpPort, tlsPort } = broker.address();
  const url = ['--url', `mqtt://127.0.0.1:${tcpPort}`];
  const tls = ['--url', `mqtts://localhost:${tlsPort}`, '--ca', authority.own.certFile];

  const stop = new AbortController();
  const live = new Output();
  const listening = sub(['scores/+/1', 'news', ...url], noVariables, live, stop.signal);
  await until('both subscriptions', () => broker.statistics().subscriptions === 2);
  await pub(['scores/court/1', '40-30', '--retain', ...url], noVariables);
  for (const qos of ['0', '2']) await pub(['news', `QoS ${qos}`, '--qos', qos, ...tls], noVariables);
  await until('all messages', () => live.text.split('\n').length === 4);
  stop.abort();
  await listening;
  assert.equal(live.text, 'scores/court/1 40-30\nnews QoS 0\nnews QoS 2\n');

  const retained = new Output();
  await sub(['#', '--count', '1', ...tls], noVariables, retained, never);
  assert.equal(retained.text, 'scores/court/1 40-30\n');

  const reader = new AbortController();
  const readsOne = { write: () => reader.abort() }; // as `head -1`
  await sub(['#', '--count', '1', ...url], noVariables, readsOne, reader.signal);

  await pub(['scores/court/1', '', '--retain', ...url], noVariables);
  await pub(['title', '\x1b]0;mine\x07\n', '--retain', ...url], noVariables);
  const terminal = new Output(true);
  await sub(['#', '--count', '1', ...url], noVariables, terminal, never);
  assert.equal(terminal.text, 'title \\u001b]0;mine\\u0007\\u000a\n');

  const untrusted = pub(['a', 'b', '--url', `mqtts://localhost:${tlsPort}`], noVariables);
  await assert.rejects(untrusted, { message: /^The certificate of mqtts:.* is not accepted .*--ca FILE\.$/ });
  const plain = pub(['a', 'b', '--url', `mqtts://127.0.0.1:${tcpPort}`], noVariables);
  await assert.rejects(plain, {
    message: /^TLS with mqtts:\S+ failed \([^()]+\): is that port one for TLS\?/,
  });
  const http = pub(['a', 'b', '--url', `mqtt://127.0.0.1:${port}`], noVariables);
  await assert.rejects(http, { code: 'BROKER_NOT_REACHED', message: /is not an MQTT broker/ });
  const nobody = pub(['a', 'b', '--url', `mqtt://127.0.0.1:${await unusedPort()}`], noVariables);
  await assert.rejects(nobody, {
    code: 'BROKER_NOT_REACHED',
    message:
      /^No broker answers at mqtt:\/\/127\.0\.0\.1:\d+ \(connection refused\): start one, or give its address/,
  });

  await until('the end of earlier subscriptions', () => broker.statistics().subscriptions === 0);
  const cut = sub(['#', ...url], noVariables, new Output(), never);
  await until('a subscription', () => broker.statistics().subscriptions === 1);
  await Promise.all([
    assert.rejects(cut, {
      code: 'CLIENT_REFUSED',
      message: 'The broker ended the connection: The broker is shutting down.',
    }),
    broker.stop(),
  ]);
});

test('pub and sub with credentials and rules', async (t) => {
  const folder = accessFolder(t);
  const broker = createBroker({
    port: false,
    tcpPort: 0,
    workers: 1,
    passwordFile: folder.write('users', passwordLines({ lee: 'secret' })),
    rulesFile: folder.write('rules.json', {
      roles: { fan: { allow: { publish: ['scores/#'], subscribe: ['scores/#'] } } },
      everyone: 'fan',
    }),
  });
  atEnd(t, () => broker.stop());
  await broker.start();
  const url = ['--url', `mqtt://127.0.0.1:${broker.address().tcpPort}`];
  const lee = ['--user', 'lee', ...url];
  await assert.rejects(pub(['scores/1', 'x', ...url], noVariables), {
    code: 'CLIENT_REFUSED',
    message: /^The broker refused the connection: .*\. Give --user NAME\.$/,
  });
  await assert.rejects(pub(['scores/1', 'x', ...lee], { RALLYMQ_PASSWORD: 'wrong' }), {
    message: 'The broker refused the connection: The user name or password is wrong.',
  });
  await pub(['scores/1', 'x', '--retain', ...lee], { RALLYMQ_PASSWORD: 'secret' });
  await assert.rejects(pub(['news', 'x', ...lee], { RALLYMQ_PASSWORD: 'secret' }), {
    message: 'The broker refused the message: The client may not publish to this topic.',
  });
  const output = new Output();
  await assert.rejects(sub(['news', ...lee], { RALLYMQ_PASSWORD: 'secret' }, output, never), {
    message: "The broker refused the filter 'news': The client is not authorized.",
  });
});

test('arguments of pub and sub that are wrong', async () => {
  const output = new Output();
  const wrong: readonly (readonly [Promise<void>, RegExp])[] = [
    [pub([], noVariables), /^Give a topic and a message: rallymq pub TOPIC MESSAGE\.$/],
    [pub(['a', 'b', 'c'], noVariables), /^Give a topic and a message/],
    [pub(['a/#', 'b'], noVariables), /^'a\/#' is not a topic/],
    [pub(['a', 'b', '--qos', '3'], noVariables), /^--qos is '3': give 0, 1 or 2\.$/],
    [pub(['a', 'b', '--url', 'ws://127.0.0.1:8080/mqtt'], noVariables), /give mqtt:\/\/HOST:PORT or mqtts/],
    [pub(['a', 'b', '--ca', 'x'], noVariables), /^--ca is for a broker with TLS/],
    [pub(['a', 'b', '--retian'], noVariables), /did you mean --retain\?$/],
    [sub([], noVariables, output, never), /^Give a topic filter: rallymq sub 'scores\/#'\.$/],
    [sub(['a#'], noVariables, output, never), /^'a#' is not a topic filter/],
    [sub(['a', '--count', '0'], noVariables, output, never), /^--count is '0'/],
  ];
  for (const [ended, message] of wrong) await assert.rejects(ended, { message });
});

test('a message that no packet can hold is refused with one sentence, before it is read to its end', async (t) => {
  const child = spawn(process.execPath, [cli, 'pub', 'a'], { stdio: ['pipe', 'ignore', 'pipe'] });
  atEnd(t, async () => void child.kill('SIGKILL'));
  child.stdin.on('error', () => {}); // it reads no further
  const piece = Buffer.alloc(1_048_576);
  Readable.from(Array.from({ length: 300 }, () => piece)).pipe(child.stdin);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = await once(child, 'close');
  assert.equal(stderr, 'rallymq: The message is too long: an MQTT packet has at most 256 MiB.\n');
  assert.equal(code, 2);
});
