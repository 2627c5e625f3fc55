/** The client's side of SCRAM-SHA-256 (RFC 7677), and the AUTH packets that carry it. */
import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { Client } from './client.ts';
import { type Octets, octets, packet, properties, string, text, u8 } from './octets.ts';
import { connect } from './packets.ts';
import { type Goodbye, packetType, readGoodbye, singleValueOf } from './received.ts';

export const scram = 'SCRAM-SHA-256';
export const continueAuthentication = 0x18;
export const reAuthenticate = 0x19;

/** The properties of a method and its data, as CONNECT and AUTH have them. */
export function authentication(method: string, data?: string | Uint8Array): Octets {
  return octets('15', string(method), ...(data === undefined ? [] : ['16', string(data)]));
}

export function auth(code: number, ...parts: readonly Uint8Array[]): Octets {
  return packet(0xf0, u8(code), properties(...parts));
}

const hmac = (key: Uint8Array, message: string): Buffer => createHmac('sha256', key).update(message).digest();

/** One exchange: `first`, then `final` of what the server answered, then its `signature` to compare with. */
export class ScramExchange {
  readonly first: string;
  signature = '';
  readonly #bare: string;
  readonly #password: string;

  constructor(username: string, password: string, nonce = 'fyko+d2lbbFgONRv9qkxdawL') {
    this.#bare = `n=${username},r=${nonce}`;
    this.#password = password;
    this.first = `n,,${this.#bare}`;
  }

  final(challenge: Uint8Array): string {
    const serverFirst = Buffer.from(challenge).toString();
    const [, nonce = '', salt = '', iterations = ''] =
      /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? [];
    assert.ok(nonce.startsWith(this.#bare.slice(this.#bare.indexOf(',r=') + 3)), serverFirst);
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const withoutProof = `c=biws,r=${nonce}`;
    const message = `${this.#bare},${serverFirst},${withoutProof}`;
    const signed = hmac(createHash('sha256').update(clientKey).digest(), message);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signed[index] ?? 0)));
    this.signature = `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`;
    return `${withoutProof},p=${proof.toString('base64')}`;
  }
}

/** The next packet must be an AUTH. */
export async function nextAuth(client: Client): Promise<Goodbye> {
  const received = await client.next();
  assert.equal(received.type, packetType.auth, `packet type ${received.type} in place of AUTH`);
  return readGoodbye(received);
}

/** The Authentication Data of a packet. */
export function dataOf(received: Pick<Goodbye, 'properties'>): Uint8Array {
  const data = singleValueOf(received.properties, 0x16);
  return data instanceof Uint8Array ? data : text('');
}

/** Connects with SCRAM-SHA-256 and gives back the exchange, behind its CONNACK. */
export async function connectWithScram(
  client: Client,
  clientId: string,
  exchange: ScramExchange,
  more: Uint8Array = octets(),
): Promise<void> {
  client.send(connect('5.0', { clientId, properties: octets(authentication(scram, exchange.first), more) }));
  const challenge = await nextAuth(client);
  client.send(auth(continueAuthentication, authentication(scram, exchange.final(dataOf(challenge)))));
  await client.nextConnack();
}
