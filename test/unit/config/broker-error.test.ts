import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerError } from '../../../core/broker-error.ts';

test('a BrokerError keeps its code, its sentence and its cause', () => {
  const cause = new Error('EADDRINUSE');
  const error = new BrokerError('ADDRESS_IN_USE', 'Port 1 is taken: choose another.', { cause });
  assert.ok(error instanceof Error);
  assert.equal(error.name, 'BrokerError');
  assert.equal(error.code, 'ADDRESS_IN_USE');
  assert.equal(error.message, 'Port 1 is taken: choose another.');
  assert.equal(error.cause, cause);
  assert.match(String(error.stack), /^BrokerError: Port 1 is taken/);
});

test('a BrokerError without a cause has none', () => {
  assert.ok(!('cause' in new BrokerError('NOT_RUNNING', 'Start the broker first.')));
});
