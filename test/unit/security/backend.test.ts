/** A back end over HTTP: what it is asked, what becomes of its answers, and that it fails closed. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { Authorizer } from '../../../core/security/authorizer.ts';
import { Backend, BackendBusy } from '../../../core/security/backend.ts';
import { BackendProvider } from '../../../core/security/backend-provider.ts';
import { Secret } from '../../../core/security/secret.ts';
import { type AnswerQuestion, startBackEnd } from '../../support/back-end.ts';
import { FakeClock } from '../../support/fake-clock.ts';

async function start(
  t: TestContext,
  handle: AnswerQuestion,
  options: { pendingMax?: number; timeoutMs?: number } = {},
) {
  const questions: Record<string, unknown>[] = [];
  const url = await startBackEnd(t, (question, response, request) => {
    questions.push(question);
    handle(question, response, request);
  });
  const clock = new FakeClock();
  const failures: unknown[] = [];
  const backend = new Backend({
    url: `${url}/`,
    secret: () => new Secret('open sesame'.replace(' ', '-')),
    timeoutMs: options.timeoutMs ?? 10_000,
    pendingMax: options.pendingMax ?? 10,
    answersMax: 2,
    clock,
  });
  const provider = new BackendProvider({ backend, onFailed: (error) => failures.push(error) });
  return { backend, provider, clock, questions, failures };
}

const client = { clientId: 'c1', remoteAddress: '203.0.113.7', transport: 'ws' } as const;
const lee = { ...client, username: 'lee', password: Buffer.from('secret') };

function json(response: ServerResponse, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

test('it is told who connects, with the secret, and its grant counts', async (t) => {
  let authorization: string | undefined;
  const { provider, questions } = await start(t, (_, response, request) => {
    authorization = request.headers.authorization;
    json(response, { result: 'allow', roles: ['viewer'], quotas: { messagesPerSecond: 5 } });
  });
  assert.deepEqual(await provider.decide(lee), {
    username: 'lee',
    roles: ['viewer'],
    quotas: { messagesPerSecond: 5 },
  });
  assert.deepEqual(questions[0], {
    action: 'connect',
    ...client,
    username: 'lee',
    password: 'secret',
  });
  assert.equal(authorization, 'Bearer open-sesame');
  await provider.decide({ ...client, password: Uint8Array.of(255) });
  assert.equal(questions[1]?.['passwordBase64'], '/w==');
});

test('it refuses, with a reason code of its own too, and may not know a user', async (t) => {
  const answers = [{ result: 'deny' }, { result: 'deny', reasonCode: 0x97 }, { result: 'unknown' }];
  const { provider } = await start(t, (_, response) => json(response, answers.shift()));
  assert.deepEqual(await provider.decide(lee), { reasonCode: 0x86 });
  assert.deepEqual(await provider.decide(lee), { reasonCode: 0x97 });
  assert.equal(await provider.decide(lee), 'unknown');
});

test('what is no answer refuses with 0x88, and is told without a secret in it', async (t) => {
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(500).end(),
    (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    (response) => response.writeHead(200).end('secret'),
    (response) => json(response, { result: 'yes' }),
    (response) => json(response, { result: 'allow', roles: 'viewer' }),
    (response) => json(response, { result: 'allow', mayEverything: true }),
    (response) => json(response, { result: 'allow', allow: { publish: ['a#'] } }),
    (response) => json(response, [{ result: 'allow' }]),
    (response) => response.writeHead(200).end(`{"result":"allow","x":"${'x'.repeat(70_000)}"}`),
    (response) => response.destroy(),
  ];
  const { provider, failures } = await start(t, (_, response) => answers[0]?.(response));
  while (answers.length > 0) {
    assert.deepEqual(await provider.decide(lee), { reasonCode: 0x88 }, String(answers[0]));
    answers.shift();
  }
  assert.equal(failures.length, 10);
  assert.doesNotMatch(inspect(failures, { depth: 10, showHidden: true }), /secret|sesame/);
});

test('one that takes too long refuses with 0x88, and one that is asked too much with 0x89', async (t) => {
  const slow = await start(t, () => {}, { timeoutMs: 20 }); // which may be over before the question is there
  assert.deepEqual(await slow.provider.decide(lee), { reasonCode: 0x88 });
  const endless = await start(t, (_, response) => void response.writeHead(200).write('{"result":'), {
    timeoutMs: 100,
  });
  assert.deepEqual(await endless.provider.decide(lee), { reasonCode: 0x88 });
  const waiting: ServerResponse[] = [];
  const crowded = await start(t, (_, response) => waiting.push(response), { pendingMax: 1 });
  const first = crowded.provider.decide(lee);
  const same = crowded.provider.decide(lee);
  assert.deepEqual(await crowded.provider.decide({ ...lee, username: 'kim' }), { reasonCode: 0x89 });
  while (waiting.length < 1) await new Promise((resolve) => setImmediate(resolve));
  json(waiting.at(-1) as ServerResponse, { result: 'allow' });
  assert.deepEqual([await first, await same], [{ username: 'lee' }, { username: 'lee' }]);
  assert.equal(crowded.questions.length, 1, 'the same question is asked once');
});

test('an answer is remembered for as long as it says, and no longer than an hour', async (t) => {
  const { backend, clock, questions } = await start(t, ({ topic }, response) => {
    const age = { a: 'max-age=10', b: 'private, max-age=99999', c: 'no-store, max-age=10' }[`${topic}`];
    json(response, { result: 'allow' }, age === undefined ? {} : { 'cache-control': age });
  });
  const asked = async (topic: string): Promise<number> => {
    const before = questions.length;
    await backend.ask({ topic });
    return questions.length - before;
  };
  for (const topic of ['c', 'd', 'a', 'b']) assert.equal(await asked(topic), 1);
  assert.deepEqual([await asked('a'), await asked('b'), await asked('c'), await asked('d')], [0, 0, 1, 1]);
  clock.advance(9_999);
  assert.equal((await backend.ask({ topic: 'a' })).keptMs, 1);
  clock.advance(1);
  assert.equal(await asked('a'), 1);
  clock.advance(3_590_000);
  assert.equal(await asked('b'), 1);
  assert.equal(await asked('b'), 0);
  backend.forget();
  assert.equal(await asked('b'), 1);
});

test('what was asked before everything was to be forgotten is not remembered, and asked again', async (t) => {
  const waiting: ServerResponse[] = [];
  const { backend, questions } = await start(t, (_, response) => waiting.push(response));
  const cached = { 'cache-control': 'max-age=60' };
  const answer = async (result: string): Promise<void> => {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    json(waiting.shift() as ServerResponse, { result }, cached);
  };
  const before = backend.ask({ topic: 'a' });
  backend.forget();
  const after = backend.ask({ topic: 'a' });
  await answer('allow');
  assert.deepEqual(await before, { result: 'allow', fields: { result: 'allow' }, keptMs: 0 });
  await answer('deny');
  assert.equal((await after).result, 'deny');
  assert.equal((await backend.ask({ topic: 'a' })).result, 'deny');
  assert.equal(questions.length, 2);
});

test('the hook and the back end both have to allow it; what neither says clearly is denied', async () => {
  const who = { ...client, username: 'lee' };
  const publish = { topic: 'a', qos: 1, retain: false, isWill: false } as const;
  const failures: unknown[] = [];
  const clock = new FakeClock();
  const decided = async (hook: unknown, answer?: 'allow' | 'deny' | Error) => {
    const authorizer = new Authorizer({
      publish: hook === undefined ? undefined : () => hook as boolean,
      subscribe: undefined,
      backend: answer && {
        ask: () => {
          if (answer instanceof Error) throw answer;
          return { result: answer, fields: {}, keptMs: 7_000 };
        },
      },
      timeoutMs: 1_000,
      memoryMs: 60_000,
      clock,
      onFailed: (error) => failures.push(error),
    });
    const { isAllowed, keptMs } = await authorizer.mayPublish(who, publish);
    return `${isAllowed} ${keptMs}`;
  };
  assert.equal(await decided(true), 'true 60000');
  assert.equal(await decided(false), 'false 60000');
  assert.equal(await decided({ isAllowed: true, seconds: 0 }), 'true 0');
  assert.equal(await decided({ isAllowed: true, seconds: 5 }, 'allow'), 'true 5000');
  assert.equal(await decided(true, 'allow'), 'true 7000');
  assert.equal(await decided(true, 'deny'), 'false 7000');
  assert.equal(await decided(undefined, 'allow'), 'true 7000');
  for (const nothing of [null, 'yes', 1, {}, { isAllowed: 1 }, { isAllowed: 'true', seconds: 5 }])
    assert.match(await decided(nothing), /^false/, inspect(nothing));
  assert.deepEqual(failures, []);
  assert.equal(await decided(Promise.reject(new Error('down'))), 'false 0');
  assert.equal(await decided(undefined, new BackendBusy('busy')), 'false 0');
  assert.equal(failures.length, 2);
  const late = decided(new Promise(() => {}));
  clock.advance(1_000);
  assert.equal(await late, 'false 0');
  assert.equal(failures.length, 3);
});

test('a secret shows itself to nobody', () => {
  const secret = new Secret('sesame');
  const shown = [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true }),
    String(secret),
  ];
  assert.doesNotMatch(shown.join(), /sesame/);
  assert.equal(secret.revealText(), 'sesame');
});
