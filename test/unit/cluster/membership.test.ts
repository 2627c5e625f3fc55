/** Nodes that are lost, and whose logs others take over, in a simulated cluster without clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JoinRefusal, Membership, type MembershipOptions } from '../../../core/cluster/membership.ts';
import { Subjects } from '../../../core/cluster/ports.ts';
import { type StartTakeOver, TakeOvers } from '../../../core/cluster/take-overs.ts';
import { liveNodes, type NodeEntry, type View } from '../../../core/cluster/view.ts';
import { SimulatedNats } from '../../support/cluster/simulated-nats.ts';
import { Actor, SimulatedTime } from '../../support/cluster/simulated-time.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Random } from '../../support/random.ts';

interface Member {
  readonly actor: Actor;
  readonly membership: Membership;
  /** 'waits' until it has joined, or may not. */
  outcome: 'waits' | 'joined' | JoinRefusal['why'];
  readonly notes: string[];
}

class Stage {
  readonly time = new SimulatedTime();
  readonly nats = new SimulatedNats(this.time, new Random(1));
  #ids = 0;

  /** `stream`: of its log. */
  start(name: string, own: Partial<MembershipOptions> = {}): Member {
    const actor = new Actor(this.time);
    let view: View | undefined;
    const notes: string[] = [];
    const membership = new Membership({
      clock: actor.clock,
      post: this.nats.postOf(actor),
      register: this.nats.registerOf(actor),
      subjects: new Subjects('test'),
      name,
      workers: 1,
      keepsData: true,
      links: [2, 2],
      id: `${++this.#ids}`,
      stream: `log of ${name}`,
      makeKeys: () => '00112233'.repeat(8),
      applied: () => view?.epoch ?? 0,
      lastMove: () => 0,
      onMove: () => {},
      onView: (next) => {
        view = next;
      },
      onEvicted: () => {},
      onReach: () => {},
      onNote: (_level, _fields, sentence) => notes.push(sentence),
      ...own,
    });
    const member: Member = { actor, membership, outcome: 'waits', notes };
    membership.join((refusal) => {
      member.outcome = refusal?.why ?? 'joined';
    });
    return member;
  }

  kill({ actor }: Member): void {
    actor.isGone = true;
    this.nats.forget(actor);
  }
}

function namesIn({ membership: { view } }: Member): string[] {
  return view === undefined ? [] : liveNodes(view).map(({ name }) => name);
}

/** Two nodes, of which one is lost. The other one takes over its log as it is told to. */
function withLost(takeOver: StartTakeOver): { readonly stage: Stage; readonly left: Member } {
  const stage = new Stage();
  const left = stage.start('left', { takeOver });
  stage.time.run(5_000);
  const lost = stage.start('lost');
  stage.time.run(5_000);
  assert.deepEqual(namesIn(left), ['left', 'lost']);
  stage.kill(lost);
  stage.time.run(5_000);
  return { stage, left };
}

test('a node whose register cannot be written tries again now and then', () => {
  const stage = new Stage();
  let writes = 0;
  const node = stage.start('node', {
    register: {
      read: (told) => told({ revision: 0, bytes: new Uint8Array() }),
      write: (_bytes, _revision, told) => {
        writes++;
        told('unknown'); // at once: its disk is full
      },
    },
  });
  stage.time.run(4_000);
  assert.equal(node.outcome, 'waits');
  assert.ok(writes > 5 && writes < 30, `${writes} attempts`);
});

test('a node that leaves stays until its walks over retained messages are finished, or have taken too long', () => {
  for (const isFinished of [true, false]) {
    const stage = new Stage();
    let finish: (() => void) | undefined;
    const leaver = stage.start('leaver', {
      finishWalks: (done) => {
        finish = done;
      },
    });
    const other = stage.start('other');
    stage.time.run(8_000);
    let hasLeft = false;
    leaver.membership.leave(() => {
      hasLeft = true;
    });
    for (let step = 0; step < 50 && finish === undefined; step++) stage.time.run(100);
    stage.time.run(1_000);
    assert.deepEqual([hasLeft, namesIn(other)], [false, ['leaver', 'other']]);
    if (isFinished) finish?.();
    stage.time.run(isFinished ? 1_000 : 3_000);
    assert.equal(hasLeft, true);
    stage.time.run(6_000); // until the other one reads the view
    assert.deepEqual(namesIn(other), ['other']);
  }
});

test('the view is deleted, or its bucket is purged: nodes write it again, and come and go', () => {
  for (const leavesMark of [true, false]) {
    const stage = new Stage();
    const node = stage.start('node');
    const other = stage.start('other');
    stage.time.run(8_000);
    stage.nats.emptyRegister(leavesMark);
    const third = stage.start('third');
    stage.time.run(15_000);
    assert.equal(third.outcome, 'joined');
    stage.kill(other);
    stage.time.run(10_000);
    assert.deepEqual(namesIn(node), ['node', 'third']);
  }
});

test('a node comes back while another one takes over its log: it waits, and what it has is obsolete then', () => {
  let isTried = false;
  const { stage, left } = withLost(() => {
    isTried = true;
  });
  assert.ok(isTried);
  const back = stage.start('lost');
  stage.time.run(6_000);
  assert.equal(back.outcome, 'waits');
  const incarnation = left.membership.view?.nodes.find(({ name }) => name === 'lost')?.incarnation;
  const standIn = stage.start('stand-in', { stream: 'log of lost', standsFor: incarnation });
  stage.time.run(2_000);
  assert.equal(standIn.outcome, 'joined');
  assert.equal(back.outcome, 'superseded');
});

