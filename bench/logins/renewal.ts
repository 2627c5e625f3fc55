/**
 * Clients that renew their token while messages come: with each renewal a message is on its way to the same client, and
 * other clients, which renew nothing then, get as many. Then tokens expire. A machine that is too slow for this pace makes
 * it last longer: a renewal or a message is missing only if nothing has come for a while, or its connection is lost.
 */
import { decodeServerDisconnect } from '../../core/wire/decode-disconnect.ts';
import { decodePublish } from '../../core/wire/decode-publish.ts';
import { encodeAcknowledgement } from '../../core/wire/encode-acknowledgement.ts';
import { encodeAuth } from '../../core/wire/encode-disconnect.ts';
import { encodePublish } from '../../core/wire/encode-publish.ts';
import type { Frame } from '../../core/wire/frame-reader.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import type { Properties } from '../../core/wire/properties.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { ReasonCode } from '../../core/wire/reason-code.ts';
import { BenchError } from '../bench-error.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { LoginClient } from './login-client.ts';

export interface RenewalTerms {
  readonly clients: number;
  readonly renewals: number;
  /** In which each client renews once. */
  readonly secondsEach: number;
  token(user: string, expiresAtSeconds: number): Promise<string>;
}

export interface RenewalResult {
  readonly renewed: number;
  readonly messages: number;
  readonly lost: number;
  readonly connectionsLost: number;
  /** Later than `lateMs`: to clients that renewed, and to as many others at the same time. */
  readonly lateRenewing: number;
  readonly lateOthers: number;
  /** From the moment at which a token expires to the end of its connection. */
  readonly expiredOutMsMax: number;
}

export const lateMs = 10;
const tickMs = 5;
const method = 'OAUTH2-JWT';
const expiringClients = 100;
const lifeSeconds = 600;
/** In which nothing at all comes. */
const patienceMs = 10_000;

interface Member {
  readonly client: LoginClient;
  readonly index: number;
  readonly token: string;
  isRenewing: boolean;
}

/** The outcome of the messages. */
class Arrivals {
  sent = 0;
  arrived = 0;
  lateRenewing = 0;
  lateOthers = 0;
  renewed = 0;
  connectionsLost = 0;
  lastMs = performance.now();

  take(member: Member, type: number, { header, body }: Frame): void {
    this.lastMs = performance.now();
    if (type === PacketType.auth) {
      this.renewed++;
      member.isRenewing = false;
    }
    if (type !== PacketType.publish) return;
    const packet = decodePublish(header, body, 5);
    if (isProtocolError(packet) || packet.packetId === undefined)
      throw new BenchError('No PUBLISH of QoS 1.');
    const { packetId } = packet;
    member.client.send(
      encodeAcknowledgement(PacketType.puback, { packetId, reasonCode: 0, properties: {} }, 5),
    );
    const [kind, sentMs] = new TextDecoder().decode(packet.payload).split(' ');
    this.arrived++;
    if (this.lastMs - Number(sentMs) <= lateMs) return;
    if (kind === 'renewing') this.lateRenewing++;
    else this.lateOthers++;
  }
}

export async function renewals(broker: RunningPeer, terms: RenewalTerms): Promise<RenewalResult> {
  const { tcp } = broker;
  if (tcp === undefined) throw new BenchError('The broker has no TCP.');
  const open = (index: number, expiresAtSeconds: number): Promise<Member> =>
    openMember(tcp, index, terms, expiresAtSeconds);
  const arrivals = new Arrivals();
  const expiresAtSeconds = Math.floor(Date.now() / 1_000) + lifeSeconds;
  const members: Member[] = [];
  for (let index = 0; index < terms.clients; index++) {
    const member = await open(index, expiresAtSeconds);
    await member.client.subscribe(`to/${index}`, 1);
    member.client.onFrame = (type, frame) => arrivals.take(member, type, frame);
    member.client.onLost = () => arrivals.connectionsLost++;
    members.push(member);
  }
  const publisher = await open(terms.clients, expiresAtSeconds);
  await renewAll(members, publisher.client, arrivals, terms);
  for (const { client } of [...members, publisher]) client.end();
  const { sent, arrived, renewed, lateRenewing, lateOthers, connectionsLost } = arrivals;
  const lost = sent - arrived;
  const expiredOutMsMax = await longestAfterExpiry(open);
  return { renewed, messages: sent, lost, connectionsLost, lateRenewing, lateOthers, expiredOutMsMax };
}

