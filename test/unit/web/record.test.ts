/** What is told of a match follows from its points. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newScore, type Side, scorePoint } from '../../../web/tennis/match.ts';
import {
  type MatchSheet,
  type Point,
  pointsFromText,
  pointsToText,
  possibleWays,
  stateOf,
} from '../../../web/tennis/record.ts';

const sheet: MatchSheet = {
  id: 'a',
  court: 'Court 1',
  players: ['Ada', 'Bea'],
  umpire: 'test',
  firstServer: 0,
};

function after(text: string) {
  return stateOf(sheet, pointsFromText(text) ?? assert.fail(`no points: ${text}`), 0);
}

test('points are text of two characters each, and back', () => {
  assert.deepEqual(pointsFromText('0a1d'), [
    { side: 0, way: 'a' },
    { side: 1, way: 'd' },
  ]);
  assert.equal(pointsToText(pointsFromText('0a1d0w1e') ?? []), '0a1d0w1e');
  for (const bad of ['0', '0x', '2a', '0a1', 'a0', '0a\n']) assert.equal(pointsFromText(bad), undefined, bad);
});

test('aces, double faults, winners and errors count for whom they should', () => {
  const { statistics } = after('0a1d0w1e');
  assert.deepEqual(statistics.points, [2, 2]);
  assert.deepEqual(statistics.aces, [1, 0]);
  assert.deepEqual(statistics.doubleFaults, [1, 0]);
  assert.deepEqual(statistics.winners, [2, 0]);
  assert.deepEqual(statistics.errors, [2, 0]);
  assert.deepEqual(statistics.served, [4, 0]);
  assert.deepEqual(statistics.serviceWon, [2, 0]);
});

test('a break is counted with its break points', () => {
  const { statistics, score } = after('1w1w1w0a1e');
  assert.deepEqual(score.games, [0, 1]);
  assert.deepEqual(statistics.breakPoints, [0, 2]);
  assert.deepEqual(statistics.breaks, [0, 1]);
});

test('a break that wins the set is a break too', () => {
  const { statistics, score } = after('0w'.repeat(20) + '0w'.repeat(4));
  assert.equal(score.sets.length, 1);
  assert.deepEqual(statistics.breaks, [3, 0]);
});

test('the last point is said in words, with what it decided', () => {
  assert.equal(after('').last, '');
  assert.equal(after('0a').last, 'Ace by Ada.');
  assert.equal(after('1d').last, 'Double fault by Ada.');
  assert.equal(after('0w0w0w0e').last, 'Unforced error by Bea. Game, Ada.');
  assert.equal(after('0w'.repeat(24)).last, 'Winner by Ada. Game and set, Ada. Sets 1:0.');
  assert.equal(
    after('0w'.repeat(24) + '1w'.repeat(24)).last,
    'Winner by Bea. Game and set, Bea. One set all.',
  );
  assert.equal(after('0w'.repeat(48)).last, 'Winner by Ada. Game, set and match, Ada.');
});

test('the sums are those of the points, whatever is played', () => {
  const choices = fc.array(fc.tuple(fc.constantFrom<Side>(0, 1), fc.nat(2)), { maxLength: 300 });
  fc.assert(
    fc.property(choices, (chosen) => {
      const points: Point[] = [];
      let score = newScore(0);
      for (const [side, choice] of chosen) {
        if (score.winner !== undefined) break;
        points.push({ side, way: possibleWays(score, side)[choice] ?? assert.fail() });
        score = scorePoint(score, side);
      }
      const { statistics, score: final, version } = stateOf(sheet, points, 0);
      const sum = ([first, second]: readonly [number, number]): number => first + second;
      assert.deepEqual(final, score);
      assert.equal(version, points.length);
      assert.equal(sum(statistics.points), points.length);
      assert.equal(sum(statistics.served), points.length);
      assert.equal(sum(statistics.winners) + sum(statistics.errors), points.length);
      for (const side of [0, 1] as const) {
        assert.ok(statistics.aces[side] <= statistics.serviceWon[side]);
        assert.ok(statistics.breaks[side] <= statistics.breakPoints[side]);
        assert.ok(statistics.doubleFaults[side] <= statistics.served[side] - statistics.serviceWon[side]);
      }
    }),
  );
});
