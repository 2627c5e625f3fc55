/** Packets that break a rule: each ends its connection, and no other. */
import assert from 'node:assert/strict';
import type { Client } from './client.ts';
import type { Part } from './octets.ts';
import { subscribe } from './packets.ts';
import { packetType, readAcknowledgement, readGoodbye } from './received.ts';
import type { SectionTest } from './section.ts';

/** What it is, the packet, and the reason codes of which one must be given. */
export type Offence = readonly [what: string, packet: Part, ...reasonCodes: number[]];

export const malformed = 0x81;
export const protocolError = 0x82;

/** Levels that make a topic filter which is well formed, and which a server need not allow. */
export const tooManyLevels = '/'.repeat(150);

/** Registers a test for each: sent by a client that was accepted, it ends this connection only (section 4.13). */
export function refused(test: SectionTest, identifiers: string, offences: readonly Offence[]): void {
  for (const [what, packet, ...reasonCodes] of offences) {
    const codes = reasonCodes.map((code) => `0x${code.toString(16)}`).join(' or ');
    test(`${identifiers} ${what} ends the connection with ${codes}`, async ({ connect }) => {
      const bystander = await connect();
      const client = await connect();
      client.send(packet);
      await client.ended(...reasonCodes);
      await bystander.ping();
    });
  }
}

/**
 * MQTT 5: the filter is refused in the SUBACK, or ends the connection: as malformed, since 0x8F is for a filter that
 * is formed correctly (3.14.2.1).
 */
export async function assertFilterRefused(client: Client, filter: string): Promise<void> {
  client.send(subscribe('5.0', [[filter, 0]], { id: 3 }));
  const answer = await client.next().catch(() => undefined); // closed without a word
  if (answer?.type === packetType.suback) {
    const { codes } = readAcknowledgement('5.0', answer);
    assert.ok((codes[0] ?? 0) >= 0x80, `${filter}: granted`);
  } else if (answer !== undefined) {
    assert.ok([malformed, protocolError].includes(readGoodbye(answer).code), filter);
  }
}