async function renewAll(
  members: readonly Member[],
  publisher: LoginClient,
  arrivals: Arrivals,
  { renewals: times, secondsEach }: RenewalTerms,
): Promise<void> {
  let packetId = 0;
  const publish = (index: number, kind: string): void => {
    packetId = (packetId % 65_535) + 1;
    const payload = new TextEncoder().encode(`${kind} ${performance.now()}`);
    const message = { topic: `to/${index}`, payload, qos: 1, retain: false, dup: false } as const;
    publisher.send(encodePublish({ ...message, packetId, properties: {} }, 5));
    arrivals.sent++;
  };
  const total = members.length * times;
  const perMs = members.length / (secondsEach * 1_000);
  let done = 0;
  const startMs = performance.now();
  arrivals.lastMs = startMs;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(total, (performance.now() - startMs) * perMs);
      for (; done < Math.floor(due); done++) {
        const index = done % members.length;
        const member = members[index];
        if (member === undefined || member.isRenewing) break; // the machine is slower than the pace
        member.isRenewing = true;
        publish(index, 'renewing');
        member.client.send(authFrame(ReasonCode.reAuthenticate, member.token));
        publish(index, 'renewing');
        const other = (index + (members.length >> 1)) % members.length;
        for (const _ of [1, 2]) publish(other, 'other');
      }
      const isOver = done === total && arrivals.arrived === arrivals.sent && arrivals.renewed === total;
      if (!isOver && performance.now() < arrivals.lastMs + patienceMs) return;
      clearInterval(timer);
      resolve();
    }, tickMs);
  });
}

async function longestAfterExpiry(open: (index: number, expiresAtSeconds: number) => Promise<Member>) {
  const expiresAtSeconds = Math.floor(Date.now() / 1_000) + 3;
  const ends = Array.from({ length: expiringClients }, async (_, index) => {
    const { client } = await open(index, expiresAtSeconds);
    return await new Promise<number>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new BenchError('An expired token has ended nothing.')),
        patienceMs,
      );
      client.onFrame = (type, { header, body }) => {
        if (type !== PacketType.disconnect) return;
        clearTimeout(timer);
        const goodbye = decodeServerDisconnect(header, body, 5);
        client.end();
        if (isProtocolError(goodbye) || goodbye.reasonCode !== ReasonCode.notAuthorized)
          reject(new BenchError('An expired token has ended its connection for another reason.'));
        else resolve(Date.now() - expiresAtSeconds * 1_000);
      };
    });
  });
  return Math.max(...(await Promise.all(ends)));
}

async function openMember(
  tcp: NonNullable<RunningPeer['tcp']>,
  index: number,
  { token }: RenewalTerms,
  expiresAtSeconds: number,
): Promise<Member> {
  const client = await LoginClient.open(tcp);
  const text = await token(`user-${index}`, expiresAtSeconds);
  const reasonCode = await client.logIn({ properties: propertiesOf(text) });
  if (reasonCode !== 0) throw new BenchError(`A token was refused with 0x${reasonCode.toString(16)}.`);
  return { client, index, token: text, isRenewing: false };
}

function propertiesOf(token: string): Properties {
  return { authenticationMethod: method, authenticationData: Buffer.from(token) };
}

function authFrame(reasonCode: number, token: string): Uint8Array {
  return encodeAuth({ reasonCode, properties: propertiesOf(token) });
}
