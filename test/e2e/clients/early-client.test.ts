/** A client that connects as soon as any worker listens, while others are still being started. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBroker } from '../../../core/broker.ts';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { unusedPort } from '../../support/command.ts';
import { connectFrame } from '../../support/frames.ts';
import { RawClient } from '../../support/raw-client.ts';
import { within } from '../../support/wait.ts';

test('a CONNECT that comes while the workers start is answered, when the broker has started', async (context) => {
  for (let round = 0; round < 3; round++) {
    const port = await unusedPort();
    const broker = createBroker({ port: 0, tcpPort: port, workers: 4 });
    context.after(() => broker.stop());
    const order: string[] = [];
    broker.on('clientConnected', () => order.push('the client'));
    const started = broker.start().then(() => order.push('start()'));
    const client = await within('a listener', connectAtLast(port));
    context.after(() => client.destroy());
    client.send(connectFrame());
    const connack = await client.nextPacket();
    assert.deepEqual([connack.type, connack.body[1]], [PacketType.connack, 0]);
    await started;
    assert.deepEqual(order, ['start()', 'the client']);
  }
});

/** Tries until someone listens. */
async function connectAtLast(port: number): Promise<RawClient> {
  for (;;) {
    try {
      return await RawClient.overTcp(port);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    }
  }
}
