/** Other brokers with the same work, and the command's messages when something is missing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { benchApiKey } from '../../../bench/http/api-key.ts';
import { besideClients, clientsOf } from '../../../bench/http/crowd.ts';
import { shoot } from '../../../bench/http/run.ts';
import { compileGenerator } from '../../../bench/load/generator.ts';
import { faultsOf } from '../../../bench/load/metrics.ts';
import { scenariosOf } from '../../../bench/load/scenarios.ts';
import { aedes } from '../../../bench/peers/aedes.ts';
import { externalPeers } from '../../../bench/peers/external.ts';
import { interleave } from '../../../bench/peers/interleave.ts';
import { mosquitto } from '../../../bench/peers/mosquitto.ts';
import type { RunningPeer } from '../../../bench/peers/peer.ts';
import { rallymq, rallymqWith } from '../../../bench/peers/rallymq.ts';
import { unusedPort } from '../../support/command.ts';

const cli = resolve(import.meta.dirname, '../../../bench/cli.js');

test('the same scenarios go to each broker in turns, and every round begins with another', async (t) => {
  const running = await rallymq(1).start();
  t.after(() => running.stop());
  assert.ok(running.ws && running.tcp);
  const external = await externalPeers([
    `twin=ws://localhost:${running.ws.port}${running.ws.path},${running.pid}`,
    `twin=mqtt://127.0.0.1:${running.tcp.port}`,
  ]);
  const played = await interleave({
    generator: await compileGenerator(),
    scenarios: scenariosOf('smoke').filter(({ name }) =>
      ['p2p', 'half-load-each', 'p2p-qos1-tcp'].includes(name),
    ),
    peers: [...external, await mosquitto(), await aedes()],
    rounds: 2,
    flags: { drain: 60_000 },
  });
  assert.deepEqual(
    played.map(({ scenario, peer, round }) => `${scenario} ${round} ${peer}`),
    ['p2p', 'half-load-each', 'p2p-qos1-tcp'].flatMap((name) => [
      ...['twin', 'mosquitto', 'aedes'].map((peer) => `${name} 0 ${peer}`),
      ...['mosquitto', 'aedes', 'twin'].map((peer) => `${name} 1 ${peer}`),
    ]),
  );
  for (const { peer, scenario, result, error } of played) {
    assert.equal(error, undefined, `${scenario}, ${peer}`);
    assert.ok(result);
    assert.equal(faultsOf(result), '', `${scenario}, ${peer}`);
    assert.ok((result.stages[0]?.delivered ?? 0) > 0, `${scenario}, ${peer}`);
    assert.ok(result.stages[0]?.broker, 'its process is known');
  }
});

test('a broker that runs already takes part over TLS', async (t) => {
  const running = await rallymq(1).start();
  t.after(() => running.stop());
  const played = await interleave({
    generator: await compileGenerator(),
    scenarios: scenariosOf('smoke').filter(({ name }) => name === 'p2p-wss'),
    peers: await externalPeers([`twin=wss://127.0.0.1:${running.wss?.port}${running.wss?.path}`]),
    rounds: 1,
    flags: {},
  });
  assert.deepEqual(
    played.map(({ result }) => result && faultsOf(result)),
    [''],
  );
});

test('a broker that has a command is started for it', async () => {
  const port = await unusedPort();
  const address = `own=mqtt://127.0.0.1:${port}`;
  const [peer] = await externalPeers(
    [address],
    [`own='${process.execPath}' -e "require('net').createServer().listen(${port}, '127.0.0.1')"`],
  );
  assert.ok(peer);
  assert.equal(peer.isExternal, undefined);
  for (let round = 0; round < 2; round++) {
    const running: RunningPeer = await peer.start();
    assert.equal(running.tcp?.port, port);
    assert.match(await readFile(`/proc/${running.pid}/comm`, 'utf8'), /node|MainThread/);
    await assert.rejects(async () => await peer.start(), /something listens on 127\.0\.0\.1:\d+ already/);
    await running.stop();
  }
  const [silent] = await externalPeers([address], ['own=echo it has no licence; exit 3']);
  await assert.rejects(async () => await silent?.start(), /own did not start\.\nit has no licence/);
});

test('a scenario over a transport for which a peer gave no URL is an error of that peer alone', async (t) => {
  const running = await rallymq(1).start();
  t.after(() => running.stop());
  const [peer] = await externalPeers([`only-ws=ws://127.0.0.1:${running.ws?.port}/mqtt`]);
  assert.ok(peer);
  const played = await interleave({
    generator: await compileGenerator(),
    scenarios: scenariosOf('smoke').filter(({ name }) => ['p2p-tcp', 'p2p-v3'].includes(name)),
    peers: [peer],
    rounds: 1,
    flags: {},
  });
  assert.deepEqual(
    played.map(({ scenario, error }) => [scenario, error]),
    [
      ['p2p-tcp', 'no URL for tcp was given'],
      ['p2p-v3', undefined],
    ],
  );
  assert.equal(played[1]?.result?.stages[0]?.broker, undefined);
});

test('a peer that is not understood or not there is said in words', async () => {
  await assert.rejects(externalPeers(['nothing']), /nothing is no peer/);
  await assert.rejects(externalPeers(['a=ws:/']), /no peer|no URL|no port/);
  await assert.rejects(externalPeers(['a=http://127.0.0.1:1']), /none of ws:\/\/, wss:\/\/ and mqtt:\/\//);
  await assert.rejects(externalPeers(['a=mqtt://127.0.0.1']), /no port/);
  await assert.rejects(externalPeers([], ['a=broker']), /a has a command and no address/);
  await assert.rejects(externalPeers(['a=mqtt://127.0.0.1:1,7'], ['a=broker']), /another process/);
  await assert.rejects(externalPeers(['a=mqtt://127.0.0.1:1'], ['a= ']), /a= {2}is no command of a peer/);
  await assert.rejects(externalPeers(['a=mqtt://127.0.0.1:1'], ['a=b', 'a=c']), /a has two commands/);
  const port = await unusedPort();
  const [peer] = await externalPeers([`gone=mqtt://127.0.0.1:${port}`]);
  await assert.rejects(async () => await peer?.start(), new RegExp(`gone cannot be reached.*:${port}`));
});

test('the HTTP endpoints answer under load', async (t) => {
  const running = await rallymq(1).start();
  t.after(() => running.stop());
  const result = await shoot(`http://127.0.0.1:${running.http?.port}`, '/healthz', {
    connections: 5,
    pipelining: 1,
    seconds: 0.1,
  });
  assert.equal(result.errors + result.not2xx, 0);
  assert.ok(result.perSecond > 0);
});

test('messages are published over HTTP under load, and beside clients that are connected', async (t) => {
  const { key, file } = benchApiKey();
  const running = await rallymqWith('rallymq', ['--api-keys', file], 'with API keys').start();
  t.after(() => running.stop());
  const origin = `http://127.0.0.1:${running.http?.port}`;
  const load = { connections: 2, pipelining: 1, seconds: 0.1, key };
  const figures = async () => {
    const answer = await fetch(`${origin}/api/v1/stats`, { headers: { authorization: `Bearer ${key}` } });
    return (await answer.json()) as { connections: number; publishReceived: number };
  };
  const connected = async () => (await figures()).connections;
  assert.ok(clientsOf(40) === 40);
  const [posted, listed, seen] = await besideClients(running, 40, connected, async () => [
    await shoot(origin, '/api/v1/publish', { ...load, body: { topic: 'a' } }),
    await shoot(origin, '/api/v1/clients', load),
    await connected(),
  ]);
  for (const shot of [posted, listed]) {
    assert.ok(shot.perSecond > 0, shot.path);
    assert.equal(shot.errors + shot.not2xx, 0, shot.path);
  }
  assert.deepEqual([posted.path, seen], ['POST /api/v1/publish', 40]);
  assert.ok((await figures()).publishReceived >= posted.perSecond / 2);
});

test('the command helps, and ends with 2 when it was started in a wrong way', async () => {
  const help = await run('--help');
  assert.equal(help.code, 0);
  assert.match(help.text, /Usage: npm run bench/);
  const list = await run('scenarios');
  for (const { name } of scenariosOf('quick')) assert.ok(list.text.includes(`  ${name} `), name);
  for (const [args, why] of [
    [['speed'], /no subcommand speed/],
    [['peers', '--fast'], /--fast/],
    [['peers', '--only', 'p2p,p3p'], /no scenario p3p/],
    [['peers', '--peers', 'emqx'], /no peer emqx/],
    [['peers', '--rounds', 'two'], /--rounds needs a number above 0/],
    [['peers', '--peers', '', '--peer', `a=mqtt://127.0.0.1:${await unusedPort()}`], /cannot be reached/],
  ] as const) {
    const { code, text } = await run(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(text, why);
    assert.doesNotMatch(text, /\n\s+at /);
  }
});

async function run(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const process = spawn(globalThis.process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [process.stdout, process.stderr]) stream.on('data', (chunk) => (text += chunk));
  const [code] = await once(process, 'close');
  return { code, text };
}
