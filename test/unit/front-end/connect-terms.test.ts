import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../../../core/config/limits.ts';
import { keepAliveMs, keepAliveSeconds } from '../../../core/front-end/connect-terms.ts';
import type { ConnectPacket, ProtocolVersion } from '../../../core/wire/packets.ts';

const connectOf = (protocolVersion: ProtocolVersion, seconds: number): ConnectPacket => ({
  protocolVersion,
  cleanStart: true,
  keepAliveSeconds: seconds,
  clientId: 'c',
  properties: {},
});

/** What the client asks for, the ceiling, and what counts: for MQTT 5, and for 3.1 and 3.1.1. */
const cases = [
  [0, 0, 0, 0],
  [5, 0, 5, 5],
  [65_535, 0, 65_535, 65_535],
  [5, 60, 5, 5],
  [60, 60, 60, 60],
  [61, 60, 60, 61],
  [65_535, 60, 60, 65_535],
  [0, 60, 60, 60],
] as const;

test('[MQTT-3.1.2-21] the keep alive of the server is a ceiling, and no promise to an older client is broken', () => {
  for (const [asked, ceiling, of5, before5] of cases) {
    const limits = { ...defaultLimits, serverKeepAliveSeconds: ceiling };
    for (const [version, expected] of [
      [5, of5],
      [4, before5],
      [3, before5],
    ] as const) {
      const connect = connectOf(version, asked);
      assert.equal(keepAliveSeconds(connect, limits), expected, `${version}: ${asked} below ${ceiling}`);
      assert.equal(keepAliveMs(connect, limits), expected * 1_500);
    }
  }
});
