/** The lanes between the session directory and the workers, on a data plane that is played by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { DirectoryLanes } from '../../../core/control/directory-lanes.ts';
import type { ToMain, ToWorker } from '../../../core/control/messages.ts';
import { Outgoing } from '../../../core/control/outgoing.ts';
import { writeToMain } from '../../../core/control/posted.ts';
import type { Addon } from '../../../core/data-plane/addon.ts';

type Accept = Extract<ToWorker, { type: 'accept' }>;

const accept = (connection: number): Accept => ({
  type: 'accept',
  connection,
  session: connection * 10,
  isNew: true,
  authenticationData: undefined,
  admission: undefined,
});

/** Two workers; each CONNECT is accepted at once. */
class Stage {
  readonly asked: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  readonly accepted: [worker: number, numbers: number[]][] = [];
  readonly connected: string[] = [];
  readonly lanes: DirectoryLanes;
  ring: (worker: number) => void = () => assert.fail('nobody listens');

  constructor() {
    const addon: Partial<Addon> = {
      hearConnects: (_, listener) => {
        this.ring = listener;
      },
      takeConnects: (_, worker) => {
        const records = this.asked[worker];
        this.asked[worker] = undefined;
        return records;
      },
      acceptPlains: (_, worker, numbers) => void this.accepted.push([worker, [...numbers]]),
    };
    this.lanes = new DirectoryLanes(addon as Addon, 1, 2, (worker, message) => {
      assert.ok(message.type === 'connect');
      this.connected.push(`${worker}: ${message.connect.clientId}`);
      this.lanes.accept(worker, accept(message.connection));
    });
  }

  /** The worker asks for these connections. */
  async ask(worker: number, connections: readonly number[]): Promise<void> {
    const outgoing = new Outgoing<ToMain>(([records]) => {
      assert.ok(records instanceof Uint8Array);
      this.asked[worker] = records;
    }, writeToMain);
    for (const connection of connections) outgoing.send({ type: 'connect', connection, connect: request });
    await turn();
  }
}

const request = {
  clientId: 'c',
  protocolVersion: 5,
  cleanStart: true,
  sessionExpirySeconds: 0,
  username: undefined,
  password: undefined,
  authenticationMethod: undefined,
  authenticationData: undefined,
  transport: 'ws',
  remoteAddress: '::1',
  listener: 0,
  tls: undefined,
  willTopic: undefined,
  token: undefined,
} as const;

test('the clients of a batch are accepted in one call, as soon as it is handled', async () => {
  const stage = new Stage();
  await stage.ask(1, [1, 2]);
  stage.ring(1);
  assert.deepEqual(stage.connected, ['1: c', '1: c']);
  assert.deepEqual(stage.accepted, [[1, [1, 10, 2, 20]]]);
  stage.ring(1); // nothing is left
  stage.lanes.take(0);
  assert.equal(stage.accepted.length, 1);
});

test('a client that is accepted later is accepted in the same turn, or before something is posted', async () => {
  const { lanes, accepted } = new Stage();
  assert.ok(lanes.accept(0, accept(1)));
  assert.ok(lanes.accept(1, accept(2)));
  assert.ok(lanes.accept(0, accept(3)));
  assert.deepEqual(accepted, []);
  await turn();
  assert.deepEqual(accepted.splice(0), [
    [0, [1, 10, 3, 30]],
    [1, [2, 20]],
  ]);
  assert.ok(lanes.accept(0, accept(4)));
  lanes.flush();
  await turn();
  assert.deepEqual(accepted, [[0, [4, 40]]]);
});

test('a batch of any size is accepted', async () => {
  const { lanes, accepted } = new Stage();
  const connections = Array.from({ length: 1_000 }, (_, index) => index + 1);
  for (const connection of connections) lanes.accept(0, accept(connection));
  await turn();
  assert.deepEqual(accepted, [[0, connections.flatMap((connection) => [connection, connection * 10])]]);
});

test('a client with a session or with anything that it is granted is accepted by a message', () => {
  const { lanes } = new Stage();
  const admission = { access: undefined, expiresAtMs: 1, subscriptions: [] };
  assert.ok(!lanes.accept(0, { ...accept(1), isNew: false }));
  assert.ok(!lanes.accept(0, { ...accept(1), authenticationData: new Uint8Array() }));
  assert.ok(!lanes.accept(0, { ...accept(1), admission }));
});
