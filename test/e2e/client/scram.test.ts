/** client/scram.ts against scramSha256() of the broker. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, RallyError } from '../../../client/rally.ts';
import { scram } from '../../../client/scram.ts';
import { scramCredentials, scramSha256 } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { WebSocket } from '../../support/node-websocket.ts';

test('the right password is let in, a wrong one and an unknown user are refused for good', async (t) => {
  const credentials = await scramCredentials('s3cret, = ü');
  const { broker, wsUrl } = await startBroker(t, {
    authenticationMethods: [
      scramSha256({ credentialsOf: (username) => (username === 'u,=1' ? credentials : undefined) }),
    ],
  });
  const names: unknown[] = [];
  broker.on('clientConnected', ({ username }) => names.push(username));
  const rally = await connect(wsUrl, { WebSocket: scram('u,=1', 's3cret, = ü', WebSocket) });
  assert.equal((await rally.publish('a', 'b', { qos: 1 }))?.reasonCode, 0x10);
  rally.close();
  assert.deepEqual(names, ['u,=1']);
  for (const [username, password] of [
    ['u,=1', 'wrong'],
    ['nobody', 's3cret, = ü'],
  ] as const) {
    const attempt = connect(wsUrl, { WebSocket: scram(username, password, WebSocket) });
    await assert.rejects(attempt, (error) => error instanceof RallyError && error.reasonCode === 0x87);
  }
});

test('a broker that lets in without a proof is not believed', async (t) => {
  const { wsUrl } = await startBroker(t, {
    authenticationMethods: [
      { name: 'SCRAM-SHA-256', begin: () => ({ next: () => ({ outcome: 'success' }) }) },
    ],
  });
  const attempt = connect(wsUrl, { WebSocket: scram('umpire', 'secret', WebSocket) });
  await assert.rejects(attempt, { reasonCode: 0x8c, message: /has not proven that it knows the password/ });
});
