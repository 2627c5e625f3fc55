import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterFigures } from '../../../core/control/cluster-control.ts';
import { type CounterName, counterNames } from '../../../core/data-plane/addon.ts';
import type { Clock } from '../../../core/sessions/timers.ts';
import { ClusterTopics } from '../../../core/statistics/cluster-topics.ts';
import { LoadAverages } from '../../../core/statistics/load-averages.ts';
import { OverviewPublisher } from '../../../core/statistics/overview-publisher.ts';
import { SysPublisher } from '../../../core/statistics/sys-publisher.ts';
import { ReasonCode } from '../../../core/wire/reason-code.ts';
import { FakeClock as MsClock } from '../../support/fake-clock.ts';

/** Runs what is due when the test says so. */
class FakeClock implements Clock {
  nowSeconds = 0;
  #due: { atSeconds: number; action: () => void } | undefined;

  nowMs(): number {
    return this.nowSeconds * 1_000;
  }

  after(ms: number, action: () => void) {
    const due = { atSeconds: this.nowSeconds + ms / 1_000, action };
    this.#due = due;
    return {
      cancel: () => {
        if (this.#due === due) this.#due = undefined;
      },
    };
  }

  advance(seconds: number): void {
    const endSeconds = this.nowSeconds + seconds;
    while (this.#due !== undefined && this.#due.atSeconds <= endSeconds) {
      const { atSeconds, action } = this.#due;
      this.#due = undefined;
      this.nowSeconds = atSeconds;
      action();
    }
    this.nowSeconds = endSeconds;
  }
}

function publisherFor(sysIntervalSeconds = 10) {
  const config = { sysIntervalSeconds };
  const clock = new FakeClock();
  const counters = Object.fromEntries(counterNames.map((name) => [name, 0])) as Record<CounterName, number>;
  const clients = {
    connected: 0,
    total: 0,
    maximum: 0,
    expired: 0,
    accepted: 0,
    sessionsRefused: 0,
    storageRefused: 0,
  };
  const published: (readonly [topic: string, payload: string])[] = [];
  const publisher = new SysPublisher({
    config,
    clock,
    more: () => [],
    sample: () => ({
      version: '1.2.3',
      uptimeSeconds: clock.nowSeconds,
      counters,
      clients,
      memoryBytes: 1_000,
      memoryBytesPeak: 2_000,
    }),
    publish: (topic, payload) => published.push([topic, payload]),
  });
  /** What was published since, by topic below $SYS/broker. */
  const taken = (): Record<string, string> => {
    const messages = published.splice(0);
    const byName = Object.fromEntries(
      messages.map(([topic, payload]) => [topic.replace(/^\$SYS\/broker\//, ''), payload]),
    );
    assert.equal(Object.keys(byName).length, messages.length, 'a topic was published twice');
    return byName;
  };
  return { publisher, config, clock, counters, clients, taken };
}

test('when the interval becomes 0, every topic is cleared, and published again when it has another one', () => {
  const { publisher, config, clock, taken } = publisherFor();
  publisher.start();
  const topics = Object.keys(taken());
  publisher.forget();
  config.sysIntervalSeconds = 0;
  publisher.restart();
  assert.deepEqual(taken(), Object.fromEntries(topics.map((topic) => [topic, ''])));
  publisher.restart();
  clock.advance(100);
  assert.deepEqual(taken(), {});
  config.sysIntervalSeconds = 5;
  publisher.restart();
  assert.deepEqual(Object.keys(taken()), topics);
});

test('at the start every topic is published, with the names of mosquitto', () => {
  const { publisher, taken } = publisherFor();
  publisher.start();
  const load = ['connections', 'sockets', 'messages/received', 'messages/sent', 'publish/received'].concat([
    'publish/sent',
    'publish/dropped',
    'bytes/received',
    'bytes/sent',
  ]);
  assert.deepEqual(taken(), {
    version: 'RallyMQ version 1.2.3',
    uptime: '0 seconds',
    'clients/total': '0',
    'clients/connected': '0',
    'clients/active': '0',
    'clients/disconnected': '0',
    'clients/inactive': '0',
    'clients/maximum': '0',
    'clients/expired': '0',
    'messages/received': '0',
    'messages/sent': '0',
    'messages/stored': '0',
    'store/messages/count': '0',
    'publish/messages/received': '0',
    'publish/messages/sent': '0',
    'publish/messages/dropped': '0',
    'bytes/received': '0',
    'bytes/sent': '0',
    'subscriptions/count': '0',
    'shared_subscriptions/count': '0',
    'retained messages/count': '0',
    'heap/current': '1000',
    'heap/maximum': '2000',
    ...Object.fromEntries(
      load.flatMap((name) => ['1min', '5min', '15min'].map((period) => [`load/${name}/${period}`, '0.00'])),
    ),
  });
});

test('at each interval what has changed is published', () => {
  const { publisher, clock, counters, clients, taken } = publisherFor();
  publisher.start();
  taken();
  clock.advance(9);
  assert.deepEqual(taken(), {});
  clock.advance(1);
  assert.deepEqual(taken(), { uptime: '10 seconds' });
  counters.retained = 3;
  counters.queued = 4;
  clients.connected = 2;
  clients.total = 5;
  clock.advance(10);
  assert.deepEqual(taken(), {
    uptime: '20 seconds',
    'clients/total': '5',
    'clients/connected': '2',
    'clients/active': '2',
    'clients/disconnected': '3',
    'clients/inactive': '3',
    'messages/stored': '7',
    'store/messages/count': '7',
    'retained messages/count': '3',
  });
});

test('messages are packets of all types, and dropped is whatever was dropped', () => {
  const { publisher, counters, taken } = publisherFor();
  Object.assign(counters, { publishReceived: 10, otherReceived: 5, publishSent: 7, otherSent: 1 });
  Object.assign(counters, { droppedQos0: 1, droppedQueueFull: 10, droppedTooLarge: 100 });
  Object.assign(counters, { droppedExpired: 1_000 });
  publisher.start();
  const values = taken();
  assert.deepEqual(
    ['messages/received', 'messages/sent', 'publish/messages/received', 'publish/messages/sent'].map(
      (name) => values[name],
    ),
    ['15', '8', '10', '7'],
  );
  assert.equal(values['publish/messages/dropped'], '1111');
});

test('the load rises and falls with what happens', () => {
  const { publisher, clock, counters, taken } = publisherFor();
  publisher.start();
  taken();
  counters.publishReceived = 100; // in 10 s, which is 600 a minute
  clock.advance(10);
  const first = taken();
  assert.equal(first['load/publish/received/1min'], (600 * (1 - Math.exp(-10 / 60))).toFixed(2));
  assert.equal(first['load/publish/received/5min'], (600 * (1 - Math.exp(-10 / 300))).toFixed(2));
  assert.equal(first['load/publish/received/15min'], (600 * (1 - Math.exp(-10 / 900))).toFixed(2));
  clock.advance(10);
  const faded = 600 * (1 - Math.exp(-10 / 60)) * Math.exp(-10 / 60);
  assert.equal(taken()['load/publish/received/1min'], faded.toFixed(2));
});

test('a steady rate becomes the load', () => {
  const load = new LoadAverages();
  for (let minute = 1; minute <= 120; minute++) load.sample(minute * 60, 60);
  for (const period of ['1min', '5min', '15min'] as const) {
    assert.ok(Math.abs(load.perMinute(period) - 60) < 0.1, period);
  }
});

test('after forget() everything is published again, and after stop() nothing', () => {
  const { publisher, clock, taken } = publisherFor();
  publisher.start();
  const all = Object.keys(taken()).length;
  publisher.forget();
  clock.advance(10);
  assert.equal(Object.keys(taken()).length, all);
  publisher.stop();
  clock.advance(1_000);
  assert.deepEqual(taken(), {});
});

test('a node of a cluster tells of its own lanes, and the longest there of the nodes; what is gone is cleared', () => {
  const lanes = {
    waitingBytes: 1,
    waitingMs: 2,
    framesSent: 3,
    framesResent: 4,
    bytesSent: 5,
    bytesReceived: 6,
  };
  const node = (name: string, isHere: boolean) =>
    ({ name, incarnation: 1, isHere, state: 'serving', workers: 1, slots: 512 }) as const;
  const figures = (here: string, ...names: string[]): ClusterFigures => ({
    nodes: names.map((name) => node(name, name === here)),
    epoch: 7,
    isReached: true,
    isSettled: true,
    clientIdentifiers: 0,
    messagesResent: 0,
    logsNotTakenOver: 0,
    lanes: new Map(names.filter((name) => name !== here).map((name) => [name, lanes])),
  });
  const [first, second] = [new ClusterTopics(), new ClusterTopics()];
  const told = new Map(first.messages(figures('a', 'a', 'b')));
  assert.equal(told.get('$SYS/cluster/epoch'), '7');
  assert.equal(told.get('$SYS/cluster/nodes/b/slots'), '512');
  assert.equal(told.get('$SYS/cluster/nodes/a/lanes/b/waiting_ms'), '2');
  assert.ok(!told.has('$SYS/cluster/nodes/b/lanes/a/waiting_ms'));
  assert.deepEqual(
    second.messages(figures('b', 'a', 'b')).map(([topic]) => topic),
    ['waiting_bytes', 'waiting_ms', 'frames_resent'].map((name) => `$SYS/cluster/nodes/b/lanes/a/${name}`),
  );
  const after = new Map(first.messages(figures('a', 'a')));
  assert.equal(after.get('$SYS/cluster/nodes/b/state'), '');
  assert.equal(after.get('$SYS/cluster/nodes/a/lanes/b/waiting_bytes'), '');
  assert.equal(after.get('$SYS/cluster/nodes/b/lanes/a/frames_resent'), '');
  assert.deepEqual(first.messages({ ...figures('a', 'a'), isReached: false }), []);
  const aboutB = (...names: string[]) =>
    first.messages(figures('a', ...names)).filter(([topic]) => topic.includes('/b/')).length;
  assert.equal(aboutB('a'), 0, 'it is cleared once, or each lost node would cost more than the one before');
  assert.ok(aboutB('a', 'b') > 0);
  assert.ok(aboutB('a') > 0);
  assert.equal(aboutB('a'), 0);
});

test('the overview is published soon after a dashboard has come, each second while there is one, and no longer', async () => {
  const clock = new MsClock();
  const startMs = clock.nowMs();
  const publishedAt: number[] = [];
  let answer: () => Promise<number> = () => Promise.resolve(ReasonCode.success);
  const publisher = new OverviewPublisher({
    clock,
    overview: () => '{}',
    publish: () => {
      publishedAt.push(clock.nowMs() - startMs);
      return answer();
    },
  });
  const play = async (seconds: number): Promise<readonly number[]> => {
    publishedAt.length = 0;
    for (let tenths = 0; tenths < seconds * 10; tenths++) {
      clock.advance(100);
      await new Promise(setImmediate); // the answer comes
    }
    return [...publishedAt];
  };
  assert.deepEqual(await play(5), []);
  publisher.wake();
  assert.deepEqual(await play(3), [5_100, 6_100, 7_100]);
  answer = () => Promise.resolve(ReasonCode.noMatchingSubscribers);
  assert.equal((await play(20)).length, 6, 'the dashboard may come back');
  assert.deepEqual(await play(5), []);
  answer = () => Promise.reject(new Error('too large'));
  publisher.wake();
  assert.equal((await play(20)).length, 5);
  answer = () => Promise.resolve(ReasonCode.success);
  publisher.wake();
  assert.equal((await play(2)).length, 2);
  publisher.stop();
  publisher.wake();
  assert.deepEqual(await play(5), []);
});