test('a node comes back while another one tries to take over its log for long: it joins with what it has', () => {
  const { stage, left } = withLost(() => {});
  const back = stage.start('lost');
  stage.time.run(9_000);
  assert.equal(back.outcome, 'waits');
  stage.time.run(5_000);
  assert.equal(back.outcome, 'joined');
  assert.deepEqual(namesIn(left), ['left', 'lost']);
});

test('a stand-in comes too late: the node is back, with its log, under its own name or another one', () => {
  for (const name of ['lost', 'renamed']) {
    const { stage, left } = withLost(() => {});
    const incarnation = left.membership.view?.nodes.find((node) => node.name === 'lost')?.incarnation;
    const back = stage.start(name, { stream: 'log of lost' });
    stage.time.run(9_000);
    assert.equal(back.outcome, 'waits');
    stage.time.run(5_000);
    assert.equal(back.outcome, 'joined');
    assert.deepEqual(namesIn(left), ['left', name]);
    for (const standsFor of [incarnation, 0]) {
      const standIn = stage.start('stand-in', { stream: 'log of lost', standsFor });
      stage.time.run(2_000);
      assert.equal(standIn.outcome, 'superseded');
    }
    assert.deepEqual(namesIn(left), ['left', name]);
  }
});

test('a node that comes back without its log waits until others have taken that over, or cannot', () => {
  let attempts = 0;
  const { stage, left } = withLost((_, failed) => {
    attempts++;
    failed('not yet');
  });
  const back = stage.start('lost', { stream: 'another log' });
  stage.time.run(8_000);
  assert.equal(back.outcome, 'waits');
  assert.ok(attempts < 8);
  stage.time.run(30_000);
  assert.equal(attempts, 8);
  assert.equal(back.outcome, 'joined');
  assert.deepEqual(namesIn(left), ['left', 'lost']);
  // Nobody is left who could.
  for (const member of [left, back]) stage.kill(member);
  const alone = stage.start('lost', { stream: 'yet another log' });
  stage.time.run(10_000);
  assert.equal(alone.outcome, 'joined');
});

test('a lost node whose log others have already is taken out at once', () => {
  const { left } = withLost((_, failed) => failed(undefined));
  assert.deepEqual(namesIn(left), ['left']);
  assert.ok(left.notes.includes('other nodes already have everything that a lost node had'));
});

test('a lost node comes back while it is being confirmed that it is lost: it keeps its log', () => {
  const [node, lost] = ['left', 'lost'].map(
    (name, index): NodeEntry => ({
      name,
      incarnation: index + 1,
      id: name,
      firstWorker: index,
      workers: 1,
      state: 'serving',
      stream: `log of ${name}`,
    }),
  );
  assert.ok(node !== undefined && lost !== undefined);
  let isLost = true;
  for (const isBack of [false, true]) {
    const tried: string[] = [];
    let confirm = (_isLast: boolean): void => {};
    const takeOvers = new TakeOvers({
      clock: new FakeClock(),
      start: ({ name }) => tried.push(name),
      isLost: () => isLost,
      ableNodes: () => [node],
      isThisNode: (incarnation) => incarnation === node.incarnation,
      confirmView: (done) => {
        confirm = done;
      },
      tell: () => {},
      due: () => {},
      onNote: () => {},
    });
    assert.ok(takeOvers.isAwaited(lost));
    isLost = !isBack; // this node has read the view without it
    confirm(true);
    assert.deepEqual(tried, isBack ? [] : ['lost']);
  }
});

test('a node that is leaving takes over no log', () => {
  const stage = new Stage();
  const tried: string[] = [];
  const [leaving] = ['leaving', 'staying'].map((name) => {
    const member = stage.start(name, { takeOver: () => tried.push(name) });
    stage.time.run(4_000);
    return member;
  });
  const lost = stage.start('lost');
  stage.time.run(5_000);
  stage.kill(lost);
  leaving?.membership.leave(() => {});
  stage.time.run(5_000);
  assert.deepEqual(tried, ['staying']);
});

test('two nodes are lost: neither waits until the log of the other one is taken over', () => {
  const stage = new Stage();
  const tried: string[] = [];
  const left = stage.start('left', { takeOver: ({ name }) => tried.push(name) });
  const lost = ['lost', 'lost too', 'without a log'].map((name) =>
    stage.start(name, name === 'without a log' ? { stream: undefined } : {}),
  );
  stage.time.run(5_000);
  for (const member of lost) stage.kill(member);
  stage.time.run(6_000);
  assert.deepEqual(tried.toSorted(), ['lost', 'lost too']);
  assert.deepEqual(namesIn(left).toSorted(), ['left', 'lost', 'lost too']);
});

test('a lost node whose log cannot be taken over is taken out after eight attempts', () => {
  let attempts = 0;
  const { stage, left } = withLost((_, failed) => {
    attempts++;
    failed('there is none');
  });
  assert.deepEqual(namesIn(left), ['left', 'lost']);
  stage.time.run(40_000);
  assert.equal(attempts, 8);
  assert.deepEqual(namesIn(left), ['left']);
});
