/** The maximum number of sessions, of connected and disconnected clients (`sessionsMax`). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ConnectPacket } from '../../../core/wire/packets.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { connectFrame, disconnectFrame, hexOf } from '../../support/frames.ts';
import {
  openClient,
  openConnected,
  RawClient,
  type TransportName,
  transports,
} from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const persistent = { cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;

for (const transport of transports) {
  for (const workers of [1, 3]) {
    test(`${transport}, ${workers} workers: a client without a session is refused when there are sessionsMax`, async (t) => {
      const running = await startBroker(t, { workers, limits: { sessionsMax: 3 } });
      await leaveSession(t, transport, running, { clientId: 'away', ...persistent });
      const old = { clientId: 'old', protocolVersion: 4, cleanStart: false } as const; // never expires
      await leaveSession(t, transport, running, old);
      const connected = await openClient(t, transport, running, { clientId: 'here', ...persistent });

      assert.equal(await answerTo(t, transport, running, { clientId: 'new' }), hexOf('20 03 00 97 00'));
      assert.equal(await answerTo(t, transport, running, { protocolVersion: 4 }), hexOf('20 02 00 03'));
      assert.equal(running.broker.statistics().sessionsRefused, 2);
      assert.equal(running.broker.statistics().sessions, 3);

      // Those that have a session come in, by taking over and with a clean start too.
      for (const clientId of ['away', 'here']) {
        const { connack } = await openConnected(t, transport, running, { clientId, ...persistent });
        assert.deepEqual([connack.reasonCode, connack.sessionPresent], [0, true], clientId);
      }
      await connected.closed();
      await openClient(t, transport, running, { ...old, cleanStart: true });
      assert.equal(running.broker.statistics().sessionsRefused, 2);

      await leaveSession(t, transport, running, { clientId: 'here', cleanStart: true });
      // The data plane has ended the session before the directory hears of it.
      await until('room', async () => {
        const { connack } = await openConnected(t, transport, running, { clientId: 'new' });
        return connack.reasonCode === 0;
      });
    });
  }
}

test('many clients at once do not make more sessions than sessionsMax', async (t) => {
  const running = await startBroker(t, { workers: 3, limits: { sessionsMax: 5 } });
  const clients = Array.from({ length: 20 }, (_, index) =>
    openConnected(t, 'tcp', running, { clientId: `c${index}`, ...persistent }),
  );
  const codes = (await Promise.all(clients)).map(({ connack }) => connack.reasonCode);
  assert.deepEqual(codes.sort(), [...Array(5).fill(0), ...Array(15).fill(0x97)]);
  const { sessions, sessionsRefused } = running.broker.statistics();
  assert.deepEqual([sessions, sessionsRefused], [5, 15]);
});

/** Connects and leaves with a DISCONNECT. */
async function leaveSession(
  t: TestContext,
  transport: TransportName,
  running: RunningBroker,
  connect: Partial<ConnectPacket>,
): Promise<void> {
  const client = await openClient(t, transport, running, connect);
  client.send(disconnectFrame);
  await client.closed();
}

async function answerTo(
  t: TestContext,
  transport: TransportName,
  running: RunningBroker,
  connect: Partial<ConnectPacket>,
): Promise<string> {
  const client = await RawClient.open(transport, running);
  t.after(() => client.destroy());
  client.send(connectFrame(connect));
  const answer = await client.nextHex();
  await client.closed();
  return answer;
}
