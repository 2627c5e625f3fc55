/**
 * The rules of tennis, as a pure function: from a score and the winner of the next point to the next score.
 *
 * A game is won with four points and two ahead (deuce, advantage); a set with six games and two ahead, or by a
 * tie-break at six all: seven points and two ahead. A match is the best of three or five sets, each with a
 * tie-break. Players serve in turn by games; in a tie-break the first serves one point, then each two.
 */

/** The players, in the order of their names. */
export type Side = 0 | 1;
export type Pair = readonly [number, number];

/** A set: its games, and the points of its tie-break if it had one. */
export interface SetScore {
  readonly games: Pair;
  readonly tieBreak?: Pair;
}

export interface Score {
  /** 3 or 5. */
  readonly bestOf: 3 | 5;
  /** Completed sets, in order. */
  readonly sets: readonly SetScore[];
  /** Of the current set. Both 0 when the match is over. */
  readonly games: Pair;
  /** Of the current game or tie-break, counted 0, 1, 2, ... */
  readonly points: Pair;
  /** The server of the game, or the first server of the tie-break. */
  readonly server: Side;
  /** The winner of the match. */
  readonly winner?: Side;
}

const gamePoints = 4;
const tieBreakPoints = 7;
const setGames = 6;
const lead = 2;

export function newScore(server: Side, bestOf: 3 | 5 = 3): Score {
  return { bestOf, sets: [], games: [0, 0], points: [0, 0], server };
}

/** The score after `side` has won a point. A finished match does not change. */
export function scorePoint(score: Score, side: Side): Score {
  if (score.winner !== undefined) return score;
  const points = plusOne(score.points, side);
  const needed = isTieBreak(score) ? tieBreakPoints : gamePoints;
  return hasWon(points, side, needed) ? scoreGame({ ...score, points }, side) : { ...score, points };
}

/** The score after these points, from the beginning. */
export function replay(start: Score, winners: Iterable<Side>): Score {
  let score = start;
  for (const side of winners) score = scorePoint(score, side);
  return score;
}

function scoreGame(score: Score, side: Side): Score {
  const games = plusOne(score.games, side);
  const next: Score = { ...score, games, points: [0, 0], server: other(score.server) };
  if (isTieBreak(score)) return scoreSet(next, { games, tieBreak: score.points }, side);
  return hasWon(games, side, setGames) ? scoreSet(next, { games }, side) : next;
}

function scoreSet(score: Score, set: SetScore, side: Side): Score {
  const sets = [...score.sets, set];
  const next: Score = { ...score, sets, games: [0, 0] };
  return setsWon(next)[side] > score.bestOf / 2 ? { ...next, winner: side } : next;
}

export function other(side: Side): Side {
  return side === 0 ? 1 : 0;
}

export function isTieBreak({ games }: Score): boolean {
  return games[0] === setGames && games[1] === setGames;
}

export function setsWon({ sets }: Score): Pair {
  return [
    sets.filter(({ games }) => games[0] > games[1]).length,
    sets.filter(({ games }) => games[1] > games[0]).length,
  ];
}

/** The server of the next point. */
export function servingSide(score: Score): Side {
  if (!isTieBreak(score)) return score.server;
  // One point, then two each: 0 | 1 2 | 3 4 | 5 6 ...
  const turns = Math.floor((score.points[0] + score.points[1] + 1) / 2);
  return turns % 2 === 0 ? score.server : other(score.server);
}

/** The call of the umpire: '0', '15', '30', '40', 'Ad', or the points of a tie-break. */
export function pointsShown(score: Score): readonly [string, string] {
  const [first, second] = score.points;
  if (isTieBreak(score)) return [`${first}`, `${second}`];
  if (first < gamePoints && second < gamePoints) return [callOf(first), callOf(second)];
  if (first === second) return ['40', '40'];
  return first > second ? ['Ad', '40'] : ['40', 'Ad'];
}

/** True at 40 all, and whenever it is even after that. */
export function isDeuce(score: Score): boolean {
  const [first, second] = score.points;
  return !isTieBreak(score) && first === second && first >= gamePoints - 1;
}

export type Stake = 'match' | 'set' | 'break' | undefined;

/** What `side` wins with the next point, besides the point itself: a game, a set or the match. */
export function stakeOf(score: Score, side: Side): Stake {
  if (score.winner !== undefined) return undefined;
  const next = scorePoint(score, side);
  if (next.winner === side) return 'match';
  if (next.sets.length > score.sets.length) return 'set';
  const winsGame = next.games[side] > score.games[side];
  return winsGame && !isTieBreak(score) && score.server !== side ? 'break' : undefined;
}

function hasWon(counts: Pair, side: Side, needed: number): boolean {
  return counts[side] >= needed && counts[side] - counts[other(side)] >= lead;
}

function plusOne([first, second]: Pair, side: Side): Pair {
  return side === 0 ? [first + 1, second] : [first, second + 1];
}

function callOf(points: number): string {
  return ['0', '15', '30', '40'][points] as string;
}
