/** The rules of tennis: each by name, and all of them on random matches against counting by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isDeuce,
  isTieBreak,
  newScore,
  other,
  pointsShown,
  replay,
  type Score,
  type Side,
  scorePoint,
  servingSide,
  setsWon,
  stakeOf,
} from '../../../web/tennis/match.ts';

/** `played('0 0 1')`: points; `g0`, `s1`: a whole game or set to love. */
function played(text: string, from: Score = newScore(0)): Score {
  const sides = text
    .split(' ')
    .filter(Boolean)
    .flatMap((word): Side[] => {
      const side = Number(word.at(-1)) as Side;
      return Array.from({ length: word[0] === 'g' ? 4 : word[0] === 's' ? 24 : 1 }, () => side);
    });
  return replay(from, sides);
}

const sixAll = played('g0 g0 g0 g0 g0 g1 g1 g1 g1 g1 g0 g1');

test('points are called 0, 15, 30, 40', () => {
  assert.deepEqual(pointsShown(played('')), ['0', '0']);
  assert.deepEqual(pointsShown(played('0')), ['15', '0']);
  assert.deepEqual(pointsShown(played('0 1 1')), ['15', '30']);
  assert.deepEqual(pointsShown(played('0 1 1 1')), ['15', '40']);
});

test('four points and two ahead win a game', () => {
  assert.deepEqual(played('0 0 0 0').games, [1, 0]);
  assert.deepEqual(played('0 0 0 1 1 0').games, [1, 0]);
  assert.deepEqual(played('0 0 0 0').points, [0, 0]);
});

test('at 40 all it is deuce, then advantage, then deuce again or the game', () => {
  const deuce = played('0 0 0 1 1 1');
  assert.ok(isDeuce(deuce));
  assert.deepEqual(pointsShown(deuce), ['40', '40']);
  const advantage = played('1', deuce);
  assert.ok(!isDeuce(advantage));
  assert.deepEqual(pointsShown(advantage), ['40', 'Ad']);
  const again = played('0', advantage);
  assert.ok(isDeuce(again));
  assert.deepEqual(pointsShown(again), ['40', '40']);
  assert.deepEqual(pointsShown(played('0', again)), ['Ad', '40']);
  assert.deepEqual(played('0 0', again).games, [1, 0]);
  assert.deepEqual(played('1', advantage).games, [0, 1]);
});

test('30 all is not deuce', () => assert.ok(!isDeuce(played('0 0 1 1'))));

test('six games and two ahead win a set', () => {
  assert.deepEqual(played('s0').sets, [{ games: [6, 0] }]);
  assert.deepEqual(played('s0').games, [0, 0]);
  const fiveAll = played('g0 g0 g0 g0 g0 g1 g1 g1 g1 g1');
  assert.deepEqual(played('g0', fiveAll).games, [6, 5]);
  assert.deepEqual(played('g0 g0', fiveAll).sets, [{ games: [7, 5] }]);
});

test('at six all a tie-break is played to seven and two ahead', () => {
  assert.ok(isTieBreak(sixAll));
  assert.deepEqual(played('0 0 0 0', sixAll).points, [4, 0]);
  assert.deepEqual(pointsShown(played('0 1 0 0', sixAll)), ['3', '1']);
  const won = played('0 0 0 0 0 0 0', sixAll);
  assert.deepEqual(won.sets, [{ games: [7, 6], tieBreak: [7, 0] }]);
  const sixPoints = played('0 0 0 0 0 0 1 1 1 1 1 1', sixAll);
  assert.deepEqual(played('1', sixPoints).points, [6, 7]);
  assert.deepEqual(played('1 1', sixPoints).sets, [{ games: [6, 7], tieBreak: [6, 8] }]);
  assert.ok(!isDeuce(sixPoints));
});

test('two sets win the best of three, three the best of five', () => {
  assert.equal(played('s0').winner, undefined);
  assert.equal(played('s0 s0').winner, 0);
  assert.equal(played('s0 s1').winner, undefined);
  assert.equal(played('s0 s1 s1').winner, 1);
  const five = newScore(0, 5);
  assert.equal(played('s1 s1', five).winner, undefined);
  assert.equal(played('s1 s1 s1', five).winner, 1);
  assert.equal(played('s1 s0 s1 s0 s0', five).winner, 0);
});

test('a match that is over stays as it is', () => {
  const over = played('s0 s0');
  assert.equal(scorePoint(over, 1), over);
  assert.deepEqual(setsWon(over), [2, 0]);
});

test('players serve in turn by games, and over the end of a set', () => {
  assert.equal(servingSide(played('')), 0);
  assert.equal(servingSide(played('0 0 1')), 0);
  assert.equal(servingSide(played('g0')), 1);
  assert.equal(servingSide(played('g0 g1')), 0);
  assert.equal(servingSide(played('s0')), 0);
  assert.equal(servingSide(played('s0 g1')), 1);
});

