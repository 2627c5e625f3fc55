/**
 * An add-on: proves a password with SCRAM-SHA-256 (RFC 5802, RFC 7677) without sending it, and has the broker prove that
 * it knows the password too. `connect(url, { WebSocket: scram('umpire', 'secret') })` puts the exchange between the
 * client and the broker: the CONNECT gets the first message, AUTH packets are answered, and the CONNACK of a broker that
 * has not proven anything becomes a refusal with 0x8C.
 *
 * The key is derived by the browser, which does so in secure contexts only: https, or this machine.
 */
import { decodeConnack } from '../core/wire/decode-connack.ts';
import { decodeConnect } from '../core/wire/decode-connect.ts';
import { decodeServerAuth } from '../core/wire/decode-disconnect.ts';
import { encodeConnack } from '../core/wire/encode-connack.ts';
import { encodeConnect } from '../core/wire/encode-connect.ts';
import { encodeAuth } from '../core/wire/encode-disconnect.ts';
import { type Frame, FrameReader } from '../core/wire/frame-reader.ts';
import { PacketType } from '../core/wire/packet-type.ts';
import { isProtocolError } from '../core/wire/protocol-error.ts';
import { concat, frame } from '../core/wire/write.ts';
import { type Bytes, LayeredWebSocket, layerOf } from './layered-websocket.ts';
import type { WebSocketConstructor, WebSocketLike } from './options.ts';
import { RallyError } from './rally-error.ts';

const method = 'SCRAM-SHA-256';
const badAuthentication = 0x8c;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The WebSocket for `options.WebSocket`. `Original` is the WebSocket underneath; by default the global one. */
export function scram(
  username: string,
  password: string,
  Original?: WebSocketConstructor,
): WebSocketConstructor {
  const exchanging = class extends ScramWebSocket {
    constructor(below: WebSocketLike) {
      if (!crypto.subtle) {
        below.close();
        throw new RallyError(badAuthentication, 'SCRAM needs a secure context: https, or localhost');
      }
      super(below, new Exchange(username, password));
    }
  };
  return layerOf(exchanging, Original);
}

class ScramWebSocket extends LayeredWebSocket {
  readonly #exchange: Exchange;
  /** The broker's packets until it has accepted or refused. */
  readonly #frames = new FrameReader(5);
  #hasSentConnect = false;
  #isOver = false;

  constructor(below: WebSocketLike, exchange: Exchange) {
    super(below);
    this.#exchange = exchange;
  }

  send(data: Bytes): void {
    this.below.send(this.#hasSentConnect ? data : this.#withProof(data));
    this.#hasSentConnect = true;
  }

  protected override received(chunk: Bytes): void {
    if (!this.#isOver) {
      void this.#receive(chunk);
      return;
    }
    this.#frames.push(chunk);
    this.#pass([]);
  }

  #withProof(data: Bytes): Bytes {
    const reader = new FrameReader(5);
    reader.push(data);
    const { header, body } = reader.next() as Frame;
    const connect = decodeConnect(header, body);
    if (isProtocolError(connect)) return data;
    const authentication = { authenticationMethod: method, authenticationData: this.#exchange.first };
    return encodeConnect({ ...connect, properties: { ...connect.properties, ...authentication } });
  }

  async #receive(chunk: Uint8Array): Promise<void> {
    this.#frames.push(chunk);
    for (let next = this.#frames.next(); next !== undefined; next = this.#frames.next()) {
      if (isProtocolError(next)) {
        this.close();
        return;
      }
      await this.#take(next);
    }
  }

  async #take({ header, body }: Frame): Promise<void> {
    const type = header >> 4;
    try {
      if (type === PacketType.auth) await this.#answer(header, body);
      else this.#end(type === PacketType.connack ? this.#checked(header, body) : frame(header, [body]));
    } catch {
      this.#end(unproven());
    }
  }

  async #answer(header: number, body: Uint8Array): Promise<void> {
    const auth = decodeServerAuth(header, body, 5);
    if (isProtocolError(auth)) throw new Error(auth.why);
    const authenticationData = await this.#exchange.answer(auth.properties.authenticationData);
    const properties = { authenticationMethod: method, authenticationData };
    this.below.send(encodeAuth({ reasonCode: 0x18, properties }));
  }

  /** The CONNACK unchanged, or a refusal if it accepts without proof. */
  #checked(header: number, body: Uint8Array): Bytes {
    const connack = decodeConnack(header, body, 5);
    const isAccepted = !isProtocolError(connack) && connack.reasonCode === 0;
    if (isAccepted && !this.#exchange.isProof(connack.properties.authenticationData)) return unproven();
    return frame(header, [body]);
  }

  /** From now on all packets pass unchanged. */
  #end(first: Bytes): void {
    this.#isOver = true;
    this.#pass([first]);
  }

  /** Gives the packets and those that follow: whole ones, since the beginning of one may have come with the CONNACK. */
  #pass(packets: Bytes[]): void {
    for (let next = this.#frames.next(); next; next = this.#frames.next()) {
      if (isProtocolError(next)) {
        this.close();
        break;
      }
      packets.push(frame(next.header, [next.body]));
    }
    if (packets.length > 0) this.give(concat(packets));
  }
}

function unproven(): Bytes {
  const properties = { reasonString: 'the broker has not proven that it knows the password' };
  return encodeConnack({ sessionPresent: false, reasonCode: badAuthentication, properties }, 5);
}

/** The client's side of the exchange. */
class Exchange {
  readonly #password: string;
  readonly #bare: string;
  readonly #nonce = toBase64(crypto.getRandomValues(new Uint8Array(18)));
  #serverSignature: string | undefined;

  constructor(username: string, password: string) {
    this.#password = password;
    this.#bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${this.#nonce}`;
  }

  get first(): Bytes {
    return encoder.encode(`n,,${this.#bare}`);
  }

  /** Throws if it is not an answer to the first message. */
  async answer(serverFirst: Uint8Array = new Uint8Array()): Promise<Bytes> {
    const text = decoder.decode(serverFirst);
    const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(text) ?? [];
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce) throw new Error('not an answer');
    const salted = await derive(this.#password, fromBase64(salt), Number(iterations));
    const clientKey = await hmac(salted, 'Client Key');
    const storedKey = new Uint8Array(await crypto.subtle.digest('SHA-256', clientKey));
    const withoutProof = `c=biws,r=${nonce}`;
    const message = `${this.#bare},${text},${withoutProof}`;
    const signature = await hmac(storedKey, message);
    this.#serverSignature = toBase64(await hmac(await hmac(salted, 'Server Key'), message));
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
    return encoder.encode(`${withoutProof},p=${toBase64(proof)}`);
  }

  /** Whether the broker knows the password. */
  isProof(serverFinal: Uint8Array | undefined): boolean {
    return (
      this.#serverSignature !== undefined && decoder.decode(serverFinal) === `v=${this.#serverSignature}`
    );
  }
}

async function derive(password: string, salt: Bytes, iterations: number): Promise<Bytes> {
  const secret = encoder.encode(password.normalize('NFKC'));
  const key = await crypto.subtle.importKey('raw', secret, 'PBKDF2', false, ['deriveBits']);
  const params = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(params, key, 256));
}

async function hmac(key: Bytes, text: string): Promise<Bytes> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, encoder.encode(text)));
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
