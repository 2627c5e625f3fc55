/** client/scram.ts above a WebSocket that the test plays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocketLike } from '../../../client/options.ts';
import { scram } from '../../../client/scram.ts';
import { encodeConnect } from '../../../core/wire/encode-connect.ts';
import { concat } from '../../../core/wire/write.ts';
import { bytes, hex } from '../wire/frames.ts';

class Below implements WebSocketLike {
  static last: Below;
  binaryType = '';
  readonly bufferedAmount = 0;
  onopen = null;
  onmessage: ((event: never) => void) | null = null;
  onclose = null;
  onerror = null;

  constructor() {
    Below.last = this;
  }

  isClosed = false;

  send(): void {}
  close(): void {
    this.isClosed = true;
  }

  receive(chunk: Uint8Array): void {
    (this.onmessage as unknown as (event: { data: ArrayBuffer }) => void)({ data: chunk.slice().buffer });
  }
}

test('packets behind the CONNACK arrive whole, wherever the WebSocket messages cut them', async () => {
  // Refused, so that no proof is needed; what follows is for the reader of frames alone.
  const stream = bytes(`20 03 00 87 00 30 05 0001'a' 00 'x' 30 05 0001'b' 00 'y' d0 00`);
  for (let cut = 1; cut < stream.length; cut++) {
    const socket = new (scram('umpire', 'secret', Below as never))('ws://a', 'mqtt');
    const received: Uint8Array[] = [];
    socket.onmessage = (({ data }: { data: ArrayBuffer }) => received.push(new Uint8Array(data))) as never;
    const connect = {
      protocolVersion: 5,
      cleanStart: true,
      keepAliveSeconds: 0,
      clientId: '',
      properties: {},
    } as const;
    socket.send(encodeConnect(connect));
    Below.last.receive(stream.subarray(0, cut));
    await delay(0);
    Below.last.receive(stream.subarray(cut));
    await delay(0);
    assert.equal(hex(concat(received)), hex(stream), `cut at ${cut}`);
  }
});

test('a page that may not derive keys is told so, and sends nothing', (context) => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'crypto') as PropertyDescriptor;
  context.after(() => Object.defineProperty(globalThis, 'crypto', own));
  // As over http, except on this machine.
  const { crypto } = globalThis;
  const insecure = { getRandomValues: crypto.getRandomValues.bind(crypto) };
  Object.defineProperty(globalThis, 'crypto', { value: insecure, configurable: true });
  const Socket = scram('umpire', 'secret', Below as never);
  assert.throws(() => new Socket('ws://a', 'mqtt'), { reasonCode: 0x8c, message: /https/ });
  assert.equal(Below.last.isClosed, true);
});
