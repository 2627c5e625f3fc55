/**
 * Many clients with one client identifier at once: in the end one has the session, all others are closed, and no
 * message arrives twice. `RALLYMQ_TEST_SEED` replays one seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketType } from '../../core/wire/packet-type.ts';
import { ReasonCode } from '../../core/wire/reason-code.ts';
import { startBroker } from '../support/broker.ts';
import { connectFrame, disconnectFrame, publishOf, subscribeFrame, textOf } from '../support/frames.ts';
import { Random, replayOf, seeds } from '../support/random.ts';
import { openClient, openConnected, RawClient, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const takeoverSeeds = seeds(25);

for (const workers of [1, 4]) {
  test(`${workers} workers: one of many has the session in the end`, async (t) => {
    const running = await startBroker(t, { workers });
    const connected = new Map<string, number>();
    running.broker.on('clientConnected', ({ clientId }) =>
      connected.set(clientId, (connected.get(clientId) ?? 0) + 1),
    );
    running.broker.on('clientDisconnected', ({ clientId }) =>
      connected.set(clientId, (connected.get(clientId) ?? 0) - 1),
    );
    for (const seed of takeoverSeeds) {
      const replay = replayOf(seed);
      const random = new Random(seed);
      const clientId = `contested-${seed}`;
      const topic = `contested/${seed}`;
      const rivals = await Promise.all(
        Array.from({ length: 4 + random.below(16) }, () => RawClient.open(random.pick(transports), running)),
      );
      for (const rival of rivals) {
        const packet = {
          clientId,
          cleanStart: random.below(3) === 0,
          properties: { sessionExpiryInterval: random.pick([0, 60]) },
        };
        const pieces = [connectFrame(packet), subscribeFrame(topic, 1)];
        const fate = random.below(10);
        if (fate === 0) pieces.push(disconnectFrame);
        rival.send(...pieces);
        if (fate === 1) rival.destroy();
        if (fate === 2) await rival.flushed();
      }
      // The last word: this one is sent when all others are there.
      await until(`an answer to all; ${replay}`, () =>
        rivals.every((rival) => rival.packetCount > 0 || rival.isClosed),
      );
      const winner = await openClient(t, random.pick(transports), running, {
        clientId,
        cleanStart: random.below(2) === 0,
        properties: { sessionExpiryInterval: 60 },
      });
      winner.send(subscribeFrame(topic, 1));
      await until(`the end of all others; ${replay}`, () => rivals.every((rival) => rival.isClosed));
      for (let packet = await winner.nextPacket(); packet.type !== PacketType.suback; )
        packet = await winner.nextPacket();
      assert.equal(winner.isClosed, false, replay);
      await running.broker.publish(topic, 'once');
      await running.broker.publish(topic, 'last');
      assert.equal(textOf(publishOf(await winner.nextPacket())), 'once', replay);
      assert.equal(textOf(publishOf(await winner.nextPacket())), 'last', replay);
      await until(`one connection in the events; ${replay}`, () => connected.get(clientId) === 1);
      // A session that was ended goes when its worker hears of it.
      await until(`one subscription; ${replay}`, () => running.broker.statistics().subscriptions === 1);
      winner.send(disconnectFrame);
      await winner.closed();
      const last = await openClient(t, 'tcp', running, { clientId, cleanStart: true });
      last.send(disconnectFrame);
      await last.closed();
      await until(`no session left; ${replay}`, () => {
        const { sessions, connections } = running.broker.statistics();
        return sessions === 0 && connections === 0;
      });
    }
  });

  test(`${workers} workers: rivals that connect again whenever they are taken over`, async (t) => {
    const running = await startBroker(t, { workers });
    let connects = 0;
    const packet = { clientId: 'war', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const rival = async (index: number): Promise<void> => {
      while (connects++ < 200) {
        // It may be refused, where another one has come while it waited for the session.
        const { client, connack } = await openConnected(t, transports[index % 2] ?? 'tcp', running, packet);
        const { success, serverBusy } = ReasonCode;
        assert.ok(connack.reasonCode === success || connack.reasonCode === serverBusy);
        await client.closed();
      }
      rivals--;
    };
    let rivals = 5;
    const all = Promise.all(Array.from({ length: rivals }, (_, index) => rival(index)));
    // Whoever is left when the others have had enough is taken over, too.
    while (rivals > 0) {
      const before = connects;
      await until('enough', () => connects >= 200 || connects > before + 50);
      const { client } = await openConnected(t, 'tcp', running, { clientId: 'war', cleanStart: true });
      client.send(disconnectFrame);
      await client.closed();
    }
    await all;
    await until('no client', () => running.broker.statistics().sessions === 0);
  });
}
