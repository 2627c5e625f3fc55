/** The data plane's start from the main thread's point of view, as far as it needs no workers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { DataPlane } from '../../../core/control/data-plane.ts';
import { createLogger } from '../../../core/control/logger.ts';
import type { SessionDirectory } from '../../../core/sessions/session-directory.ts';

test('a port that is taken when the store has just been opened: the store is free again', async (t) => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'rallymq-taken-'));
  t.after(() => rmSync(dataDirectory, { recursive: true }));
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const start = (): Promise<unknown> =>
    new DataPlane({
      config: resolveConfig({ port, tcpPort: false, workers: 1, dataDirectory }),
      version: '1.2.3',
      logger: createLogger('silent'),
      tls: { material: undefined, ticketKeys: new Uint8Array() },
      directory: { restore: () => {} } as unknown as SessionDirectory,
      cluster: undefined,
      events: {
        onMessage: () => {},
        onWorkerLost: () => {},
        onWorkerRestarted: () => {},
        onFatal: () => {},
      },
      isRunning: () => false,
      firstRules: () => undefined,
      onJoined: () => {},
      onSupervisor: () => {},
    }).start({ numericHost: '127.0.0.1', listenerHosts: [], httpSocket: '' });
  for (let attempt = 0; attempt < 2; attempt++)
    await assert.rejects(start(), { code: 'ADDRESS_IN_USE', message: new RegExp(`^Port ${port} `) });
});
