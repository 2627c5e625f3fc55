/** The files of users and rules when a node joins its cluster anew, and the data plane gets them again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { AccessControl } from '../../../core/security/access-control.ts';
import { accessFolder } from '../../support/access-files.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('a node that joins its cluster again keeps the rules in force, whatever the files contain', (t) => {
  const folder = accessFolder(t);
  const rulesFile = folder.write('rules', { roles: { everyone: { allow: { publish: ['a/#'] } } } });
  const access = new AccessControl({
    config: resolveConfig({ rulesFile }),
    authenticate: undefined,
    clock: new FakeClock(),
    tellWorkers: () => [],
    endClients: () => {},
    warn: () => {},
    onBackendFailed: () => {},
  });
  const set: Uint8Array[] = [];
  const dataPlane = {
    setRules: (rules: Uint8Array) => void set.push(rules),
    mayPublish: () => true,
    mayReceive: () => true,
  };
  const first = access.firstRules();
  access.open(dataPlane);
  folder.write('rules', '{ an unfinished edit');
  assert.deepEqual(access.firstRules(), first);
  access.open(dataPlane);
  assert.deepEqual(set, [first, first]);
});
