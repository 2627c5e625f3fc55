/** Data verified, encrypted and written to disk for clients. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { passwordLines } from '../../support/access-files.ts';
import { connectFrame } from '../../support/frames.ts';
import { Authority } from '../../support/secure.ts';
import { within } from '../../support/wait.ts';
import type { Attack } from '../attack.ts';
import { repeated } from '../attacker.ts';

const KiB = 1_024;
const MiB = 1_024 * KiB;

const folders: string[] = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Goes with the process. */
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-attack-'));
  folders.push(folder);
  return folder;
}

export const storedAttacks: readonly Attack[] = [
  {
    name: 'password-checks',
    bounds: ['passwords waiting to be verified'],
    options: () => {
      const passwordFile = join(newFolder(), 'users');
      writeFileSync(passwordFile, passwordLines({ lee: 'secret' }));
      return {
        passwordFile,
        allowAnonymous: true,
        limits: { passwordChecksPendingMax: 2, connectTimeoutMs: 60_000 },
      };
    },
    accountBytes: 2 * 64 * MiB, // Argon2id
    run: async (target) => {
      let busy = 0;
      let asked = 0;
      for (let round = 0; round < 20 && busy === 0; round++) {
        const all = await target.connectMany(50, (index) => ({
          clientId: `guess-${round}-${index}`,
          username: 'lee',
          password: Buffer.from(`guess ${index}`),
        }));
        asked += all.length;
        busy += all.filter(({ connack }) => connack.reasonCode === 0x89).length;
        assert.ok(all.every(({ connack }) => connack.reasonCode === 0x89 || connack.reasonCode === 0x86));
      }
      assert.ok(busy > 0);
      return `${busy} of ${asked} guesses at once refused with 0x89`;
    },
  },
  {
    name: 'tls-handshakes',
    bounds: ['TLS handshakes that a worker begins in a turn'],
    options: () => {
      const { certFile, keyFile } = new Authority().issue();
      return {
        tlsPort: 0,
        tlsCert: certFile,
        tlsKey: keyFile,
        limits: { tlsHandshakesPerTurnMax: 1, connectTimeoutMs: 60_000 },
      };
    },
    accountBytes: 100 * 64 * KiB,
    run: async (target) => {
      const handshakes = Array.from({ length: 100 }, async () => {
        const socket = connect({ host: '127.0.0.1', port: target.tlsPort, rejectUnauthorized: false });
        socket.on('error', () => {}); // 'close' follows
        target.keep(socket);
        await within('a handshake', once(socket, 'secureConnect'), 30_000);
        socket.write(connectFrame());
        const [answer] = await within('CONNACK', once(socket, 'data'), 30_000);
        return (answer as Buffer)[0];
      });
      assert.deepEqual(new Set(await Promise.all(handshakes)), new Set([0x20]));
      return '100 at once, one per turn: all connect';
    },
  },
  {
    name: 'log',
    bounds: ['log bytes of a worker that are not committed', 'log bytes that a start would have to read'],
    options: () => ({
      dataDirectory: newFolder(),
      limits: {
        logPendingBytesMax: 64 * KiB,
        checkpointBytesMin: MiB,
        sessionExpiryIntervalMax: 60,
        sessionQueueBytesMax: 2 * MiB,
      },
    }),
    accountBytes: 8 * MiB,
    run: async (target) => {
      const away = { clientId: 'stored', properties: { sessionExpiryInterval: 60 } };
      const subscriber = await target.connect(away);
      await subscriber.subscribe(['stored'], 1);
      subscriber.raw.destroy();
      const publishers = await target.connectMany(4);
      await Promise.all(
        publishers.map((each) => each.publishAll(repeated('stored', 2_000), new Uint8Array(1_000))),
      );
      await target.connect({ clientId: 'stored', cleanStart: true });
      return '8,000 messages of 1 KB are all acknowledged, with at most 64 KB waiting for the disk';
    },
  },
  {
    name: 'queues-in-the-log',
    bounds: ['bytes of queued messages of a worker that are also in its log'],
    options: () => ({
      dataDirectory: newFolder(),
      limits: { queuedMemoryBytesMax: MiB, sessionExpiryIntervalMax: 60 },
    }),
    accountBytes: 8 * MiB,
    run: async (target) => {
      const away = { clientId: 'stored', properties: { sessionExpiryInterval: 60 } };
      const subscriber = await target.connect(away);
      await subscriber.subscribe(['stored'], 1);
      subscriber.raw.destroy();
      const publisher = await target.connect();
      await publisher.publishAll(repeated('stored', 1_500), new Uint8Array(10_000));
      const { parked, queued } = await target.statistics();
      assert.ok(parked >= 1_300);
      assert.equal(queued, 1_500);
      await target.connect({ clientId: 'stored', cleanStart: true });
      return `the content of ${parked} of 1,500 messages of 10 KB for an absent session is in the log alone`;
    },
  },
];
