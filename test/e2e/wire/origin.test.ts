/** Which web pages may open a WebSocket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { Command } from '../../support/command.ts';
import { plainOnly } from '../../support/secure.ts';
import { until } from '../../support/wait.ts';
import { handshake } from '../../support/websocket-link.ts';

async function statusFor(port: number, origin?: string): Promise<number> {
  const headers = origin === undefined ? [] : [`Origin: ${origin}`];
  const { status, socket } = await handshake(port, { headers });
  socket.destroy();
  return status;
}

test('pages from this machine, files and programs may connect, and no other page', async (t) => {
  const { port } = await startBroker(t);
  const own = `http://127.0.0.1:${port}`;
  for (const origin of [undefined, own, 'http://localhost:5173', 'http://[::1]:3000', 'null']) {
    assert.equal(await statusFor(port, origin), 101, origin);
  }
  for (const origin of ['https://evil.example', `${own}.evil.example`, `${own}/`, 'file://']) {
    assert.equal(await statusFor(port, origin), 403, origin);
  }
});

test('a refusal says what to do', async (t) => {
  const { port } = await startBroker(t);
  const { status, socket, headers, rest } = await handshake(port, {
    headers: ['Origin: https://evil.example'],
  });
  socket.destroy();
  assert.equal(status, 403);
  assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
  const sentence = 'Pages of the origin https://evil.example may not connect: see allowedOrigins.\n';
  assert.equal(rest.toString(), sentence);
});

test('an origin that is listed may connect, and what only begins like it may not', async (t) => {
  const { port } = await startBroker(t, { allowedOrigins: ['https://scores.example', 'null'] });
  for (const origin of ['https://scores.example', 'null', 'http://localhost:3000']) {
    assert.equal(await statusFor(port, origin), 101, origin);
  }
  for (const origin of [
    'https://scores.example.evil.example',
    'http://scores.example',
    'https://scores.exampl',
  ]) {
    assert.equal(await statusFor(port, origin), 403, origin);
  }
});

test('a broker that others reach lets in pages of its own host only', async (t) => {
  const { port } = await startBroker(t, { host: '0.0.0.0', allowAnonymous: true });
  assert.equal(await statusFor(port, `http://127.0.0.1:${port}`), 101);
  assert.equal(await statusFor(port, `https://127.0.0.1:${port}`), 101);
  assert.equal(await statusFor(port, 'http://localhost:3000'), 403);
  assert.equal(await statusFor(port, 'null'), 403);
});

test(
  'the command says once in its log which page it has refused, and takes --allowed-origins',
  plainOnly,
  async (t) => {
    const args = ['--port', '0', '--no-tcp', '--allowed-origins', 'https://a.example,https://b.example'];
    const command = new Command(args);
    t.after(() => command.kill('SIGKILL'));
    const { port } = await command.ready();
    assert.equal(await statusFor(port, 'https://b.example'), 101);
    for (let again = 0; again < 3; again++) assert.equal(await statusFor(port, 'https://d.example'), 403);
    assert.equal(await statusFor(port, 'https://c.example'), 403);
    await until('the second line', () => command.stderr.includes('"origin":"https://c.example"'));
    assert.equal(command.stderr.split('"origin":"https://d.example"').length, 2, command.stderr);
  },
);
