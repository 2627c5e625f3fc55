/** Ports are tried without a moment in which a client could connect to them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { assertPortIsFree } from '../../../core/control/free-port.ts';
import { unusedPort } from '../../support/command.ts';

/** A thread that tries to connect all the time, and tells how often it could. */
const knocking = `
  const { connect } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  let connections = 0;
  let isEnding = false;
  parentPort.once('message', () => (isEnding = true));
  const knock = () => {
    if (isEnding) return parentPort.postMessage(connections);
    const socket = connect(workerData, '127.0.0.1');
    socket.once('connect', () => {
      connections++;
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('close', knock);
    socket.setTimeout(10, () => socket.destroy());
  };
  knock();
  parentPort.postMessage('knocks');`;

test('nobody can connect to a port that is being tried', async () => {
  const port = await unusedPort();
  const knocker = new Worker(knocking, { eval: true, workerData: port });
  await once(knocker, 'message');
  for (let round = 0; round < 2_000; round++) {
    assertPortIsFree('127.0.0.1', port, 'port');
    await turn();
  }
  knocker.postMessage('end');
  const [connections] = await once(knocker, 'message');
  await knocker.terminate();
  assert.equal(connections, 0);
});

test('a port that somebody listens on is not free, nor is an address of another machine', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  assert.throws(() => assertPortIsFree('127.0.0.1', port, 'tcpPort'), {
    code: 'ADDRESS_IN_USE',
    message: /choose another with the option tcpPort/,
  });
  assert.throws(() => assertPortIsFree('192.0.2.1', 0, 'port'), { code: 'ADDRESS_NOT_AVAILABLE' });
});
