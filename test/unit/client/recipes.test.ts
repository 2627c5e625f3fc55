/**
 * The recipes of docs/client.md for React, Vue and Svelte, as they are written, each on as much of its framework as it
 * uses: hooks with their dependencies, a ref, a store.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import type { Message, Rally, Status } from '../../../client/rally.ts';
import { followState } from '../../../client/state.ts';
import { startOnFake } from '../../support/fake-websocket.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../../../docs/client.md'), 'utf8');

type Topics = ReadonlyMap<string, Message>;

/** What a block exports, with what it imports. */
function recipe<Exports>(language: string, imported: Readonly<Record<string, unknown>>): Exports {
  const [, code = ''] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(text) ?? [];
  const names = [...code.matchAll(/^export (?:function|const) (\w+)/gm)].map(([, name]) => name);
  const wanted = [...code.matchAll(/^import \{ (.*) \} from/gm)].flatMap(([, list = '']) => list.split(', '));
  assert.deepEqual([...wanted].sort(), Object.keys(imported).sort(), 'the imports of the recipe');
  const body = code.replaceAll(/^import .*$/gm, '').replaceAll(/^export /gm, '');
  const run = new Function(...Object.keys(imported), `${body}\nreturn { ${names} };`);
  return run(...Object.values(imported)) as Exports;
}

/** One component: it is rendered again when its state has changed, and its effects run when what they depend on has. */
class Component<Shown> {
  shown!: Shown;
  renders = 0;
  readonly #render: () => Shown;
  readonly #states: unknown[] = [];
  readonly #effects: { depends: readonly unknown[]; end: (() => void) | undefined }[] = [];
  #stateIndex = 0;
  #effectIndex = 0;

  constructor(render: (hooks: Record<string, unknown>) => Shown) {
    this.#render = () => render({ useState: this.#useState, useEffect: this.#useEffect });
    this.render();
  }

  render(): void {
    this.#stateIndex = this.#effectIndex = 0;
    this.renders++;
    this.shown = this.#render();
  }

  unmount(): void {
    for (const { end } of this.#effects) end?.();
  }

  readonly #useState = (initial: unknown): unknown => {
    const index = this.#stateIndex++;
    if (index >= this.#states.length) this.#states.push(initial);
    const set = (next: unknown): void => {
      if (Object.is(next, this.#states[index])) return; // as React does
      this.#states[index] = next;
      this.render();
    };
    return [this.#states[index], set];
  };

  readonly #useEffect = (begin: () => () => void, depends: readonly unknown[]): void => {
    const index = this.#effectIndex++;
    const before = this.#effects[index];
    if (before?.depends.every((value, at) => Object.is(value, depends[at]))) return;
    before?.end?.();
    const effect = { depends, end: undefined as (() => void) | undefined };
    this.#effects[index] = effect;
    queueMicrotask(() => {
      effect.end = begin();
    });
  };
}

const score = (value: string): string => `30 05 0001'a' 00 '${value}'`;

test('React: useTopics shows each change, and unsubscribes when it goes', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const shown = (topics: Topics): string | undefined => topics.get('a')?.text();
  type Hooks = { useTopics(rally: Rally, filter: string): Topics };
  const component = new Component((hooks) =>
    shown(recipe<Hooks>('jsx', { ...hooks, followState }).useTopics(rally, 'a')),
  );
  assert.equal(component.shown, undefined);
  await socket.expect(`82 09 0001 02 0b 01 0001'a' 02`);
  for (const value of ['1', '2']) {
    socket.receive(score(value));
    assert.equal(component.shown, value);
  }
  const { renders } = component;
  component.render();
  assert.equal(component.renders, renders + 1);
  await socket.expectNothing('the subscription stays as long as nothing else is wanted');
  component.unmount();
  await socket.expect(`a2 06 0002 00 0001'a'`);
  rally.close();
});

test('React: useStatus follows the connection', async () => {
  const { network, rally } = startOnFake();
  type Hooks = { useStatus(rally: Rally): Status };
  const component = new Component((hooks) =>
    recipe<Hooks>('jsx', { ...hooks, followState }).useStatus(rally),
  );
  assert.equal(component.shown, 'connecting');
  const socket = await network.accepted();
  assert.equal(component.shown, 'connected');
  socket.cut();
  assert.equal(component.shown, 'reconnecting');
  rally.close();
  assert.equal(component.shown, 'closed');
  component.unmount();
});

test('Vue and Svelte: a ref and a store have each change, and let go', async () => {
  const { network, rally } = startOnFake();
  const socket = await network.accepted();
  const disposals: (() => void)[] = [];
  const shallowRef = (value: Topics) => ({ value });
  type Composables = { useTopics(rally: Rally, filter: string): { value: Topics } };
  const imported = { onScopeDispose: (end: () => void) => disposals.push(end), shallowRef, followState };
  const topics = recipe<Composables>('vue', imported).useTopics(rally, 'a');

  const readable = (initial: Topics, start: (set: (next: Topics) => void) => () => void) => ({
    subscribe(run: (next: Topics) => void): () => void {
      run(initial);
      return start(run);
    },
  });
  type Stores = { topicsOf(rally: Rally, filter: string): ReturnType<typeof readable> };
  const seen: (string | undefined)[] = [];
  const store = recipe<Stores>('svelte', { readable, followState }).topicsOf(rally, 'a');
  const stop = store.subscribe((next) => seen.push(next.get('a')?.text()));

  for (const value of ['1', '2']) socket.receive(score(value));
  assert.equal(topics.value.get('a')?.text(), '2');
  assert.deepEqual(seen, [undefined, '1', '2']);
  for (const end of [...disposals, stop]) end();
  socket.receive(score('3'));
  assert.equal(topics.value.get('a')?.text(), '2');
  rally.close();
});
