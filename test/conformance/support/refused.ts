/** Packets that break a rule: each ends its connection, and no other. */
import type { Part } from './octets.ts';
import type { SectionTest } from './section.ts';

/** What it is, the packet, and the reason codes of which one must be given. */
export type Offence = readonly [what: string, packet: Part, ...reasonCodes: number[]];

export const malformed = 0x81;
export const protocolError = 0x82;

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
