/** Everything a client sends before it leaves counts, including packets that had to wait behind another one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../support/broker.ts';
import { bytesOf, disconnectFrame, publishFrame, subscribeFrame, textOf } from '../support/frames.ts';
import { openClient, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

for (const transport of transports) {
  test(`${transport}: SUBSCRIBE, PUBLISH, DISCONNECT and the end in one go: the will stays, the message goes`, async (t) => {
    const running = await startBroker(t, { workers: 4 });
    const seen: string[] = [];
    await running.broker.subscribe('#', (message) => void seen.push(`${message.topic} ${textOf(message)}`));
    const rounds = 40;
    for (let round = 0; round < rounds; round++) {
      const will = { topic: 'will', payload: bytesOf("'w'"), qos: 0, retain: false, properties: {} } as const;
      const client = await openClient(t, transport, running, { will, protocolVersion: 4 });
      client.send(subscribeFrame('x', 0, {}, 4), publishFrame('sent', `${round}`, {}, 4), disconnectFrame);
      client.end();
    }
    await until('all are gone', () => running.broker.statistics().connections === 0);
    await running.broker.publish('last', '');
    await until('last', () => seen.includes('last '));
    const count = (topic: string) => seen.filter((line) => line.startsWith(topic)).length;
    await until('all that was sent', () => count('sent') === rounds);
    assert.equal(count('will'), 0);
  });
}
