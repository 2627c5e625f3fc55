/**
 * Requirements of mosquitto bridges beyond the specification: their state topic, and their bit of the protocol level.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ConnectPacket } from '../../../core/wire/packets.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import {
  connectFrame,
  disconnectFrame,
  hexOf,
  pingreqFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { openClient, RawClient, type TransportName, transports } from '../../support/raw-client.ts';

const state = '$SYS/broker/connection/north.house/state';
const silentSys = { sysIntervalSeconds: 0 } as const;
const versions = [3, 4, 5] as const;

for (const transport of transports) {
  for (const protocolVersion of versions) {
    test(`${transport}, ${protocolVersion}: a client may say on the topic of its state that it is there, retained, and by its will that it is not`, async (t) => {
      const running = await startBroker(t, silentSys);
      const watcher = await openClient(t, transport, running);
      watcher.send(subscribeFrame('$SYS/broker/connection/+/state', 1));
      await watcher.nextPacket();
      const will = { topic: state, payload: Buffer.from('0'), qos: 0, retain: true, properties: {} } as const;
      const client = await openClient(t, transport, running, { protocolVersion, clientId: 'north', will });
      client.send(publishFrame(state, '1', { retain: true }, protocolVersion));
      assert.equal(textOf(publishOf(await watcher.nextPacket())), '1');
      assert.deepEqual(await retainedOn(t, transport, running), '1');
      client.destroy();
      assert.equal(textOf(publishOf(await watcher.nextPacket())), '0');
      assert.deepEqual(await retainedOn(t, transport, running), '0');
      assert.equal(running.broker.statistics().publishRefused, 0);
    });
  }

  test(`${transport}: topics that only look like the state of a bridge are the broker's own`, async (t) => {
    const running = await startBroker(t, silentSys);
    const client = await openClient(t, transport, running);
    const below = '$SYS/broker/connection';
    for (const end of ['state', 'a/b/state', 'a/state/', 'a/states', 'a']) {
      client.send(publishFrame(`${below}/${end}`, '1', { qos: 1, packetId: 7 }));
      assert.equal(await client.nextHex(), hexOf('40 03 0007 87'), end);
      const will = { topic: `${below}/${end}`, payload: Buffer.from('0'), qos: 0, retain: true } as const;
      const other = await RawClient.open(transport, running);
      t.after(() => other.destroy());
      other.send(connectFrame({ will: { ...will, properties: {} } }));
      assert.equal(await other.nextHex(), hexOf('20 03 00 87 00'), end);
    }
  });

  for (const protocolVersion of [3, 4] as const) {
    for (const workers of [1, 4]) {
      test(`${transport}, ${protocolVersion} with the bridge bit, ${workers} workers: nothing of its own comes back, and what is retained stays so`, async (t) => {
        const running = await startBroker(t, { ...silentSys, workers });
        const other = await openClient(t, transport, running, { clientId: 'other' });
        const bridge = { protocolVersion, clientId: 'bridge', cleanStart: false } as const;
        let client = await openBridge(t, transport, running, bridge);
        client.send(subscribeFrame('#', 1, {}, protocolVersion));
        await client.nextPacket();
        // Its session keeps this, on whatever worker the client comes back to.
        for (let round = 0; round < 4; round++) {
          client.send(publishFrame('t', 'its own', { retain: true }, protocolVersion), pingreqFrame);
          assert.equal(await client.nextHex(), hexOf('d0 00'));
          other.send(publishFrame('t', 'live', { retain: true }), publishFrame('t', 'plain'));
          for (const [text, retain] of [
            ['live', true],
            ['plain', false],
          ] as const) {
            const message = publishOf(await client.nextPacket(), protocolVersion);
            assert.deepEqual([textOf(message), message.retain], [text, retain]);
          }
          client.send(disconnectFrame);
          await client.closed();
          client = await openBridge(t, transport, running, bridge);
        }
        const plain = await openClient(t, transport, running, { protocolVersion, clientId: 'plain' });
        plain.send(subscribeFrame('own', 0, {}, protocolVersion));
        await plain.nextPacket();
        plain.send(publishFrame('own', 'its own', {}, protocolVersion));
        assert.equal(textOf(publishOf(await plain.nextPacket(), protocolVersion)), 'its own');
      });
    }
  }

  test(`${transport}: a bridge may be a member of a share, to which it may also publish`, async (t) => {
    const running = await startBroker(t, silentSys);
    const client = await openBridge(t, transport, running, { protocolVersion: 4, clientId: 'bridge' });
    client.send(subscribeFrame('$share/g/t', 0, {}, 4));
    assert.equal(await client.nextHex(), hexOf('90 03 0001 00'));
    client.send(publishFrame('t', 'shared', {}, 4));
    assert.equal(textOf(publishOf(await client.nextPacket(), 4)), 'shared');
  });
}

async function openBridge(
  t: TestContext,
  transport: TransportName,
  running: RunningBroker,
  connect: Partial<ConnectPacket>,
): Promise<RawClient> {
  const client = await RawClient.open(transport, running);
  t.after(() => client.destroy());
  const bytes = connectFrame(connect);
  const levelAt = connect.protocolVersion === 3 ? 10 : 8;
  assert.equal(bytes[levelAt], connect.protocolVersion);
  bytes[levelAt] = 0x80 | (connect.protocolVersion ?? 0);
  client.send(bytes);
  const { header, body } = await client.nextPacket();
  assert.deepEqual([header, body[1]], [0x20, 0]);
  return client;
}

/** What a client that subscribes now gets of the state. */
async function retainedOn(t: TestContext, transport: TransportName, running: RunningBroker): Promise<string> {
  const client = await openClient(t, transport, running);
  client.send(subscribeFrame('$SYS/broker/connection/#'));
  await client.nextPacket();
  const message = publishOf(await client.nextPacket());
  assert.ok(message.retain && message.topic === state);
  client.destroy();
  return textOf(message);
}