test('in a tie-break the first serves one point, then each two', () => {
  const servers = Array.from({ length: 8 }, (_, count) =>
    servingSide(
      replay(
        sixAll,
        Array.from({ length: count }, (_, at) => (at % 2) as Side),
      ),
    ),
  );
  assert.deepEqual(servers, [0, 1, 1, 0, 0, 1, 1, 0]);
});

test('after a tie-break serves who received its first point', () => {
  assert.equal(servingSide(played('0 0 0 0 0 0 0', sixAll)), 1);
  assert.equal(servingSide(played('1 1 1 1 1 1 1', sixAll)), 1);
});

test('break, set and match points are known', () => {
  assert.equal(stakeOf(played('1 1 1'), 1), 'break');
  assert.equal(stakeOf(played('1 1 1'), 0), undefined);
  assert.equal(stakeOf(played('0 0 0'), 0), undefined); // the own service
  assert.equal(stakeOf(played('g0 g0 g0 g0 g0 0 0 0'), 0), 'set');
  assert.equal(stakeOf(played('s0 g0 g0 g0 g0 g0 0 0 0'), 0), 'match');
  assert.equal(stakeOf(played('0 0 0 0 0 0', sixAll), 0), 'set');
  assert.equal(stakeOf(played('0 0 0 0 0', sixAll), 0), undefined);
  assert.equal(stakeOf(played('s0 s0'), 0), undefined);
});

const sides = fc.constantFrom<Side>(0, 1);
/** Points of players of any strength, so that close and one-sided matches both come. */
const points = fc
  .tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 400 }),
  )
  .map(([strength, throws]) => throws.map((thrown): Side => (thrown < strength ? 0 : 1)));

test('every score that can be reached is one that can be', () => {
  fc.assert(
    fc.property(sides, fc.constantFrom<3 | 5>(3, 5), points, (server, bestOf, winners) => {
      let score = newScore(server, bestOf);
      for (const side of winners) {
        const next = scorePoint(score, side);
        if (score.winner === undefined) assertSound(next);
        else assert.equal(next, score);
        score = next;
      }
    }),
  );
});

function assertSound(score: Score): void {
  const [won0, won1] = setsWon(score);
  const needed = (score.bestOf + 1) / 2;
  assert.equal(won0 + won1, score.sets.length);
  assert.equal(score.winner === undefined, won0 < needed && won1 < needed);
  for (const { games, tieBreak } of score.sets) {
    const [most, least] = [Math.max(...games), Math.min(...games)];
    assert.ok(most === 6 ? least <= 4 : most === 7 && (least === 5 || least === 6), `${games}`);
    assert.equal(tieBreak !== undefined, most === 7 && least === 6);
    if (tieBreak === undefined) continue;
    const [more, less] = [Math.max(...tieBreak), Math.min(...tieBreak)];
    assert.ok(more === 7 ? less <= 5 : more > 7 && more - less === 2, `${tieBreak}`);
    assert.equal(tieBreak[0] > tieBreak[1], games[0] > games[1]);
  }
  const [games, points] = [score.games, score.points];
  assert.ok(Math.max(...games) <= 6 && (Math.max(...games) < 6 || Math.min(...games) >= 5));
  const target = isTieBreak(score) ? 7 : 4;
  assert.ok(Math.max(...points) < target || Math.abs(points[0] - points[1]) < 2);
}

test('the game after any number of games is served by the other than the one before it', () => {
  fc.assert(
    fc.property(sides, points, (server, winners) => {
      let score = newScore(server);
      let games = 0;
      for (const side of winners) {
        const next = scorePoint(score, side);
        if (next === score) break;
        const isGame = next.points[0] + next.points[1] === 0;
        if (isGame) games += 1;
        assert.equal(next.server, games % 2 === 0 ? server : other(server));
        score = next;
      }
    }),
  );
});

test('the same match with the players changed is the same score with the sides changed', () => {
  fc.assert(
    fc.property(sides, points, (server, winners) => {
      const score = replay(newScore(server), winners);
      const mirrored = replay(newScore(other(server)), winners.map(other));
      assert.deepEqual([...mirrored.games].reverse(), [...score.games]);
      assert.deepEqual([...mirrored.points].reverse(), [...score.points]);
      assert.deepEqual([...pointsShown(mirrored)].reverse(), [...pointsShown(score)]);
      assert.equal(servingSide(mirrored), other(servingSide(score)));
      assert.equal(mirrored.winner, score.winner === undefined ? undefined : other(score.winner));
    }),
  );
});
