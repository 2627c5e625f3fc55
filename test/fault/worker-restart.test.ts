/**
 * A worker that ends by an error of its own: the supervisor starts it again, and what it held is still
 * there. Its thread is made to throw by a message that no control plane sends.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../support/broker.ts';
import { until } from '../support/wait.ts';
import { watchWorkers } from '../support/workers.ts';

test('host subscription survives', async (t) => {
  const workers = watchWorkers(t);
  const { broker } = await startBroker(t);
  const seen: string[] = [];
  await broker.subscribe('a/#', (message) => void seen.push(message.topic));
  await broker.publish('a/1', 'x');
  await until('the first', () => seen.length === 1);
  await workers.crash(0);
  await broker.publish('a/2', 'x');
  await until('the second', () => seen.length === 2);
  assert.deepEqual(seen, ['a/1', 'a/2']);
});
