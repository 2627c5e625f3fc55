/** The number of connections, and the time each may take. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connectFrame, publishFrame } from '../../support/frames.ts';
import { until } from '../../support/wait.ts';
import { handshake } from '../../support/websocket-link.ts';
import type { Attack } from '../attack.ts';
import { numbered } from '../attacker.ts';
import type { Target } from '../target.ts';

const { length: connectBytes } = connectFrame();

export const connectionAttacks: readonly Attack[] = [
  {
    name: 'connections',
    bounds: ['connected clients'],
    options: { limits: { connectionsMax: 20 } },
    run: async (target) => {
      const all = await target.connectMany(30);
      const refused = all.filter(({ connack }) => connack.reasonCode === 0x97).length;
      assert.ok(refused >= 10);
      return `${refused} of 30 clients refused with 0x97`;
    },
  },
  {
    name: 'sessions',
    bounds: ['sessions, of connected and absent clients'],
    options: { limits: { sessionsMax: 50, sessionExpiryIntervalMax: 10 } },
    run: async (target) => {
      let refused = 0;
      for (let index = 0; index < 2_000 && refused < 5; index++) {
        const clientId = `away-${index}`;
        const client = await target.connect({ clientId, properties: { sessionExpiryInterval: 0xffff_ffff } });
        if (client.connack.reasonCode === 0x97) refused++;
        client.raw.destroy();
      }
      assert.equal(refused, 5);
      const { sessions, sessionsRefused } = await target.statistics();
      assert.ok(sessions <= 50);
      return `${sessions} sessions away, then ${sessionsRefused} clients refused with 0x97`;
    },
  },
  {
    name: 'descriptors',
    bounds: ['file descriptors'],
    descriptors: 100,
    run: async (target) => {
      await Promise.all(Array.from({ length: 150 }, () => target.open()));
      await until('the line in the log', () => target.log.includes('too few file descriptors'), 30_000);
      return 'no further connection is accepted; logged once';
    },
  },
  {
    name: 'late-connect',
    bounds: ['time until CONNECT is complete'],
    options: { limits: { connectTimeoutMs: 1_000 } },
    run: async (target) => {
      const all = await Promise.all(Array.from({ length: 100 }, () => target.open()));
      for (const { raw } of all) raw.send(connectFrame().subarray(0, connectBytes - 1));
      await Promise.all(all.map((client) => client.ended()));
      return '100 connections with half a CONNECT ended';
    },
  },
  {
    name: 'late-authentication',
    bounds: ['duration of an authentication, with all its steps'],
    host: 'authenticates',
    options: { limits: { connectTimeoutMs: 4_000 } },
    run: async (target) => {
      const all = await target.connectMany(50, (index) => ({ clientId: `unknown-${index}` }));
      for (const { connack } of all) assert.equal(connack.reasonCode, 0x89);
      return '50 clients whose authentication never ends refused with 0x89';
    },
  },
  {
    name: 'late-session',
    bounds: ['time that a client waits for its session', 'wills published per second'],
    isPaced: true,
    options: { limits: { willsPerSecond: 1_000, sessionWaitMs: 100 } },
    run: async (target) => {
      const last = await comeBackBehindWills(target, 3_000);
      assert.equal(last.reason, 0x88);
      return `3,000 wills at once, 1,000 a second are published; a client that returns before its own will gets 0x88`;
    },
  },
  {
    name: 'late-connack',
    descriptors: 16_384,
    bounds: ['time from CONNECT to CONNACK'],
    isPaced: true,
    options: { limits: { willsPerSecond: 1_000, sessionWaitMs: 600_000, connectTimeoutMs: 1_000 } },
    run: async (target) => {
      const last = await comeBackBehindWills(target, 6_000);
      assert.equal(last.reason, 0x88);
      return `clients that wait longer than 2 s get 0x88`;
    },
  },
  {
    name: 'keep-alive',
    bounds: ['keep alive of a client'],
    options: { limits: { serverKeepAliveSeconds: 1 } },
    run: async (target) => {
      const all = await target.connectMany(50);
      for (const { connack } of all) assert.equal(connack.properties.serverKeepAlive, 1);
      for (const client of all) assert.equal(await client.ended(), 0x8d);
      return '50 silent clients without a keep alive ended with 0x8D';
    },
  },
  {
    name: 'session-expiry',
    bounds: ['time a session outlives its connection'],
    options: { limits: { sessionExpiryIntervalMax: 1 } },
    run: async (target) => {
      const all = await target.connectMany(50, (index) => ({
        clientId: `stays-${index}`,
        properties: { sessionExpiryInterval: 0xffff_ffff },
      }));
      for (const { connack } of all) assert.equal(connack.properties.sessionExpiryInterval, 1);
      target.withdraw();
      return '50 sessions that ask to last forever last a second';
    },
  },
  {
    name: 'silent-websocket',
    bounds: ['silence of a WebSocket'],
    options: { limits: { webSocketPingMs: 1_000, webSocketSilenceMs: 1_000 } },
    run: async (target) => {
      const all = await Promise.all(Array.from({ length: 50 }, () => handshake(target.port)));
      await Promise.all(
        all.map(async ({ socket }) => {
          socket.on('error', () => {}).resume();
          if (!socket.destroyed) await once(socket, 'close');
        }),
      );
      return '50 that answer no ping ended';
    },
  },
  {
    name: 'never-closes',
    bounds: ['time a client may take to close'],
    run: async (target) => {
      const { connections: before } = await target.statistics();
      const sockets = await Promise.all(Array.from({ length: 50 }, () => target.socket(target.tcpPort)));
      for (const socket of sockets) socket.write(connectFrame());
      await target.untilCounted('50 clients', ({ connections }) => connections === before + 50);
      for (const socket of sockets) socket.write(Uint8Array.of(0xf1, 0)); // malformed
      await target.untilCounted('that they are cut', ({ connections }) => connections === before);
      assert.ok(sockets.every((socket) => !socket.writableEnded));
      return '50 half-open sockets cut';
    },
  },
  {
    name: 'stop',
    bounds: ['duration of a stop'],
    options: { limits: { stopMs: 500 } },
    run: async (target) => {
      const readers = await target.connectMany(20);
      for (const reader of readers) {
        await reader.subscribe(['fill']);
        reader.raw.pause();
      }
      const publisher = await target.connect();
      const payload = new Uint8Array(100_000);
      for (let index = 0; index < 100; index++) publisher.raw.send(publishFrame('fill', payload));
      await target.untilCounted('full outboxes', ({ droppedQos0 }) => droppedQos0 > 0);
      assert.equal(await target.stop(), 0);
      return 'the broker stops despite 20 clients that read nothing';
    },
  },
];

/** Loses clients with wills, and connects the last one again: its CONNACK. */
async function comeBackBehindWills(target: Target, count: number): Promise<{ reason: number | undefined }> {
  const names = numbered(count, (index) => `with-will-${index}`);
  const will = { topic: 'will', payload: new Uint8Array(), qos: 0, retain: false, properties: {} } as const;
  await target.connectMany(count, (index) => ({ clientId: names[index] ?? '', will }));
  target.withdraw();
  const last = await target.connect({ clientId: names.at(-1) ?? '' });
  return { reason: last.connack.reasonCode };
}
