/**
 * QoS 1 and 2 over links that lose packets, repeat them and break, between the publisher and the broker and
 * between the broker and the subscriber: with QoS 2 each message arrives exactly once, with QoS 1 at least
 * once. Packet identifiers are soon used again. fast-check prints the seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startBroker } from '../support/broker.ts';
import { type Link, MqttSession } from '../support/mqtt-session.ts';
import type { ReceivedPacket, TransportName } from '../support/raw-client.ts';
import { transports } from '../support/raw-client.ts';
import { deadlineMsDefault } from '../support/wait.ts';

type Fate = 'passes' | 'is lost' | 'comes twice' | 'breaks the connection';

/** Each packet of a session meets the next fate; when there are no more the link is perfect. */
class FatefulLink implements Link {
  /** Something was lost: only a new connection brings it back. */
  hasLost = false;
  session: MqttSession | undefined;
  readonly #fates: Fate[];

  constructor(fates: readonly Fate[]) {
    this.#fates = [...fates];
  }

  outgoing(frame: Uint8Array): readonly Uint8Array[] {
    return this.#meet(frame);
  }

  incoming(packet: ReceivedPacket): readonly ReceivedPacket[] {
    const isPartOfDelivery = packet.type >= 3 && packet.type <= 7;
    return isPartOfDelivery ? this.#meet(packet) : [packet];
  }

  #meet<Packet>(packet: Packet): Packet[] {
    const fate = this.#fates.shift() ?? 'passes';
    if (fate === 'passes') return [packet];
    if (fate === 'comes twice') return [packet, packet];
    this.hasLost = true;
    if (fate === 'breaks the connection') this.session?.client?.destroy();
    return [];
  }
}

const fates = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<Fate>('passes') },
    { weight: 2, arbitrary: fc.constant<Fate>('is lost') },
    { weight: 3, arbitrary: fc.constant<Fate>('comes twice') },
    { weight: 1, arbitrary: fc.constant<Fate>('breaks the connection') },
  ),
  { maxLength: 100 },
);

const run = fc.record({
  qos: fc.constantFrom<1 | 2>(1, 2, 2),
  count: fc.integer({ min: 1, max: 40 }),
  publisherFates: fates,
  subscriberFates: fates,
  connections: fc.array(fc.constantFrom<TransportName>(...transports), { minLength: 1, maxLength: 20 }),
});

for (const workers of [1, 4]) {
  test(`${workers} workers: what links lose and repeat arrives, and with QoS 2 exactly once`, async (t) => {
    const running = await startBroker(t, { workers });
    let runs = 0;
    const property = fc.asyncProperty(
      run,
      async ({ qos, count, publisherFates, subscriberFates, connections }) => {
        const name = `run-${++runs}`;
        let connects = 0;
        const nextTransport = (): TransportName => connections[connects++ % connections.length] ?? 'tcp';
        const ends = (
          [
            ['publisher', publisherFates],
            ['subscriber', subscriberFates],
          ] as const
        ).map(([role, fates]) => {
          const link = new FatefulLink(fates);
          const packet = { properties: { sessionExpiryInterval: 60 } };
          const session = new MqttSession(t, running, `${name}-${role}`, packet, { link, packetIdMax: 50 });
          link.session = session;
          return { link, session };
        });
        const [publisher, subscriber] = ends.map(({ session }) => session);
        assert.ok(publisher !== undefined && subscriber !== undefined);
        await subscriber.connect(nextTransport());
        await subscriber.subscribe(name, qos);
        await publisher.connect(nextTransport());
        for (let number = 0; number < count; number++) publisher.publish(name, `${number}`, qos);
        const arrived = (): Set<string> => new Set(subscriber.handed.map(({ text }) => text));
        const endMs = performance.now() + deadlineMsDefault;
        while (publisher.unanswered.size > 0 || arrived().size < count) {
          assert.ok(
            performance.now() < endMs,
            `${arrived().size} of ${count}, ${publisher.unanswered.size} unanswered`,
          );
          for (const { session, link } of ends) {
            await session.roundTrip();
            if (!link.hasLost) continue;
            link.hasLost = false;
            await session.connect(nextTransport());
          }
        }
        // Nothing more comes, not even to new connections.
        for (const { session } of ends) {
          await session.connect(nextTransport());
          await session.roundTrip();
        }
        assert.equal(arrived().size, count);
        if (qos === 2) assert.equal(subscriber.handed.length, count);
        for (const { session } of ends) session.client?.destroy();
      },
    );
    await fc.assert(property, { numRuns: 100 });
  });
}
