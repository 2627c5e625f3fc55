import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientHistory } from '../../../core/sessions/client-history.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function newHistory(clientEventsMax = 1_000) {
  const clock = new FakeClock();
  const history = new ClientHistory({
    clock,
    now: () => clock.nowMs() + 1_000_000,
    limits: { clientEventsMax },
  });
  const detailsOf = (clientId: string) => history.of(clientId)?.map(({ detail }) => detail);
  return { clock, history, detailsOf };
}

test('the last 32 events of a client are kept, with their time', () => {
  const { history, detailsOf } = newHistory();
  for (let index = 0; index < 40; index++) history.add('a', 'connected', true, `${index}`, 'why');
  assert.deepEqual(
    detailsOf('a'),
    Array.from({ length: 32 }, (_, index) => `${index + 8}`),
  );
  assert.equal(history.eventCount, 32);
  assert.deepEqual(history.of('a')?.[0], { atMs: 1_001_000, kind: 'connected', reason: 'why', detail: '8' });
  assert.equal(history.of('b'), undefined);
});

test('a client that has left is forgotten after an hour, and one that is connected is not', () => {
  const { clock, history, detailsOf } = newHistory();
  history.add('gone', 'connected', true, 'came');
  history.add('gone', 'disconnected', false, 'left');
  history.add('here', 'connected', true, 'came');
  clock.advance(3_600_000);
  assert.deepEqual(detailsOf('gone'), ['came', 'left']);
  clock.advance(1);
  assert.equal(detailsOf('gone'), undefined);
  assert.deepEqual(detailsOf('here'), ['came']);
  history.add('gone', 'connected', true, 'again');
  assert.deepEqual(detailsOf('here'), ['came']);
  assert.equal(history.eventCount, 2);
  assert.deepEqual(detailsOf('gone'), ['again']);
});

test('of a client that left behind one that stays, nothing is told after an hour either', () => {
  const { clock, history, detailsOf } = newHistory();
  history.add('stays', 'connected', true, 'came');
  history.add('left', 'disconnected', false, 'left');
  clock.advance(3_600_001);
  assert.equal(detailsOf('left'), undefined);
  assert.deepEqual(detailsOf('stays'), ['came']);
});

test('messages that are dropped for one reason are one event until something else happens, and are counted', () => {
  const { clock, history, detailsOf } = newHistory();
  const drop = (clientId: string, messages: number, reason: string) =>
    history.dropped(clientId, true, messages, reason, (all) => `${all} ${reason}`);
  history.add('a', 'connected', true, 'came');
  drop('a', 3, 'full');
  drop('a', 1, 'large');
  clock.advance(5_000);
  drop('a', 4, 'full');
  assert.deepEqual(detailsOf('a'), ['came', '1 large', '7 full']);
  const last = { atMs: 1_006_000, kind: 'dropped', reason: 'full', detail: '7 full', messages: 7 };
  assert.deepEqual(history.of('a')?.[2], { ...last, sinceMs: 1_001_000 });
  history.add('a', 'disconnected', false, 'left');
  drop('a', 2, 'full');
  assert.deepEqual(detailsOf('a'), ['came', '1 large', '7 full', 'left', '2 full']);
  assert.equal(history.eventCount, 5);
  drop('b', 20, 'full');
  assert.deepEqual(
    history.mostDrops(5).map(({ clientId, messages }) => [clientId, messages]),
    [
      ['b', 20],
      ['a', 10],
    ],
  );
  assert.equal(history.mostDrops(1).length, 1);
  assert.deepEqual(history.dropsOf('a'), { messages: 10, atMs: 1_006_000, reason: 'full' });
  assert.equal(history.dropsOf('c'), undefined);
  history.add('b', 'disconnected', false, 'left');
  clock.advance(3_600_001);
  assert.equal(history.dropsOf('b'), undefined);
  assert.deepEqual(history.mostDrops(5).length, 1, 'a is thought to be here');
  history.add('b', 'connected', true, 'again');
  assert.equal(history.dropsOf('b'), undefined);
});

test('when there are too many, the client goes of which nothing was heard for longest', () => {
  const { history, detailsOf } = newHistory(3);
  for (const clientId of ['a', 'b', 'c']) history.add(clientId, 'connected', true, clientId);
  history.add('a', 'disconnected', false, 'left');
  assert.equal(detailsOf('b'), undefined);
  assert.deepEqual(detailsOf('a'), ['a', 'left']);
  assert.deepEqual(detailsOf('c'), ['c']);
  const none = newHistory(0);
  none.history.add('a', 'connected', true, 'a');
  assert.equal(none.detailsOf('a'), undefined);
});
