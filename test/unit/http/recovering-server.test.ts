import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeRecovering, serveRecovering } from '../../../core/http/recovering-server.ts';
import { unusedPort } from '../../support/command.ts';

test('while the store is read, /healthz says how far, and all else is told to come later', async (t) => {
  const port = await unusedPort();
  const server = await serveRecovering('127.0.0.1', port, () => ({ bytesDone: 3, bytesTotal: 4 }));
  t.after(() => closeRecovering(server));
  const health = await fetch(`http://127.0.0.1:${port}/healthz`);
  assert.equal(health.status, 503);
  assert.deepEqual(await health.json(), { status: 'recovering', bytesDone: 3, bytesTotal: 4 });
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(page.status, 503);
  assert.equal(page.headers.get('retry-after'), '1');
  await closeRecovering(server);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
});

test('where the port is any that is free nobody could ask', async () => {
  assert.equal(await serveRecovering('127.0.0.1', 0, () => ({ bytesDone: 0, bytesTotal: 0 })), undefined);
});
