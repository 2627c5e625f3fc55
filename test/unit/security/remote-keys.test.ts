/** The keys of a JWKS: rotated, kept while the server is down, and never taken from an answer that is none. */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { KeysUnavailable, RemoteKeys } from '../../../core/security/token-keys.ts';
import { TokenProvider } from '../../../core/security/token-provider.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { listen } from '../../support/listen.ts';
import { within } from '../../support/wait.ts';

interface Stage {
  asked: number;
  answer(response: ServerResponse): void;
}

async function start(t: TestContext, query = '') {
  const clock = new FakeClock();
  const stage: Stage = { asked: 0, answer: (response) => response.end() };
  const server = createServer((_, response) => {
    stage.asked++;
    stage.answer(response);
  });
  const keys = new RemoteKeys(`${await listen(t, server)}${query}`, clock);
  const isGood = async (token: string): Promise<boolean | 'unavailable'> => {
    try {
      await jwtVerify(token, keys.find, { algorithms: [...keys.algorithms] });
      return true;
    } catch (error) {
      return error instanceof KeysUnavailable ? 'unavailable' : false;
    }
  };
  return { clock, stage, keys, isGood };
}

async function pair(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const token = await new SignJWT({ sub: 'lee' }).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
  return { jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' }, token };
}

const showing =
  (...keys: readonly object[]) =>
  (response: ServerResponse): void =>
    void response.end(JSON.stringify({ keys }));

test('keys are rotated: a new one counts when a token names it, an old one until it is taken out', async (t) => {
  const { clock, stage, isGood } = await start(t);
  const [old, young] = [await pair('1'), await pair('2')];
  stage.answer = showing(old.jwk);
  assert.equal(await isGood(old.token), true);
  stage.answer = showing(old.jwk, young.jwk);
  assert.equal(
    await isGood(young.token),
    false,
    'anybody can invent a key: it is asked for every 30 s at most',
  );
  clock.advance(30_000);
  assert.deepEqual([await isGood(young.token), await isGood(old.token)], [true, true]);
  stage.answer = showing(young.jwk);
  clock.advance(3_600_001);
  assert.equal(await isGood(old.token), false);
  assert.equal(await isGood(young.token), true);
});

test('all that come with a new key while the keys are fetched wait for them', async (t) => {
  const { clock, stage, isGood } = await start(t);
  const [old, young] = [await pair('1'), await pair('2')];
  stage.answer = showing(old.jwk);
  assert.equal(await isGood(old.token), true);
  clock.advance(30_000);
  let arrived = (): void => {};
  const isAsked = new Promise<void>((resolve) => (arrived = resolve));
  let release = (): void => {};
  stage.answer = (response) => {
    release = () => showing(young.jwk)(response);
    arrived();
  };
  const first = isGood(young.token);
  await within('the question', isAsked);
  const others = [isGood(young.token), isGood(young.token)];
  await new Promise((resolve) => setImmediate(resolve));
  release();
  assert.deepEqual(await Promise.all([first, ...others]), [true, true, true]);
  assert.equal(stage.asked, 2, 'one question for all of them');
});

test('a server that is down changes nothing for an hour; then, and for an answer that is none, nobody is let in', async (t) => {
  const { clock, stage, isGood } = await start(t);
  const { jwk, token } = await pair('1');
  const other = await pair('1'); // of the same name, which whoever answers could give
  stage.answer = showing(jwk);
  assert.equal(await isGood(token), true);
  const bad: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(500).end(),
    (response) => response.writeHead(302, { location: '/other' }).end(),
    (response) => response.end('<html>'),
    (response) => response.end('{"keys":{}}'),
    (response) => response.end(`{"keys":[],"x":"${'x'.repeat(1_100_000)}"}`),
  ];
  stage.answer = (response) => response.destroy();
  clock.advance(3_600_000);
  assert.equal(await isGood(token), true);
  assert.equal(await isGood(other.token), false);
  clock.advance(1);
  for (const answer of bad) {
    stage.answer = answer;
    assert.equal(await isGood(token), 'unavailable');
    clock.advance(1_000);
  }
  stage.answer = showing(jwk);
  assert.equal(await isGood(token), true);
});

test('while there are no keys, they are asked for once a second, however many tokens come', async (t) => {
  const { clock, stage, isGood } = await start(t);
  const { jwk, token } = await pair('1');
  stage.answer = (response) => response.writeHead(503).end();
  for (const asked of [1, 2, 3]) {
    for (let each = 0; each < 5; each++) assert.equal(await isGood(token), 'unavailable');
    assert.equal(stage.asked, asked);
    clock.advance(1_000);
  }
  stage.answer = showing(jwk);
  assert.equal(await isGood(token), true);
});

test('an answer that does not end is given up at 1 MiB, and its connection is cut', async (t) => {
  const { stage, isGood } = await start(t);
  let written = 0;
  const closed = new Promise<void>((resolve) => {
    stage.answer = (response) => {
      const more = (): void => {
        if (response.destroyed) return;
        written += 65_536;
        response.write(' '.repeat(65_536), () => setImmediate(more));
      };
      response.on('close', resolve);
      more();
    };
  });
  assert.equal(await isGood((await pair('1')).token), 'unavailable');
  await closed;
  assert.ok(written < 16 * 1_048_576, `${written} bytes were taken`);
});

test('why keys cannot be fetched is in the log, without what is secret in their address', async (t) => {
  const { stage, keys } = await start(t, '/jwks?key=s3cret');
  stage.answer = (response) => response.writeHead(500).end();
  const provider = new TokenProvider({
    keys: () => keys,
    issuer: undefined,
    audience: undefined,
    usernameClaim: 'sub',
    clientIdClaim: undefined,
    tenantClaim: undefined,
    nowMs: () => 0,
  });
  const client = { clientId: 'c', remoteAddress: '192.0.2.1', transport: 'ws' } as const;
  const decision = await provider.decide({ ...client, token: (await pair('1')).token });
  assert.ok(decision !== 'unknown' && 'reasonCode' in decision);
  assert.equal(decision.reasonCode, 0x88);
  assert.match(
    decision.why ?? '',
    /^the keys of http:.*\/jwks\?withheld cannot be fetched \(.*status 500\)$/,
  );
});
