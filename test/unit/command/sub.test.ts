/** `rallymq sub` that is ended before the broker has accepted it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { sub } from '../../../core/command/sub.ts';
import { within } from '../../support/wait.ts';
import { bytes } from '../wire/frames.ts';

test('Ctrl-C before there is an answer ends it at once, and is no error', async (t) => {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).resume());
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const run = (stop: AbortSignal): Promise<void> =>
    sub(['a', '--url', `mqtt://127.0.0.1:${port}`], {}, { write: () => {} }, stop);
  await within('the end before the connection', run(AbortSignal.abort()), 3_000);
  const stop = new AbortController();
  server.once('connection', () => stop.abort());
  await within('the end before CONNACK', run(stop.signal), 3_000);
  assert.ok(stop.signal.aborted);
});

test('Ctrl-C ends it, and is no error, also where the broker answers no more', async (t) => {
  for (const answersSubscribe of [true, false]) {
    const stop = new AbortController();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket
        .on('error', () => {})
        .once('data', () => {
          socket.write(bytes('20 03 00 00 00')); // CONNACK
          socket.once('data', (subscribe: Buffer) => {
            if (answersSubscribe) socket.write(Buffer.from([0x90, 4, ...subscribe.subarray(2, 4), 0, 1]));
            setImmediate(() => stop.abort());
          });
        });
      t.after(() => socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const ended = sub(['a', '--url', `mqtt://127.0.0.1:${port}`], {}, { write: () => {} }, stop.signal);
    await within('the end', ended);
  }
});
