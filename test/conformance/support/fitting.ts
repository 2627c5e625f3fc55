/** What a server may add to an answer to say why, and what the client's Maximum Packet Size does to it. */
import assert from 'node:assert/strict';
import type { ReceivedPacket } from '../../support/raw-client.ts';
import type { Client } from './client.ts';
import { octets, packet, u32 } from './octets.ts';
import { connect } from './packets.ts';
import { hexOf, packetType, readAcknowledgement, readGoodbye } from './received.ts';
import type { Context } from './section.ts';

/** Makes the server send the packet in question, and gives it back; undefined if it closed instead. */
export type Provoke = (client: Client, context: Context) => Promise<ReceivedPacket | undefined>;

const requestProblemInformation = '17 01';

/**
 * The packet comes with all that the server has to say, and to a client that does not take that much without
 * what is too much: smaller, with the same reason codes.
 */
export async function assertFits(context: Context, provoke: Provoke): Promise<void> {
  const free = await connectWith(context, octets(requestProblemInformation));
  const whole = await provoke(free, context);
  if (whole === undefined) return;
  // Not below what the CONNACK needs, which comes first.
  const connackBytes = packet(0x20, (await rawConnack(context)).body).length;
  const maximum = Math.max(bytesOf(whole) - 1, connackBytes);
  const bounded = await connectWith(context, octets(requestProblemInformation, '27', u32(maximum)));
  const cut = await provoke(bounded, context);
  assert.ok(cut !== undefined, 'the same packet, without what makes it too large');
  assert.ok(bytesOf(cut) <= maximum, `${bytesOf(cut)} bytes, at most ${maximum}: ${hexOf(cut)}`);
  assert.deepEqual(codesOf(cut), codesOf(whole));
}

function connectWith(context: Context, properties: Uint8Array): Promise<Client> {
  return context.connect({ properties });
}

async function rawConnack(context: Context): Promise<ReceivedPacket> {
  const client = await context.open();
  client.send(connect('5.0', { clientId: context.name(), properties: '27 00ffffff' }));
  return await client.next();
}

const bytesOf = ({ header, body }: ReceivedPacket): number => packet(header, body).length;

function codesOf(received: ReceivedPacket): readonly number[] {
  const hasNoId = received.type === packetType.disconnect || received.type === packetType.auth;
  return hasNoId ? [readGoodbye(received).code] : readAcknowledgement('5.0', received).codes;
}
