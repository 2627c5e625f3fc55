import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientQuery, type Listed, pageOf } from '../../../core/sessions/client-list.ts';

function session(key: number, clientId: string, more: object = {}, connection?: number): Listed {
  const client = {
    clientId,
    protocolVersion: 5,
    transport: 'ws',
    remoteAddress: '192.0.2.1',
    ...more,
  } as const;
  return { key, client, connection };
}

const sessions = [
  session(1, 'Ada', { username: 'ada' }, 11),
  session(3, 'bea', { protocolVersion: 3 }),
  session(4, 'adam', { remoteAddress: '192.0.2.2' }, 12),
  session(9, 'cleo', {}, 13),
];

function keysOf(query: Partial<ClientQuery>): (number | undefined)[] {
  const { rows, cursor } = pageOf(sessions, { after: 0, limit: 100, ...query });
  return [...rows.map(({ key }) => key), cursor];
}

test('pages follow each other, and the last has no cursor', () => {
  assert.deepEqual(keysOf({ limit: 2 }), [1, 3, 3]);
  assert.deepEqual(keysOf({ limit: 2, after: 3 }), [4, 9, undefined]);
  assert.deepEqual(keysOf({ limit: 4 }), [1, 3, 4, 9, undefined]);
  assert.deepEqual(keysOf({ after: 2, limit: 1 }), [3, 3]);
  assert.deepEqual(keysOf({ after: 9 }), [undefined]);
});

test('filters narrow it', () => {
  assert.deepEqual(keysOf({ clientIdPart: 'AD' }), [1, 4, undefined]);
  assert.deepEqual(keysOf({ clientIdPart: 'ad', limit: 1 }), [1, 1]);
  assert.deepEqual(keysOf({ isConnected: false }), [3, undefined]);
  assert.deepEqual(keysOf({ username: 'ada' }), [1, undefined]);
  assert.deepEqual(keysOf({ remoteAddress: '192.0.2.2' }), [4, undefined]);
  assert.deepEqual(keysOf({ protocolVersion: 3 }), [3, undefined]);
});
