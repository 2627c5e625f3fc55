/**
 * A mosquitto bridged to the broker with default settings, in both directions, that reconnects after an outage of
 * either side.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { Mosquitto, type MosquittoRun } from '../../support/clients/mosquitto.ts';
import { unusedPort } from '../../support/command.ts';
import { type MosquittoBroker, runMosquitto } from '../../support/mosquitto-broker.ts';
import { until } from '../../support/wait.ts';

const state = '$SYS/broker/connection/north.house/state';

/** What it says of the protocol, or nothing: 3.1.1 with the bridge bit. */
const protocols: readonly (readonly [title: string, ...lines: string[]])[] = [
  ['defaults'],
  ['3.1', 'bridge_protocol_version mqttv31'],
  ['3.1.1 without the bridge bit', 'bridge_protocol_version mqttv311', 'try_private false'],
  ['5', 'bridge_protocol_version mqttv50'],
];

for (const [title, ...lines] of protocols) {
  const isLoopFree = !lines.includes('try_private false');

  test(`mosquitto as a bridge, ${title}: messages pass in both directions, each once`, async (t) => {
    const stage = await Stage.open(t, lines, isLoopFree ? 'both' : 'out');
    await stage.untilState('1');
    const here = await stage.ours.subscribe('-t', 'bridged/#', '-q', '1', '-F', '%r %t %p');
    const there = await stage.theirs.subscribe('-t', 'bridged/#', '-q', '1', '-F', '%r %t %p');
    const names = Array.from({ length: 20 }, (_, index) => `m${index}`);
    await stage.theirs.publishLines('bridged/from-there', names, '-q', '1');
    if (!isLoopFree) {
      await here.untilLines(names.length);
      assert.deepEqual(here.lines, asLines('bridged/from-there', names));
      return;
    }
    await stage.ours.publishLines('bridged/from-here', names, '-q', '1');
    for (const run of [here, there]) await run.untilLines(2 * names.length);
    // Whatever had been sent back would come before these.
    await stage.theirs.publish('bridged/last-there', '-q', '1', '-m', 'last');
    await stage.ours.publish('bridged/last-here', '-q', '1', '-m', 'last');
    const expected = [
      ...asLines('bridged/from-there', names),
      ...asLines('bridged/from-here', names),
      '0 bridged/last-there last',
      '0 bridged/last-here last',
    ].sort();
    for (const run of [here, there]) {
      await run.untilLines(expected.length);
      assert.deepEqual(run.lines.sort(), expected);
    }
  });

  if (!isLoopFree) continue;

  test(`mosquitto as a bridge, ${title}: what is retained on one side is so on the other`, async (t) => {
    const stage = await Stage.open(t, lines, 'both');
    await stage.untilState('1');
    await stage.theirs.publish('bridged/there', '-q', '1', '-r', '-m', 'from there');
    await stage.ours.publish('bridged/here', '-q', '1', '-r', '-m', 'from here');
    for (const side of [stage.ours, stage.theirs]) {
      await untilRetained(side, 'bridged/there', 'from there');
      await untilRetained(side, 'bridged/here', 'from here');
    }
  });

  test(`mosquitto as a bridge, ${title}: it says whether it is there, and passes messages again when either side was away`, async (t) => {
    const stage = await Stage.open(t, lines, 'both');
    await stage.untilState('1');
    await stage.passes('before');
    await stage.bridge.kill();
    await stage.untilState('0'); // its will
    stage.bridge = await runMosquitto(t, stage.configuration, stage.bridge.tcpPort);
    await stage.untilState('1');
    await stage.passes('after its restart');
    await stage.running.broker.stop();
    stage.running = await startBroker(t, { tcpPort: stage.running.tcpPort });
    await stage.untilState('1');
    await stage.passes('after our restart');
  });
}

class Stage {
  bridge: MosquittoBroker;
  running: RunningBroker;
  readonly configuration: readonly string[];
  readonly #test: TestContext;

  private constructor(
    test: TestContext,
    running: RunningBroker,
    bridge: MosquittoBroker,
    configuration: readonly string[],
  ) {
    this.#test = test;
    this.running = running;
    this.bridge = bridge;
    this.configuration = configuration;
  }

  static async open(test: TestContext, lines: readonly string[], direction: 'both' | 'out'): Promise<Stage> {
    const running = await startBroker(test, { tcpPort: await unusedPort() });
    const configuration = [
      'connection house',
      `address 127.0.0.1:${running.tcpPort}`,
      `topic bridged/# ${direction} 1`,
      'remote_clientid north.house',
      'restart_timeout 1',
      ...lines,
    ];
    return new Stage(test, running, await runMosquitto(test, configuration), configuration);
  }

  /** A client of our broker. */
  get ours(): Mosquitto {
    return new Mosquitto(this.#test, this.running, 'mqttv5');
  }

  /** A client of mosquitto. */
  get theirs(): Mosquitto {
    return new Mosquitto(this.#test, { ...this.running, tcpPort: this.bridge.tcpPort }, 'mqttv5');
  }

  /** Waits for the retained message on the topic of its state, at our broker. */
  async untilState(value: '0' | '1'): Promise<void> {
    await untilRetained(this.ours, state, value);
  }

  async passes(text: string): Promise<void> {
    for (const [from, to] of [
      [this.ours, this.theirs],
      [this.theirs, this.ours],
    ] as const) {
      const run = await to.subscribe('-t', 'bridged/pass', '-q', '1', '-F', '%p');
      await untilOneComes(run, () => from.publish('bridged/pass', '-q', '1', '-m', text));
      assert.equal(run.lines[0], text);
      await run.leave();
    }
  }
}

/** The bridge may still be about to subscribe. */
async function untilOneComes(run: MosquittoRun, publish: () => Promise<void>): Promise<void> {
  for (let round = 0; round < 100 && run.lines.length === 0; round++) {
    await publish();
    await until('a message', () => run.lines.length > 0, 500).catch(() => {}); // it is published again
  }
  assert.ok(run.lines.length > 0, 'the bridge passes nothing on');
}

async function untilRetained(side: Mosquitto, topic: string, payload: string): Promise<void> {
  const run = await side.subscribe('-t', topic, '-q', '1', '-F', '%r %p');
  // A later one comes to the same subscription as a live message, by which the retained one was replaced.
  await until(`${topic} is ${payload}`, () => run.lines.at(-1)?.slice(2) === payload);
  await run.leave();
  const again = await side.subscribe('-t', topic, '-q', '1', '-F', '%r %p');
  await again.untilLines(1);
  assert.equal(again.lines[0], `1 ${payload}`);
  await again.leave();
}

function asLines(topic: string, texts: readonly string[]): string[] {
  return texts.map((text) => `0 ${topic} ${text}`);
}
