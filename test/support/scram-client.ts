/** The client's side of SCRAM-SHA-256 (RFC 5802), written from the formulas of its section 3. */
import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';

export class ScramClient {
  readonly #password: string;
  readonly #bare: string;
  readonly #nonce: string;
  #serverSignature = '';

  constructor(username: string, password: string, nonce = 'rOprNGfwEbeRWgbNEkqO') {
    this.#password = password;
    this.#nonce = nonce;
    this.#bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
  }

  first(): Uint8Array {
    return Buffer.from(`n,,${this.#bare}`);
  }

  final(serverFirst: Uint8Array): Uint8Array {
    const text = Buffer.from(serverFirst).toString();
    const [, nonce = '', salt = '', iterations = ''] =
      /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(text) ?? assert.fail(text);
    assert.ok(nonce.startsWith(this.#nonce) && nonce.length > this.#nonce.length, nonce);
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = `${this.#bare},${text},${withoutProof}`;
    const signature = hmac(storedKey, authMessage);
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), authMessage).toString('base64');
    return Buffer.from(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`);
  }

  /** Fails unless it proves that the broker knows the user. */
  assertProven(serverFinal: Uint8Array | undefined): void {
    assert.equal(Buffer.from(serverFinal ?? []).toString(), `v=${this.#serverSignature}`);
  }
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
