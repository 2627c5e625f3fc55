/** Logs that no node continues: when, and by which node, they are taken over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Orphans } from '../../../core/cluster/orphans.ts';
import {
  firstView,
  type Newcomer,
  type View,
  withNode,
  withNodeLeaving,
  withoutNode,
} from '../../../core/cluster/view.ts';

function newcomer(name: string): Newcomer {
  return { name, id: name, workers: 1, keepsData: true, stream: `log of ${name}` };
}

function viewOf(...names: string[]): View {
  return names.reduce((view, name) => withNode(view, newcomer(name)) ?? view, firstView('0f'.repeat(32)));
}

function viewWith(view: View, node: Newcomer): View {
  return withNode(view, node) ?? assert.fail('there is no room');
}

/** What the node with this incarnation does. */
class Scene {
  view: View;
  found: readonly string[] = [];
  empty: readonly string[] = [];
  /** What the attempts to take over a log do. */
  attempt: (stream: string) => void = () => {};
  readonly tried: string[] = [];
  /** Those whose wills others have. */
  readonly withoutWills: string[] = [];
  readonly orphans: Orphans;

  constructor(view: View, incarnation: number) {
    this.view = view;
    this.orphans = new Orphans({
      view: () => this.view,
      incarnation: () => incarnation,
      streams: () => Promise.resolve(this.found),
      isEmpty: (stream) => Promise.resolve(this.empty.includes(stream)),
      hasStandIn: () => false,
      standFor: (stream, areWillsOver) => {
        this.tried.push(stream);
        if (areWillsOver) this.withoutWills.push(stream);
        this.attempt(stream);
        return Promise.resolve();
      },
      onNote: () => {},
    });
  }

  next(view: View): void {
    this.orphans.onView(view, this.view);
    this.view = view;
  }

  async look(times: number): Promise<void> {
    for (let count = 0; count < times; count++) await this.orphans.look();
  }
}

test('a log that no node continues is taken over after six looks, by the oldest node, and then by the next one', async () => {
  const [first, second] = [new Scene(viewOf('a', 'b'), 1), new Scene(viewOf('a', 'b'), 2)];
  for (const scene of [first, second]) {
    scene.found = ['log of a', 'log of b', 'log of c'];
    scene.attempt = () => {
      throw new Error('not yet');
    };
    await scene.look(5);
    assert.deepEqual(scene.tried, []);
  }
  await Promise.all([first.look(1), second.look(1)]);
  assert.deepEqual([first.tried, second.tried], [['log of c'], []]);
  assert.deepEqual([...first.orphans.abandoned], [['log of c', 'not yet']]);
  await Promise.all([first.look(6), second.look(6)]);
  assert.deepEqual([first.tried, second.tried], [['log of c'], ['log of c']]);
  first.found = [];
  await first.look(1);
  assert.equal(first.orphans.abandoned.size, 0);
});

test('a node that comes back while another log is taken over keeps its own', async () => {
  const scene = new Scene(viewOf('a'), 1);
  scene.found = ['log of b', 'log of c'];
  scene.attempt = () => {
    scene.view = withNode(scene.view, newcomer('c')) ?? scene.view;
  };
  await scene.look(6);
  assert.deepEqual(scene.tried, ['log of b']);
  scene.view = withoutNode(scene.view, 2);
  await scene.look(5);
  assert.deepEqual(scene.tried, ['log of b'], 'it is looked for anew');
});

test('a log in which nothing was ever stored is nobody’s trouble', async () => {
  const scene = new Scene(viewOf('a'), 1);
  scene.found = scene.empty = ['log of b'];
  await scene.look(12);
  assert.deepEqual(scene.tried, []);
  assert.equal(scene.orphans.abandoned.size, 0);
});

test('the wills of a node that was lost, and whose log nobody could take over, are published once', async () => {
  const scene = new Scene(viewOf('a'), 1);
  for (const name of ['lost', 'left', 'taken over', 'back']) scene.next(viewWith(scene.view, newcomer(name)));
  scene.next(withNodeLeaving(scene.view, 3));
  for (const incarnation of [2, 3, 5]) scene.next(withoutNode(scene.view, incarnation));
  const standIn = { ...newcomer('stand-in'), stream: 'log of taken over', standsFor: 4 };
  scene.next(viewWith(withoutNode(scene.view, 4), standIn));
  scene.next(viewWith(scene.view, newcomer('back')));
  for (const incarnation of [6, 7]) scene.next(withNodeLeaving(scene.view, incarnation));
  for (const incarnation of [6, 7]) scene.next(withoutNode(scene.view, incarnation));
  scene.found = ['lost', 'left', 'taken over', 'back'].map((name) => `log of ${name}`);
  await scene.look(6);
  assert.deepEqual(scene.tried, scene.found);
  assert.deepEqual(scene.withoutWills, ['log of lost']);
});
