/** Packet control, on a data plane that is played by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { type Addon, type Engine, EventKind } from '../../../core/data-plane/addon.ts';
import { WorkerControl } from '../../../core/front-end/worker-control.ts';

const slot = 5;
const session = 1;
const nothing = new Uint8Array();

/** A connection whose CONNECT has been accepted. `calls`: what the data plane was asked for. */
function connected(finishSubscribe = true): { control: WorkerControl; calls: string[] } {
  const calls: string[] = [];
  let tokens = 0;
  const engine = new Proxy({} as Engine, {
    get: (_, name: string) => () => {
      calls.push(name);
      if (name === 'nextToken') return ++tokens;
      return name === 'finishSubscribe' ? finishSubscribe : true;
    },
  });
  const control = new WorkerControl(
    { createEngine: () => engine } as unknown as Addon,
    { broker: 1, worker: 0, version: '', config: resolveConfig(), startedBefore: 0, cluster: undefined },
    () => {},
  );
  control.onEvent(EventKind.opened, slot, 0, 0, 0, Buffer.from('127.0.0.1'));
  control.onEvent(EventKind.packet, slot, 0x10, 0, 0, Buffer.from('00044d5154540502000000000161', 'hex'));
  control.accept({
    type: 'accept',
    connection: 1,
    session,
    isNew: true,
    authenticationData: undefined,
    admission: undefined,
  });
  calls.length = 0;
  return { control, calls };
}

const subscribeToA = Buffer.from('00010000016100', 'hex');

test('a SUBSCRIBE is acknowledged when every shard knows its filters', () => {
  const { control, calls } = connected();
  control.onEvent(EventKind.packet, slot, 0x82, 0, 0, subscribeToA);
  assert.ok(!calls.includes('send'));
  control.onEvent(EventKind.subscribed, 0, 0, 0, 1, nothing);
  assert.deepEqual(calls.slice(-3), ['send', 'endSubscribe', 'resume']);
});

test('a packet that was behind the end of its connection does nothing', () => {
  const { control, calls } = connected();
  control.evict(1, 0x8e);
  assert.deepEqual(calls, ['finish']);
  control.onEvent(EventKind.ended, slot, 1, 0x8e, 0, nothing);
  calls.length = 0;
  control.onEvent(EventKind.packet, slot, 0x82, 0, 0, subscribeToA);
  control.onEvent(EventKind.packet, slot, 0xa2, 0, 0, Buffer.from('000200000161', 'hex'));
  assert.deepEqual(calls, []); // no token, so nobody waits for its event
});

test('a SUBSCRIBE of a session that has ended meanwhile is forgotten', () => {
  const { control, calls } = connected(false);
  control.onEvent(EventKind.packet, slot, 0x82, 0, 0, subscribeToA);
  calls.length = 0;
  control.onEvent(EventKind.subscribed, 0, 0, 0, 1, nothing);
  assert.deepEqual(calls, []);
});

test('a connection that was accepted just before the broker stops ends with the others', () => {
  const { control, calls } = connected();
  let hasEnded = false;
  control.endAll(0x8b, () => {
    hasEnded = true;
  });
  const late = slot + 1;
  control.onEvent(EventKind.opened, late, 0, 0, 0, Buffer.from('127.0.0.1'));
  assert.deepEqual(calls, ['withholdWills', 'finish', 'close']);
  control.onEvent(EventKind.packet, late, 0x10, 0, 0, Buffer.from('00044d5154540502000000000162', 'hex'));
  control.onEvent(EventKind.gone, slot, 0, 0, 0, nothing);
  assert.ok(!hasEnded);
  control.onEvent(EventKind.gone, late, 0, 0, 0, nothing);
  assert.ok(hasEnded);
});
