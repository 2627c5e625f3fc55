/** Reloads while other things change the configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeOver } from '../../../core/config/reload.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { AuditLog } from '../../../core/control/audit-log.ts';
import { Reloads } from '../../../core/control/reloads.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('what is set while the files are being put in force stays', async () => {
  const config = resolveConfig({ port: 0, logLevel: 'info' });
  let inForce = (): void => {};
  const reloads = new Reloads({
    config,
    audit: new AuditLog({ clock: new FakeClock(), limits: config.limits, write: () => {} }),
    accessCounts: () => ({}),
    reloadAccess: () =>
      new Promise((resolve) => {
        inForce = resolve;
      }),
    onChanged: () => Promise.resolve(),
    warn: () => {},
  });
  const read = resolveConfig({ port: 0, logLevel: 'info', limits: { stopMs: 1 } });
  const reloading = reloads.reload('test', () => read);
  await Promise.resolve();
  takeOver(config, { ...config, logLevel: 'debug' }); // by the API
  inForce();
  assert.deepEqual(await reloading, { changed: ['limits.stopMs'], needsRestart: [] });
  assert.deepEqual([config.logLevel, config.limits.stopMs], ['debug', 1]);
});
