/**
 * Nothing is lost, duplicated or out of order under load: every scenario, QoS, transport and version with 1, 2
 * and 4 workers, for some hundred milliseconds each.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { transports } from '../../support/raw-client.ts';
import { playLoad, scenarioNames } from './play-load.ts';

const deliveriesPerLoad = 6_000;
const messagesPerPublisher = { 'point to point': 2_000, 'fan-out': 600, 'fan-in': 1_000 } as const;

for (const workers of [1, 2, 4]) {
  test(`load with ${workers} workers`, async (context) => {
    const running = await startBroker(context, { workers });
    for (const scenario of scenarioNames) {
      for (const transport of transports) {
        for (const version of [4, 5] as const) {
          for (const qos of [0, 1, 2] as const) {
            await context.test(`${scenario}, ${transport}, version ${version}, QoS ${qos}`, async () => {
              const outcome = await playLoad(running, {
                scenario,
                qos,
                transport,
                version,
                messagesPerPublisher: messagesPerPublisher[scenario],
              });
              assert.deepEqual(outcome, {
                delivered: deliveriesPerLoad,
                undelivered: 0,
                duplicates: 0,
                outOfOrder: 0,
                unacknowledged: 0,
              });
            });
          }
        }
      }
    }
    for (const [name, count] of Object.entries(running.broker.statistics())) {
      if (name.startsWith('dropped')) assert.equal(count, 0, name);
    }
  });
}
