/** Limits beyond 32 bits reach the data plane unchanged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitRanges } from '../../../core/config/limits.ts';
import { startBroker } from '../../support/broker.ts';
import { publishOf, subscribeFrame, textOf } from '../../support/frames.ts';
import { openClient, openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

for (const bytesMax of [2 ** 32, limitRanges.sessionQueueBytesMax.max]) {
  test(`a session's queue of ${bytesMax} bytes has room for a message`, async (t) => {
    // Its total is not below what one session may have.
    const limits = { sessionQueueBytesMax: bytesMax, sessionsTotalBytesMax: bytesMax };
    const running = await startBroker(t, { limits });
    const packet = { clientId: 'away', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const first = await openClient(t, 'tcp', running, packet);
    first.send(subscribeFrame('news', 1));
    await first.nextPacket();
    first.destroy();
    await until('it is away', () => running.broker.statistics().connections === 0);
    await running.broker.publish('news', 'kept', { qos: 1 });
    const { client } = await openConnected(t, 'tcp', running, packet);
    assert.equal(textOf(publishOf(await client.nextPacket())), 'kept');
    assert.equal(running.broker.statistics().droppedQueueFull, 0);
  });
}
