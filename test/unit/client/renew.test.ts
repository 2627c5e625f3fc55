/** The add-on that renews a token: when it asks for the next one, also after sleep, and what becomes of it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { renewing } from '../../../client/renew.ts';
import { defaultLimits } from '../../../core/config/limits.ts';
import { decodeAuth } from '../../../core/wire/decode-disconnect.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';

function tokenOf(claims: Record<string, unknown>): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
}

function start(t: TestContext, claims: (count: number) => Record<string, unknown> | Error) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const stage = { asked: 0, sent: [] as string[] };
  const options = renewing(async () => {
    const next = claims(++stage.asked);
    if (next instanceof Error) throw next;
    return tokenOf(next);
  });
  const send = (packet: Uint8Array): void => {
    const auth = decodeAuth(0xf0, packet.subarray(2), 5, defaultLimits);
    assert.ok(!isProtocolError(auth), 'an AUTH');
    assert.equal(auth.reasonCode, 0x19);
    assert.equal(auth.properties.authenticationMethod, 'OAUTH2-JWT');
    stage.sent.push(Buffer.from(auth.properties.authenticationData ?? []).toString());
  };
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1_000) {
      t.mock.timers.tick(Math.min(left, 1_000));
      await turn();
    }
  };
  return { stage, options, send, pass };
}

test('a token lets in, and is renewed when three quarters of its time have passed', async (t) => {
  const { stage, options, send, pass } = start(t, () => ({ iat: 500, exp: 600 })); // of another clock
  const { properties } = (await options.credentials?.('ws://x')) ?? {};
  assert.equal(properties?.authenticationMethod, 'OAUTH2-JWT');
  const over = options.whileConnected?.(send);
  await pass(74_000);
  assert.deepEqual([stage.asked, stage.sent.length], [1, 0]);
  await pass(2_000);
  assert.deepEqual([stage.asked, stage.sent.length], [2, 1]);
  await pass(75_000);
  assert.equal(stage.sent.length, 2);
  over?.();
  await pass(300_000);
  assert.equal(stage.sent.length, 2, 'nothing once the connection is over');
});

test('without iat its time is what is left of it', async (t) => {
  const { stage, options, send, pass } = start(t, () => ({ exp: 1_100 }));
  await options.credentials?.('ws://x');
  options.whileConnected?.(send);
  await pass(76_000);
  assert.equal(stage.sent.length, 1);
});

test('after a sleep it is renewed at once', async (t) => {
  const { stage, options, send, pass } = start(t, () => ({ iat: 0, exp: 10_000 }));
  await options.credentials?.('ws://x');
  options.whileConnected?.(send);
  t.mock.timers.setTime(1_000_000 + 8_000_000); // no timer has run meanwhile
  await pass(16_000);
  assert.equal(stage.sent.length, 1);
});

test('a token that cannot be had is asked for again', async (t) => {
  const { stage, options, send, pass } = start(t, (count) =>
    count === 2 ? new Error('down') : { iat: 0, exp: 100 },
  );
  await options.credentials?.('ws://x');
  options.whileConnected?.(send);
  await pass(76_000);
  assert.deepEqual([stage.asked, stage.sent.length], [2, 0]);
  await pass(6_000);
  assert.deepEqual([stage.asked, stage.sent.length], [3, 1]);
});

test('what does not say when it expires is not renewed', async (t) => {
  for (const claims of [{}, { exp: undefined }]) {
    const { stage, options, send, pass } = start(t, () => claims);
    await options.credentials?.('ws://x');
    const over = options.whileConnected?.(send);
    await pass(600_000);
    assert.equal(stage.sent.length, 0);
    over?.();
    t.mock.timers.reset();
  }
});

test('a page whose clock is ahead does not renew without a pause', async (t) => {
  const { stage, options, send } = start(t, () => ({ exp: 900 })); // it is 1000 here
  await options.credentials?.('ws://x');
  options.whileConnected?.(send);
  for (let look = 0; look < 100; look++) {
    t.mock.timers.tick(40);
    await turn();
  }
  assert.ok(stage.asked >= 4 && stage.asked <= 5, `asked ${stage.asked} times in 4 s`);
});

test('clients that share the options each renew their own token', async (t) => {
  const { stage, options, send, pass } = start(t, () => ({ iat: 500, exp: 600 }));
  const others: number[] = [];
  await options.credentials?.('ws://x');
  options.whileConnected?.(send);
  await pass(40_000);
  await options.credentials?.('ws://y');
  options.whileConnected?.(() => others.push(Date.now()));
  await pass(36_000);
  assert.deepEqual([stage.sent.length, others.length], [1, 0]);
  await pass(40_000);
  assert.deepEqual([stage.sent.length, others.length], [1, 1]);
});

test('a token that never comes is asked for again, and one that comes too late is not sent', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const answers: ((token: string) => void)[] = [];
  const options = renewing(() => new Promise((resolve) => answers.push(resolve)));
  const sent: string[] = [];
  const token = (name: string): string => tokenOf({ iat: 500, exp: 600, name });
  const credentials = options.credentials?.('ws://x');
  answers[0]?.(token('first'));
  await credentials;
  options.whileConnected?.((packet) => sent.push(Buffer.from(packet).toString('latin1')));
  for (let seconds = 0; seconds < 96; seconds++) {
    t.mock.timers.tick(1_000);
    await turn();
  }
  assert.equal(answers.length, 3, 'asked twice');
  answers[2]?.(token('third'));
  answers[1]?.(token('second'));
  await turn();
  assert.equal(sent.length, 1);
  assert.ok(sent[0]?.includes(token('third')));
});
