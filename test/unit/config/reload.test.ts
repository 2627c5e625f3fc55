/** What of a configuration can change while the broker runs, and what is said of the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitNames, limitRanges } from '../../../core/config/limits.ts';
import type { BrokerOptions } from '../../../core/config/options.ts';
import { changesOf, takeOver, withLive } from '../../../core/config/reload.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';

function changed(before: BrokerOptions, after: BrokerOptions) {
  return changesOf(resolveConfig(before), resolveConfig(after)).map(
    ({ name, reload }) => `${name} ${reload}`,
  );
}

test('what is the same is no change, also where it is written in another way', () => {
  const options: BrokerOptions = { allowedOrigins: ['https://a.example:443'], limits: { stopMs: 5_000 } };
  assert.deepEqual(changed(options, { allowedOrigins: ['https://a.example'] }), []);
  assert.deepEqual(
    changed({ workers: 2, listeners: [{ port: 1 }] }, { workers: 2, listeners: [{ port: 1 }] }),
    [],
  );
});

test('each change has its kind, that of a limit with its name', () => {
  assert.deepEqual(
    changed(
      { port: 1, logLevel: 'info' },
      { port: 2, logLevel: 'debug', path: '/x', limits: { sessionsMax: 5, laneRecords: 2_048 } },
    ).sort(),
    [
      'limits.laneRecords restart',
      'limits.sessionsMax live',
      'logLevel live',
      'path restart',
      'port restart',
    ],
  );
});

test('a file of TLS may be replaced by another one; that there is one at all needs a restart', () => {
  const files = (cert: string) => ({ tlsCert: cert, tlsKey: 'key' });
  assert.deepEqual(changed(files('a'), files('b')), ['tlsCertificates live']);
  assert.deepEqual(changed({}, files('b')), ['tlsPort restart', 'tlsCertificates restart'].sort().reverse());
  const clients = { ...files('a'), clientCertificates: 'required', clientCa: 'ca' } as const;
  assert.deepEqual(changed(clients, { ...clients, clientCa: 'other' }), ['clientCa live']);
  assert.deepEqual(changed({ ...clients, clientCrl: 'crl' }, clients), ['clientCrl restart']);
});

test('what is live is taken over, and the rest stays', () => {
  const running = resolveConfig({ port: 1, limits: { stopMs: 1 } });
  const read = resolveConfig({ port: 2, logLevel: 'debug', limits: { stopMs: 2, laneRecords: 2_048 } });
  const { limits } = running;
  takeOver(running, withLive(running, changesOf(running, read)));
  assert.equal(running.port, 1);
  assert.equal(running.logLevel, 'debug');
  assert.equal(running.limits, limits); // whoever holds it sees it
  assert.equal(limits.stopMs, 2);
  assert.equal(limits.laneRecords, 16_384);
});

test('what is live has to go together with what stays', () => {
  const running = resolveConfig({ limits: { maximumPacketSizeBytes: 1_048_576 } });
  const read = resolveConfig({ limits: { maximumPacketSizeBytes: 1_024, sessionQueueBytesMax: 1_024 } });
  assert.throws(() => withLive(running, changesOf(running, read)), {
    code: 'CONFIG_INVALID',
    message: /sessionQueueBytesMax is 1024 and limits\.maximumPacketSizeBytes is 1048576/,
  });
});

test('what clients were told in their CONNACK, and what memory is laid out by, does not change under them', () => {
  const told = ['receiveMaximum', 'maximumPacketSizeBytes', 'topicAliasMaximum', 'maximumQoS'] as const;
  const laidOut = ['laneRecords', 'outboxTotalBytesMax', 'retainedMessagesMax', 'filterBranchesMax'] as const;
  for (const name of [...told, ...laidOut]) assert.equal(limitRanges[name].reload, 'restart', name);
  assert.ok(limitNames.filter((name) => limitRanges[name].reload === 'live').length > 30);
});
