/** The commands mosquitto_pub and mosquitto_sub, from the C library, in all three versions of the protocol. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { Mosquitto, type MosquittoVersion } from '../../support/clients/mosquitto.ts';
import { until } from '../../support/wait.ts';

type Act = (mosquitto: Mosquitto, stage: Awaited<ReturnType<typeof startBroker>>) => Promise<void>;

const versions: readonly MosquittoVersion[] = ['mqttv31', 'mqttv311', 'mqttv5'];

function inVersions(
  title: string,
  workerCounts: readonly number[],
  act: Act,
  inWhich: readonly MosquittoVersion[] = versions,
): void {
  for (const version of inWhich) {
    for (const workers of version === 'mqttv5' ? workerCounts : workerCounts.slice(0, 1)) {
      test(`mosquitto ${version}, ${workers} workers: ${title}`, async (context) => {
        const broker = await startBroker(context, { workers });
        await act(new Mosquitto(context, broker, version), broker);
      });
    }
  }
}

inVersions('QoS 0, 1 and 2', [1, 4], async (mosquitto) => {
  for (const granted of ['0', '1', '2']) {
    const topic = `q/${granted}`;
    const subscriber = await mosquitto.subscribe('-t', topic, '-q', granted, '-F', '%q %r %t %p');
    for (const qos of ['0', '1', '2']) {
      await mosquitto.publish(topic, '-q', qos, '-m', `from ${qos}`);
      await subscriber.untilLines(Number(qos) + 1);
    }
    const expected = ['0', '1', '2'].map((qos) => `${qos < granted ? qos : granted} 0 ${topic} from ${qos}`);
    assert.deepEqual(subscriber.lines, expected);
    await subscriber.leave();
  }
});

inVersions('a thousand lines in order', [1, 4], async (mosquitto) => {
  const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index}`);
  for (const qos of ['0', '1', '2']) {
    const run = await mosquitto.subscribe('-t', `many/${qos}`, '-q', qos, '-C', `${lines.length}`);
    await mosquitto.publishLines(`many/${qos}`, lines, '-q', qos);
    await run.succeeded();
    assert.deepEqual(run.lines, lines);
  }
});

inVersions('wildcards', [1, 4], async (mosquitto) => {
  const subscriber = await mosquitto.subscribe('-t', 'a/+/c', '-t', 'd/#', '-q', '1', '-F', '%t');
  for (const topic of ['a/b/c', 'a/b', 'a/c', 'd', 'd/e/f', 'x/d', 'a/$/c', 'd/last']) {
    await mosquitto.publish(topic, '-q', '1', '-m', 'm');
  }
  await until('the last topic', () => subscriber.lines.includes('d/last'));
  assert.deepEqual(subscriber.lines.sort(), ['a/$/c', 'a/b/c', 'd', 'd/e/f', 'd/last']);
});

inVersions('retained: set, replaced, cleared', [1, 4], async (mosquitto) => {
  const retainedThenLive = async (live: string, count: number): Promise<string[]> => {
    const run = await mosquitto.subscribe('-t', 'score', '-q', '1', '-F', '%r %p');
    await run.untilLines(count - 1);
    await mosquitto.publish('score', '-q', '1', '-m', live);
    await run.untilLines(count);
    await run.leave();
    return run.lines;
  };
  await mosquitto.publish('score', '-r', '-q', '1', '-m', '15-0');
  assert.deepEqual(await retainedThenLive('a', 2), ['1 15-0', '0 a']);
  await mosquitto.publish('score', '-r', '-q', '2', '-m', '30-0');
  assert.deepEqual(await retainedThenLive('b', 2), ['1 30-0', '0 b']);
  await mosquitto.publish('score', '-r', '-n');
  assert.deepEqual(await retainedThenLive('c', 1), ['0 c']);
});

inVersions(
  'will: on a broken connection, retained, not after a DISCONNECT',
  [1, 4],
  async (mosquitto, stage) => {
    const watcher = await mosquitto.subscribe('-t', 'gone/#', '-q', '2', '-F', '%r %q %t %p');
    const will = ['--will-payload', 'will', '--will-qos', '1'];
    const broken = await mosquitto.subscribe(
      '-t',
      'x',
      '--will-topic',
      'gone/broken',
      '--will-retain',
      ...will,
    );
    await broken.crash();
    await watcher.untilLines(1);
    const normal = await mosquitto.subscribe('-t', 'x', '-C', '1', '--will-topic', 'gone/normal', ...will);
    const { connections } = stage.broker.statistics();
    await mosquitto.publish('x', '-m', 'and leave');
    await normal.succeeded();
    await until('the end of the connection', () => stage.broker.statistics().connections < connections);
    await stage.broker.publish('gone/normal', 'last');
    await watcher.untilLines(2);
    assert.deepEqual(watcher.lines, ['0 1 gone/broken will', '0 1 gone/normal last']);
    const late = await mosquitto.subscribe('-t', 'gone/#', '-q', '1', '-F', '%r %q %t %p', '-C', '1');
    await late.succeeded();
    assert.deepEqual(late.lines, ['1 1 gone/broken will']);
  },
);

inVersions(
  'persistent session: what was published meanwhile comes in order, once',
  [1, 4],
  async (mosquitto) => {
    const session = ['-i', 'away', '-t', 'news', '-q', '2'];
    const away = Array.from({ length: 50 }, (_, index) => `${index}`);
    for (const qos of ['1', '2']) {
      await mosquitto.run('-c', ...session, '-E').succeeded();
      await mosquitto.publishLines('news', away, '-q', qos);
      const back = mosquitto.run('-c', ...session, '-F', '%q %p');
      await back.untilLines(away.length);
      await mosquitto.publish('news', '-q', qos, '-m', 'live');
      await back.untilLines(away.length + 1);
      await back.leave();
      assert.deepEqual(
        back.lines,
        [...away, 'live'].map((text) => `${qos} ${text}`),
      );
    }
  },
);

inVersions('a clean start drops the session', [1, 4], async (mosquitto) => {
  await mosquitto.run('-c', '-i', 'away', '-t', 'news', '-t', 'other', '-q', '1', '-E').succeeded();
  await mosquitto.publish('news', '-q', '1', '-m', 'lost');
  const clean = await mosquitto.subscribe('-i', 'away', '-t', 'news', '-q', '1');
  await mosquitto.publish('other', '-q', '1', '-m', 'not subscribed');
  await mosquitto.publish('news', '-q', '1', '-m', 'live');
  await clean.untilLines(1);
  assert.deepEqual(clean.lines, ['live']);
});

inVersions('takeover', [1, 4], async (mosquitto, stage) => {
  const first = await mosquitto.subscribe('-c', '-i', 'same', '-t', 'news', '-q', '1');
  const taken = new Promise<number>((resolve) => {
    stage.broker.once('clientDisconnected', (_, { reasonCode }) => resolve(reasonCode));
  });
  first.process.kill('SIGSTOP'); // or it would come back and take over in its turn
  const second = mosquitto.run('-c', '-i', 'same', '-t', 'news', '-q', '1');
  assert.equal(await taken, 0x8e);
  await mosquitto.publish('news', '-q', '1', '-m', 'to the second');
  await second.untilLines(1);
  await first.crash();
  assert.deepEqual([first.lines, second.lines], [[], ['to the second']]);
});

inVersions('256 KiB there and back', [1, 4], async (mosquitto) => {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-'));
  try {
    const payload = randomBytes(256 * 1_024);
    writeFileSync(join(folder, 'payload'), payload);
    for (const qos of ['0', '1', '2']) {
      const run = await mosquitto.subscribe('-t', 'big', '-q', qos, '-F', '%x', '-C', '1');
      await mosquitto.publish('big', '-q', qos, '-f', join(folder, 'payload'));
      await run.succeeded();
      assert.ok(run.lines[0] === payload.toString('hex'), `QoS ${qos}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

inVersions('after UNSUBSCRIBE nothing more comes', [1], async (mosquitto) => {
  await mosquitto.run('-c', '-i', 'away', '-t', 'a', '-t', 'b', '-q', '1', '-E').succeeded();
  await mosquitto.run('-c', '-i', 'away', '-U', 'a', '-t', 'c', '-q', '1', '-E').succeeded();
  for (const topic of ['a', 'b', 'c']) await mosquitto.publish(topic, '-q', '1', '-m', topic);
  const back = mosquitto.run('-c', '-i', 'away', '-t', 'c', '-q', '1');
  await back.untilLines(2);
  await mosquitto.publish('c', '-q', '1', '-m', 'last');
  await back.untilLines(3);
  assert.deepEqual(back.lines.sort(), ['b', 'c', 'last']);
});

const v5: readonly MosquittoVersion[] = ['mqttv5'];

inVersions(
  'properties arrive as they were sent',
  [1],
  async (mosquitto) => {
    const format = ['-F', '%C|%R|%D|%F|%P|%S|%p'];
    const run = await mosquitto.subscribe(
      '-t',
      'p',
      '-D',
      'subscribe',
      'subscription-identifier',
      '42',
      ...format,
    );
    const properties = [
      ...['content-type', 'text/plain'],
      ...['response-topic', 'answers'],
      ...['correlation-data', 'c1'],
      ...['payload-format-indicator', '1'],
      ...['user-property', 'z', '1'],
      ...['user-property', 'a', '2'],
      ...['user-property', 'z', '3'],
    ];
    const flags: string[] = [];
    for (let at = 0; at < properties.length; ) {
      const count = properties[at] === 'user-property' ? 3 : 2;
      flags.push('-D', 'publish', ...properties.slice(at, at + count));
      at += count;
    }
    await mosquitto.publish('p', '-q', '1', '-m', 'm', ...flags);
    await run.untilLines(1);
    assert.deepEqual(run.lines, ['text/plain|answers|c1|1|z:1 a:2 z:3|42|m']);
  },
  v5,
);

inVersions(
  'message expiry is counted down, and session expiry kept',
  [1],
  async (mosquitto, stage) => {
    const { broker } = stage;
    await mosquitto.run('-c', '-x', '100', '-i', 'away', '-t', 'e', '-q', '1', '-E').succeeded();
    const startMs = performance.now();
    await mosquitto.publish('e', '-q', '1', '-m', 'long', '-D', 'publish', 'message-expiry-interval', '100');
    await mosquitto.publish('e', '-q', '1', '-m', 'short', '-D', 'publish', 'message-expiry-interval', '1');
    const publishedMs = performance.now();
    await until('a second and more', () => performance.now() - publishedMs > 1_100);
    const back = mosquitto.run('-c', '-x', '1', '-i', 'away', '-t', 'e', '-q', '1', '-F', '%E %p', '-C', '1');
    await back.succeeded();
    const [left = '', payload] = back.lines[0]?.split(' ') ?? [];
    assert.equal(payload, 'long');
    const passedMax = Math.ceil((performance.now() - startMs) / 1_000) + 1;
    assert.ok(Number(left) <= 99 && Number(left) >= 100 - passedMax, left);
    const { sessions } = broker.statistics();
    await until('the end of the session', () => broker.statistics().sessions < sessions);
    assert.equal(broker.statistics().queued, 0);
  },
  v5,
);

inVersions(
  'a will is sent after a DISCONNECT that asks for it',
  [1],
  async (mosquitto) => {
    const watcher = await mosquitto.subscribe('-t', 'gone');
    const client = await mosquitto.subscribe('-t', 'x', '--will-topic', 'gone', '--will-payload', 'will');
    await client.leave();
    await watcher.untilLines(1);
    assert.deepEqual(watcher.lines, ['will']);
  },
  v5,
);

inVersions(
  'a will waits for its delay',
  [1],
  async (mosquitto) => {
    const watcher = await mosquitto.subscribe('-t', 'gone');
    const delay = ['-D', 'will', 'will-delay-interval', '1', '-x', '100'];
    const client = await mosquitto.subscribe(
      '-t',
      'x',
      '--will-topic',
      'gone',
      '--will-payload',
      'w',
      ...delay,
    );
    const crashedMs = performance.now();
    await client.crash();
    await watcher.untilLines(1);
    assert.ok(performance.now() - crashedMs >= 990);
  },
  v5,
);
