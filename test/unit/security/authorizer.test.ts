/** Programs that decide what clients may do, and take too long or return what is nearly a promise. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuthorizePublish } from '../../../core/config/authorization.ts';
import { Authorizer } from '../../../core/security/authorizer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { within } from '../../support/wait.ts';

const client = { clientId: 'c', remoteAddress: '127.0.0.1', transport: 'ws' } as const;
const request = { topic: 't', qos: 0, retain: false, isWill: false } as const;

for (const [what, never] of [
  ['a promise', new Promise<never>(() => {})],
  // As query builders return it.
  // biome-ignore lint/suspicious/noThenProperty: that is the point
  ['an object with then()', { then: () => {} }],
] as const)
  test(`a hook that returns ${what} that never settles denies when its time is over`, async () => {
    const clock = new FakeClock();
    const errors: unknown[] = [];
    const authorizer = new Authorizer({
      publish: (() => never) as unknown as AuthorizePublish,
      subscribe: undefined,
      backend: undefined,
      timeoutMs: 1_000,
      memoryMs: 0,
      clock,
      onFailed: (error) => errors.push(error),
    });
    const decided = authorizer.mayPublish(client, request);
    clock.advance(1_000);
    assert.deepEqual(await within('the decision', decided), { isAllowed: false, keptMs: 0 });
    assert.equal(errors.length, 1);
  });
