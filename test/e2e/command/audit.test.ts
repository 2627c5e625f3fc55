/** Operators' changes over the API are in the log: who, what, and the state before and after. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiKeyLine, hashOfApiKey, newApiKey } from '../../../core/security/api-keys.ts';
import { apiScopes } from '../../../core/security/api-scope.ts';
import { accessFolder } from '../../support/access-files.ts';
import { startCommand } from '../../support/command.ts';
import { openClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

test('each administrative change has a line with who, what, before and after, and without a secret', async (t) => {
  const folder = accessFolder(t);
  const key = newApiKey();
  const keyLine = apiKeyLine({ name: 'night-shift', scopes: new Set(apiScopes) }, hashOfApiKey(key));
  const keys = folder.write('keys', `${keyLine}\n`);
  const config = folder.write('config', { authorizeUrl: 'http://127.0.0.1:9/?token=secret' });
  const command = startCommand(t, ['--config', config, '--api-keys', keys, '--workers', '1']);
  const ports = await command.ready();
  const ask = async (path: string, method: string, body?: object): Promise<number> => {
    const { status } = await fetch(`http://127.0.0.1:${ports.port}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return status;
  };
  await openClient(t, 'tcp', ports, { clientId: 'lee' });
  const ban = { as: 'clientid', who: 'kim', reason: 'noise', until: '2130-01-01T00:00:00Z' };
  for (const [path, method, status, body] of [
    ['banned', 'POST', 200, ban],
    ['banned', 'POST', 200, { ...ban, reason: 'more noise', until: undefined }],
    ['banned/clientid/kim', 'DELETE', 204],
    ['clients/lee', 'DELETE', 204],
  ] as const)
    assert.equal(await ask(path, method, body), status, `${method} ${path}`);
  folder.write('config', { authorizeUrl: 'http://127.0.0.1:9/?token=other', logLevel: 'debug' });
  assert.equal(await ask('config/reload', 'POST'), 200);
  assert.equal(await ask('drain', 'POST'), 202);
  await until('the drain is in the log', () => command.stderr.includes('drainAsked'));
  const audits = command.stderr.split('\n').flatMap((line) => {
    const { audit, by, before, after, options } = line.startsWith('{') ? JSON.parse(line) : {};
    return by === undefined ? [] : [{ audit, by, before, after, options }];
  });
  assert.deepEqual([...new Set(audits.map(({ by }) => by))], ['night-shift']);
  const untilOf = (value: { until: string | null }): object => ({ ...value, until: typeof value.until });
  const [banned, again, lifted, ended, reloaded, drained] = audits;
  assert.equal(banned?.before, null);
  assert.deepEqual(untilOf(banned?.after), { reason: 'noise', until: 'string' });
  assert.deepEqual(again?.before, banned?.after);
  assert.deepEqual(again?.after, { reason: 'more noise', until: null });
  assert.deepEqual([lifted?.before, lifted?.after], [again?.after, null]);
  assert.deepEqual([ended?.before, ended?.after], ['connected', 'gone']);
  assert.deepEqual(reloaded?.options, [{ name: 'logLevel', before: 'info', after: 'debug' }]);
  assert.deepEqual([drained?.before, drained?.after], ['running', 'draining']);
  assert.doesNotMatch(command.stderr, /secret|token=other/);
  assert.ok(!command.stderr.includes(key));
});
