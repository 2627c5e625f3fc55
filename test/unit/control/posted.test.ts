/** What threads post to each other: it arrives as it was sent, in order, whether it travels as bytes or as objects. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ConnectRequest, ToMain, ToWorker } from '../../../core/control/messages.ts';
import { Outgoing } from '../../../core/control/outgoing.ts';
import {
  type Posted,
  readToMain,
  readToWorker,
  writeToMain,
  writeToWorker,
} from '../../../core/control/posted.ts';
import type { RecordWriter } from '../../../core/data-plane/record-bytes.ts';

/** Sends messages in one turn; gives what was posted, and what is read of a copy. */
async function post<Message>(
  messages: readonly Message[],
  write: (records: RecordWriter, message: Message) => boolean,
  read: (posted: readonly Posted<Message>[], take: (message: Message) => void) => void,
): Promise<{ posts: number; posted: Posted<Message>[]; taken: Message[] }> {
  const taken: Message[] = [];
  const posted: Posted<Message>[] = [];
  let posts = 0;
  const outgoing = new Outgoing<Message>((each, moved) => {
    posts++;
    const copy = structuredClone(each, { transfer: moved });
    posted.push(...copy);
    read(copy, (message) => taken.push(message));
  }, write);
  for (const message of messages) outgoing.send(message);
  await turn();
  return { posts, posted, taken };
}

const bare: ConnectRequest = {
  clientId: 'c',
  protocolVersion: 4,
  cleanStart: true,
  sessionExpirySeconds: 0,
  username: undefined,
  password: undefined,
  authenticationMethod: undefined,
  authenticationData: undefined,
  transport: 'tcp',
  remoteAddress: '::1',
  listener: 0,
  tls: undefined,
  willTopic: undefined,
  willQos: undefined,
  willRetain: undefined,
  will: undefined,
  token: undefined,
};

const full: ConnectRequest = {
  clientId: 'é€😀'.repeat(3_000),
  protocolVersion: 5,
  cleanStart: false,
  sessionExpirySeconds: 0xffffffff,
  username: '',
  password: new Uint8Array(65_535).fill(7),
  authenticationMethod: 'SCRAM-SHA-256',
  authenticationData: new Uint8Array(),
  transport: 'ws',
  remoteAddress: 'unix',
  listener: 70_000,
  tls: { version: 'TLSv1.3', serverName: 'scores.example', identity: 'ä', fingerprint256: 'AB' },
  willTopic: 'a/b',
  willQos: 2,
  willRetain: true,
  will: { packet: new Uint8Array([1, 2, 3]), delaySeconds: 9 },
  token: 'x.y.z',
};

const connect = (request: ConnectRequest, connection: number): ToMain => ({
  type: 'connect',
  connection,
  connect: request,
});

test('what a storm of clients brings travels as bytes, in one piece', async () => {
  const session = 2 ** 40 + 1;
  const row = { session, expirySeconds: 5, willDelaySeconds: 0, awayMs: 8_640_000_000 };
  const messages: ToMain[] = [
    connect(bare, 1),
    connect(full, 2 ** 33 + 1),
    connect({ ...bare, willTopic: 't', willQos: 0, willRetain: false }, 3),
    {
      type: 'closed',
      session,
      cause: 'disconnectedWithWill',
      reasonCode: 0x8e,
      row: { ...row, state: 'settled' },
    },
    {
      type: 'closed',
      session,
      cause: 'lost',
      reasonCode: 0,
      row: { ...row, state: 'absent', willDelaySeconds: undefined },
    },
  ];
  const { posts, posted, taken } = await post(messages, writeToMain, readToMain);
  assert.deepEqual(taken, messages);
  assert.equal(posts, 1);
  assert.deepEqual(
    posted.map((each) => each instanceof Uint8Array),
    [true],
  );
});

test('a plain client comes in the bytes that the data plane writes (test/native/front-end.test.cpp)', async () => {
  const hex = '00000341700000100000000500000000000000000000000163000000093139322e302e322e31';
  const request: ConnectRequest = {
    ...bare,
    protocolVersion: 5,
    transport: 'ws',
    remoteAddress: '192.0.2.1',
  };
  const taken: ToMain[] = [];
  const outgoing = new Outgoing<ToMain>(
    (posted) => readToMain(posted, (each) => taken.push(each)),
    writeToMain,
  );
  const abandoned: ToMain = { type: 'abandoned', connection: 1, clientId: 'c' };
  outgoing.send(abandoned);
  outgoing.sendRecords(Buffer.from(hex, 'hex'));
  outgoing.send(connect(bare, 1));
  await turn();
  assert.deepEqual(taken, [abandoned, connect(request, 2 ** 24 + 1), connect(bare, 1)]);
});

test('a client is accepted with all that it is granted', async () => {
  const accept = { type: 'accept', connection: 1, session: 2, isNew: true } as const;
  const nothing = { authenticationData: undefined, admission: undefined };
  const messages: ToWorker[] = [
    { ...accept, ...nothing },
    { ...accept, isNew: false, authenticationData: new Uint8Array([1]), admission: undefined },
    {
      ...accept,
      authenticationData: undefined,
      admission: {
        access: new Uint8Array([4, 5]),
        expiresAtMs: 1_700_000_000_000.5,
        subscriptions: [{ topicFilter: 'ü/#', qos: 1 }],
        quotas: { messagesPerSecond: 3 },
        topicPrefix: 'tenant/',
      },
    },
    {
      ...accept,
      authenticationData: undefined,
      admission: { access: undefined, expiresAtMs: undefined, subscriptions: [] },
    },
  ];
  const { posted, taken } = await post(messages, writeToWorker, readToWorker);
  assert.deepEqual(taken, messages);
  assert.equal(posted.length, 1);
});

test('a storm that is larger than the memory arrives whole', async () => {
  const accept = {
    type: 'accept',
    isNew: true,
    authenticationData: undefined,
    admission: undefined,
  } as const;
  const messages = Array.from(
    { length: 3_000 },
    (_, n): ToWorker => ({ ...accept, connection: n, session: n + 0.5 }),
  );
  const { taken } = await post(messages, writeToWorker, readToWorker);
  assert.deepEqual(taken, messages);
});

test('messages keep their order, whatever they travel as', async () => {
  const abandoned: ToMain = { type: 'abandoned', connection: 1, clientId: 'c' };
  const messages = [connect(bare, 1), abandoned, connect(bare, 2), connect(bare, 3), abandoned];
  const { posts, posted, taken } = await post(messages, writeToMain, readToMain);
  assert.deepEqual(taken, messages);
  assert.deepEqual([posts, posted.length], [1, 4]);
});
