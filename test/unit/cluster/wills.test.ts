/** Delayed wills, whose nodes are lost one after the other, in a simulated cluster. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionHolder } from '../../../core/cluster/client-directory.ts';
import { Cluster } from '../../../core/cluster/cluster.ts';
import { Subjects } from '../../../core/cluster/ports.ts';
import { linkVersions } from '../../../core/data-plane/addon.ts';
import { SimulatedNats } from '../../support/cluster/simulated-nats.ts';
import { Actor, SimulatedTime } from '../../support/cluster/simulated-time.ts';
import { Random } from '../../support/random.ts';

interface Node {
  readonly actor: Actor;
  readonly cluster: Cluster;
  readonly adopted: string[];
  readonly published: string[];
}

class Stage {
  readonly time = new SimulatedTime();
  readonly nats = new SimulatedNats(this.time, new Random(1));

  /** `takes`: the sessions that it is to adopt. */
  start(name: string, takes: boolean): Node {
    const actor = new Actor(this.time);
    const [adopted, published]: [string[], string[]] = [[], []];
    const sessions: SessionHolder = {
      yield: (_clientId, _isClean, done) => void done(undefined),
      lookAtLent: () => {},
      takeBack: () => {},
      endLent: () => {},
      adopt: (clientId, _worker, isWillKept) => {
        adopted.push(`${clientId} ${isWillKept}`);
        return takes;
      },
      clientIds: () => [],
      stampOf: () => 0,
      endOutdated: () => {},
    };
    const cluster: Cluster = new Cluster({
      clock: actor.clock,
      post: this.nats.postOf(actor),
      register: this.nats.registerOf(actor),
      subjects: new Subjects('test'),
      name,
      id: name,
      workers: 1,
      keepsData: false,
      links: linkVersions,
      makeKeys: () => '00112233'.repeat(8),
      soon: (action) => void actor.clock.after(0, action),
      sessions: () => sessions,
      onView: ({ epoch }) => void actor.clock.after(1, () => cluster.dataPlaneApplied(epoch, 0)),
      onQuestion: () => Promise.resolve({ status: 0, text: '' }),
      publishWill: ({ packet }) => published.push(packet),
      onMove: () => {},
      onNews: () => {},
      onEvicted: () => {},
      onReach: () => {},
      onNote: () => {},
    });
    cluster.join((refusal) => assert.equal(refusal, undefined));
    this.time.run(5_000);
    return { actor, cluster, adopted, published };
  }

  kill({ actor, cluster }: Node): void {
    cluster.stop();
    actor.isGone = true;
    this.nats.forget(actor);
  }
}

test('a session moves from a node that stops, and its new node is lost: its delayed will is published all the same', () => {
  for (const takes of [true, false]) {
    const stage = new Stage();
    const nodes = ['a', 'b', 'c'].map((name) => stage.start(name, takes));
    stage.time.run(10_000);
    const [leaving, ...others] = nodes;
    assert.ok(leaving !== undefined);
    leaving.cluster.setWill('mortal', { packet: 'a will', topicPrefix: '', delayMs: 20_000 });
    stage.time.run(1_000);
    assert.ok(leaving.cluster.giveSessions(['mortal', 'without a will']));
    stage.time.run(1_000);
    assert.deepEqual(others.flatMap(({ adopted }) => adopted).toSorted(), [
      'mortal true',
      'without a will false',
    ]);
    leaving.cluster.setWill('mortal', undefined); // it has left
    leaving.cluster.leave(() => {});
    stage.time.run(8_000);
    const taker = others.find(({ adopted }) => adopted.includes('mortal true')) ?? assert.fail();
    stage.kill(taker);
    stage.time.run(15_000);
    assert.deepEqual(
      others.flatMap(({ published }) => published),
      [],
    );
    stage.time.run(15_000);
    assert.deepEqual(
      others.flatMap(({ published }) => published),
      takes ? ['a will'] : [],
    );
  }
});

test('the node that waits for the delay of a will is lost as well: the will is published in time, or cancelled', () => {
  for (const returns of [false, true]) {
    const stage = new Stage();
    const [first, ...others] = ['a', 'b', 'c', 'd'].map((name) => stage.start(name, false));
    stage.time.run(10_000);
    assert.ok(first !== undefined);
    first.cluster.setWill('mortal', { packet: 'a will', topicPrefix: '', delayMs: 60_000, isStored: true });
    stage.time.run(1_000);
    const kept = others.find(({ cluster }) => cluster.willsKept > 0) ?? assert.fail();
    stage.kill(first);
    stage.time.run(15_000);
    stage.kill(kept);
    stage.time.run(15_000);
    const left = others.filter((node) => node !== kept);
    assert.equal(
      left.reduce((sum, { cluster }) => sum + cluster.willsKept, 0),
      1,
    );
    if (returns) left[0]?.cluster.claim('mortal', false, () => {});
    stage.time.run(20_000);
    const published = (): string[] => others.flatMap((node) => node.published);
    assert.deepEqual(published(), []);
    stage.time.run(20_000);
    assert.deepEqual(published(), returns ? [] : ['a will']);
    assert.equal(
      left.reduce((sum, { cluster }) => sum + cluster.willsKept, 0),
      0,
    );
  }
});
