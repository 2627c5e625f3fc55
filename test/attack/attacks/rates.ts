/** Clients that connect too often, or do too much in a second. */
import assert from 'node:assert/strict';
import { pingreqFrame, publishFrame } from '../../support/frames.ts';
import { until } from '../../support/wait.ts';
import type { Attack } from '../attack.ts';

export const rateAttacks: readonly Attack[] = [
  {
    name: 'one-address',
    bounds: ['connections of an address, a user and a listener'],
    options: { limits: { connectionsPerAddressMax: 20 } },
    run: async (target) => {
      const all = await target.connectMany(30);
      const refused = all.filter(({ connack }) => connack.reasonCode === 0x97).length;
      assert.ok(refused >= 10);
      return `${refused} of 30 clients of one address refused with 0x97`;
    },
  },
  {
    name: 'connect-rate',
    bounds: ['CONNECTs per second, in all and of an address'],
    options: { limits: { connectsPerSecondPerAddressMax: 20 } },
    run: async (target) => {
      const all = await target.connectMany(200);
      const refused = all.filter(({ connack }) => connack.reasonCode === 0x9f).length;
      assert.ok(refused > 0);
      return `${refused} of 200 clients refused with 0x9F`;
    },
  },
  {
    name: 'flapping',
    bounds: ['CONNECTs of a client per minute'],
    options: { limits: { connectsPerMinutePerClientMax: 10 } },
    run: async (target) => {
      const reasons: number[] = [];
      for (let time = 0; time < 15; time++)
        reasons.push((await target.connect({ clientId: 'flapping' })).connack.reasonCode);
      assert.ok(reasons.includes(0x8a), `${reasons}`);
      return 'a client that connects 10 times in a minute is refused with 0x8A';
    },
  },
  {
    name: 'pace',
    bounds: ['messages and bytes of a client per second'],
    options: { limits: { messagesPerSecondMax: 1_000 } },
    run: async (target) => {
      const client = await target.connect();
      const startMs = performance.now();
      client.raw.send(...Array.from({ length: 4_000 }, () => publishFrame('pace', 'x')), pingreqFrame);
      await client.untilCount(13, 1);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs > 2_000, `${tookMs} ms`);
      return '4,000 messages sent at once are read at 1,000 a second';
    },
  },
  {
    name: 'guesses',
    bounds: ['failed logins of an address, a user, a client identifier', 'bans'],
    host: 'authenticates',
    options: { limits: { failedLoginsPerNameMax: 10, failedLoginDelayMsMax: 10, bansMax: 2 } },
    run: async (target) => {
      const guess = async (clientId: string): Promise<number> =>
        (await target.connect({ clientId })).connack.reasonCode;
      const guessUntilBanned = async (clientId: string): Promise<void> => {
        let guesses = 0;
        await until('a ban', async () => {
          guesses++;
          return (await guess(clientId)) === 0x8a;
        });
        assert.equal(guesses, 11);
      };
      for (const clientId of ['stranger-a', 'stranger-b', 'stranger-c']) await guessUntilBanned(clientId);
      assert.equal(await guess('stranger-b'), 0x8a);
      assert.notEqual(await guess('stranger-a'), 0x8a);
      return 'after 10 failed logins a client is refused with 0x8A; with room for 2 bans, a third replaces the oldest';
    },
  },
];
