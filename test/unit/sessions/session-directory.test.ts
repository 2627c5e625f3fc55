/** The session directory against workers that are played by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ConnectRequest, ToWorker } from '../../../core/control/messages.ts';
import { SessionDirectory } from '../../../core/sessions/session-directory.ts';

interface Asked {
  readonly worker: number;
  readonly message: ToWorker;
  reply(value?: unknown): void;
  fail(): void;
}

/** Keeps what the directory sends; a test replies when it wants to. */
class Stage {
  readonly sent: { worker: number; message: ToWorker }[] = [];
  readonly asked: Asked[] = [];
  readonly events: string[] = [];
  readonly stopped = new Set<number>();
  readonly directory = new SessionDirectory({
    link: {
      send: (worker, message) => {
        if (this.stopped.has(worker)) return false;
        this.sent.push({ worker, message });
        return true;
      },
      request: (worker, message) =>
        new Promise((resolve, reject) => {
          this.asked.push({
            worker,
            message: message(this.asked.length),
            reply: resolve,
            fail: () => reject(new Error('the worker has ended')),
          });
        }),
    },
    clock: { after: () => ({ cancel: () => {} }) },
    connectionsMax: 2,
    sessionsMax: 3,
    fullReasonCode: 0x97,
    closedReasonCode: undefined,
    authenticate: () => ({ reasonCode: 0 }),
    publishWill: () => {},
    onSessionsFull: (refused) => {
      this.events.push(`full ${refused}`);
    },
    onConnected: ({ clientId }) => {
      this.events.push(`connected ${clientId}`);
    },
    onDisconnected: ({ clientId }, cause) => {
      this.events.push(`disconnected ${clientId} ${cause}`);
    },
  });

  connect(worker: number, connection: number, clientId = 'a'): void {
    const request: ConnectRequest = {
      clientId,
      protocolVersion: 5,
      cleanStart: false,
      sessionExpirySeconds: 100,
      will: undefined,
      username: undefined,
      password: undefined,
      authenticationMethod: undefined,
      authenticationData: undefined,
      remoteAddress: '127.0.0.1',
      transport: 'ws',
    };
    this.directory.connect(worker, connection, request);
  }

  /** The next request, once the directory has come to it. */
  async nextAsked(type: ToWorker['type']): Promise<Asked> {
    await setImmediate();
    const asked = this.asked.shift();
    assert.equal(asked?.message.type, type);
    return asked as Asked;
  }
}

/** A client has left worker 0 and comes back on worker 1, which is asked to take its session in. */
async function moving(): Promise<{ stage: Stage; accept: Asked }> {
  const stage = new Stage();
  stage.connect(0, 1);
  stage.directory.closed(1, 'lost', 0, undefined);
  stage.connect(1, 2);
  return { stage, accept: await stage.nextAsked('accept') };
}

test('a new client is accepted at once', () => {
  const stage = new Stage();
  stage.connect(1, 7);
  assert.deepEqual(stage.sent, [
    {
      worker: 1,
      message: {
        type: 'accept',
        request: undefined,
        connection: 7,
        session: 1,
        origin: { from: 'new' },
        authenticationData: undefined,
      },
    },
  ]);
  assert.deepEqual(stage.events, ['connected a']);
});

test('a client that leaves in the turn in which its session arrives is not connected', async () => {
  const { stage, accept } = await moving();
  accept.reply();
  stage.directory.closed(1, 'lost', 0, undefined); // in the same turn, before the reply is heard
  await setImmediate();
  assert.equal(stage.directory.counts.connected, 0);
  assert.deepEqual(stage.events.slice(2), ['connected a', 'disconnected a lost']);
});

test('the next client with the same identifier waits until the session has arrived', async () => {
  const { stage, accept } = await moving();
  stage.connect(0, 3);
  await setImmediate();
  assert.equal(stage.asked.length, 0);
  accept.reply();
  assert.equal((await stage.nextAsked('evict')).worker, 1);
});

test('where a worker ends while a session moves nobody stays connected', async () => {
  const { stage, accept } = await moving();
  stage.directory.workerLost(1);
  accept.fail();
  await setImmediate();
  assert.equal(stage.directory.counts.connected, 0);
});

test('a session that was to move to a worker that does not run is connected nowhere', async () => {
  const { stage, accept } = await moving();
  accept.fail();
  await setImmediate();
  assert.equal(stage.directory.counts.connected, 0);
});

test('a worker that does not run gets no client, and a full broker no further one', () => {
  const stage = new Stage();
  stage.stopped.add(3);
  stage.connect(3, 1, 'lost');
  assert.equal(stage.directory.counts.connected, 0);
  stage.connect(0, 1, 'a');
  stage.connect(0, 2, 'b');
  stage.connect(0, 3, 'c');
  assert.deepEqual(stage.sent.at(-1)?.message, { type: 'refuse', connection: 3, reasonCode: 0x97 });
});

test('a client that would need one session too many is refused and counted; one that has its session is let in', async () => {
  const stage = new Stage();
  const leave = (session: number) => stage.directory.closed(session, 'lost', 0, undefined);
  for (const [index, clientId] of ['a', 'b', 'c'].entries()) {
    stage.connect(0, index, clientId);
    leave(index + 1);
  }
  stage.connect(0, 10, 'd');
  assert.deepEqual(stage.sent.at(-1)?.message, { type: 'refuse', connection: 10, reasonCode: 0x97 });
  stage.connect(0, 11, 'e');
  assert.deepEqual(stage.events.slice(-2), ['full 1', 'full 2']);
  assert.equal(stage.directory.counts.sessionsRefused, 2);
  stage.connect(0, 12, 'b');
  await setImmediate();
  assert.equal(stage.events.at(-1), 'connected b');
  stage.connect(0, 13, 'b'); // takes over
  (await stage.nextAsked('evict')).reply();
  await setImmediate();
  assert.equal(stage.events.at(-1), 'connected b');
  assert.equal(stage.directory.counts.total, 3);
  stage.directory.closed(2, 'disconnected', 0, 0); // its session ends
  stage.connect(0, 14, 'd');
  assert.equal(stage.events.at(-1), 'connected d');
  assert.equal(stage.directory.counts.sessionsRefused, 2);
});
