/** How the broker ends connections of clients that did nothing wrong, or sent nothing at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { openClient, type RawClient, transports } from '../../support/raw-client.ts';
import { until, within } from '../../support/wait.ts';

for (const transport of transports) {
  test(`${transport}: silence for one and a half times the keep alive ends with 0x8D [MQTT-3.1.2-22]`, async (t) => {
    const running = await startBroker(t);
    const startMs = performance.now();
    const silent = await openClient(t, transport, running, { keepAliveSeconds: 1 });
    const old = await openClient(t, transport, running, { keepAliveSeconds: 1, protocolVersion: 4 });
    const without = await openClient(t, transport, running, { keepAliveSeconds: 0 });
    const patient = await openClient(t, transport, running, { keepAliveSeconds: 60 });
    assert.equal(await silent.nextHex(), 'e0018d');
    await silent.closed();
    await old.closed();
    assert.deepEqual(old.packets, []);
    const silentMs = performance.now() - startMs;
    assert.ok(silentMs > 1_400, `${silentMs} ms`);
    for (const client of [without, patient]) await assertStillAlive(client);
  });

  test(`${transport}: serverKeepAliveSeconds is a ceiling, for older clients where it breaks no promise`, async (t) => {
    const running = await startBroker(t, { limits: { serverKeepAliveSeconds: 2 } });
    const startMs = performance.now();
    const open = (protocolVersion: 3 | 4, keepAliveSeconds: number) =>
      openClient(t, transport, running, {
        clientId: `${protocolVersion}`,
        protocolVersion,
        keepAliveSeconds,
      });
    const promised = await open(4, 60); // it was never told that 60 is too long
    const short = await open(3, 1);
    await short.closed();
    assert.ok(performance.now() - startMs > 1_400);
    const without = await open(3, 0); // it has promised nothing, and 3.1.1 lets the server end it (3.1.2.10)
    await without.closed();
    assert.ok(performance.now() - startMs > 4_400);
    assert.deepEqual([...short.packets, ...without.packets], []);
    await assertStillAlive(promised);
  });

  for (const workers of [1, 4]) {
    test(`${transport}, ${workers} workers: who is taken over gets 0x8E [MQTT-3.1.4-3]`, async (t) => {
      const running = await startBroker(t, { workers });
      let owner = await openClient(t, transport, running, { clientId: 'same' });
      for (let round = 0; round < 12; round++) {
        const protocolVersion = round % 3 === 0 ? 4 : 5;
        const next = await openClient(t, transport, running, { clientId: 'same', protocolVersion });
        const wasVersion5 = (round + 2) % 3 !== 0 || round === 0;
        if (wasVersion5) assert.equal(await owner.nextHex(), 'e0018e', `round ${round}`);
        await owner.closed();
        assert.deepEqual(owner.packets, []);
        await assertStillAlive(next);
        owner = next;
      }
      // The broker sees the end of the other one when its client has answered the goodbye.
      await until('one connection, the owner', () => running.broker.statistics().connections === 1);
    });

    test(`${transport}, ${workers} workers: a stop says 0x8B and closes everything`, async (t) => {
      const running = await startBroker(t, { workers, limits: { stopMs: 600_000 } });
      const clients: RawClient[] = [];
      for (let index = 0; index < 12; index++) {
        const protocolVersion = index % 4 === 0 ? 4 : 5;
        clients.push(await openClient(t, transport, running, { protocolVersion }));
      }
      await within('the stop, long before stopMs', running.broker.stop());
      for (const [index, client] of clients.entries()) {
        if (index % 4 !== 0) assert.equal(await client.nextHex(), 'e0018b');
        await client.closed();
        assert.deepEqual(client.packets, []);
      }
    });
  }
}

async function assertStillAlive(client: RawClient): Promise<void> {
  client.packets.length = 0;
  await client.assertAlive();
}
