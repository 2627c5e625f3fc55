/**
 * The record of a match: who won each point, and how. Nothing else has to be stored; score and statistics
 * follow from it. As text it has two characters for each point: the side and the way, such as `0w1e0a`.
 */
import {
  isTieBreak,
  newScore,
  other,
  type Pair,
  type Score,
  type Side,
  scorePoint,
  servingSide,
  setsWon,
  stakeOf,
} from './match.ts';

/** How a point was won: by an ace, a double fault of the opponent, a winner, or an error of the opponent. */
export const ways = { a: 'ace', d: 'double fault', w: 'winner', e: 'error' } as const;
export type Way = keyof typeof ways;

export interface Point {
  readonly side: Side;
  readonly way: Way;
}

export interface Statistics {
  readonly points: Pair;
  readonly aces: Pair;
  readonly doubleFaults: Pair;
  readonly winners: Pair;
  readonly errors: Pair;
  /** Points won when serving, and points served. */
  readonly serviceWon: Pair;
  readonly served: Pair;
  readonly breakPoints: Pair;
  readonly breaks: Pair;
  /** Consecutive points up to now. */
  readonly run: Pair;
}

/** The message for spectators: everything that a page shows of a match. */
export interface MatchState {
  readonly id: string;
  /** The name of the court. */
  readonly court: string;
  readonly players: readonly [string, string];
  /** Who keeps the score: 'demo', or a person on the umpire's page. */
  readonly umpire: string;
  readonly score: Score;
  readonly statistics: Statistics;
  /** The last point, in words; empty before the first. */
  readonly last: string;
  /** The number of points, so that a later state has a greater number. */
  readonly version: number;
  /** When the last point was won, in milliseconds since 1970. */
  readonly at: number;
}

const none: Pair = [0, 0];
export const noStatistics: Statistics = {
  points: none,
  aces: none,
  doubleFaults: none,
  winners: none,
  errors: none,
  serviceWon: none,
  served: none,
  breakPoints: none,
  breaks: none,
  run: none,
};

/** Statistics after a point that was played at `score`. */
function countPoint(statistics: Statistics, score: Score, { side, way }: Point): Statistics {
  const server = servingSide(score);
  const loser = other(side);
  const breaks = stakeAtBreak(score, side);
  const add = (pair: Pair, to: Side, when = true): Pair =>
    !when ? pair : to === 0 ? [pair[0] + 1, pair[1]] : [pair[0], pair[1] + 1];
  const receiver = other(server);
  return {
    points: add(statistics.points, side),
    aces: add(statistics.aces, side, way === 'a'),
    doubleFaults: add(statistics.doubleFaults, loser, way === 'd'),
    winners: add(statistics.winners, side, way === 'w' || way === 'a'),
    errors: add(statistics.errors, loser, way === 'e' || way === 'd'),
    serviceWon: add(statistics.serviceWon, side, side === server),
    served: add(statistics.served, server),
    breakPoints: add(statistics.breakPoints, receiver, stakeAtBreak(score, receiver)),
    breaks: add(statistics.breaks, side, breaks),
    run: side === 0 ? [statistics.run[0] + 1, 0] : [0, statistics.run[1] + 1],
  };
}

/** Whether `side` would break serve by winning the next point, including for the set or match. */
function stakeAtBreak(score: Score, side: Side): boolean {
  const stake = stakeOf(score, side);
  if (stake === 'break') return true;
  return (stake === 'set' || stake === 'match') && score.server !== side && !isTieBreak(score);
}

/** The ways in which a side can win the point: only the server hits aces, only the receiver gains from double faults. */
export function possibleWays(score: Score, side: Side): readonly Way[] {
  return servingSide(score) === side ? ['a', 'w', 'e'] : ['d', 'w', 'e'];
}

export function pointsToText(points: readonly Point[]): string {
  return points.map(({ side, way }) => `${side}${way}`).join('');
}

/** Undefined: the text is invalid. */
export function pointsFromText(text: string): Point[] | undefined {
  if (!/^([01][adwe])*$/.test(text)) return undefined;
  return Array.from(text.match(/../g) ?? [], (pair) => ({
    side: Number(pair[0]) as Side,
    way: pair[1] as Way,
  }));
}

export interface MatchSheet {
  readonly id: string;
  readonly court: string;
  readonly players: readonly [string, string];
  readonly umpire: string;
  readonly firstServer: Side;
}

/** The state of a match after these points; `at` is the time of the last one. */
export function stateOf(sheet: MatchSheet, points: readonly Point[], at: number): MatchState {
  let score = newScore(sheet.firstServer);
  let statistics = noStatistics;
  let before = score;
  for (const point of points) {
    statistics = countPoint(statistics, score, point);
    before = score;
    score = scorePoint(score, point.side);
  }
  const { id, court, players, umpire } = sheet;
  const point = points.at(-1);
  const last = point === undefined ? '' : describe(players, before, score, point);
  return { id, court, players, umpire, score, statistics, last, version: points.length, at };
}

function describe(
  players: readonly [string, string],
  before: Score,
  after: Score,
  { side, way }: Point,
): string {
  const winner = players[side];
  const loser = players[other(side)];
  const what = {
    a: `Ace by ${winner}`,
    d: `Double fault by ${loser}`,
    w: `Winner by ${winner}`,
    e: `Unforced error by ${loser}`,
  }[way];
  return `${what}. ${resultOf(winner, before, after)}`.trimEnd();
}

function resultOf(winner: string, before: Score, after: Score): string {
  if (after.winner !== undefined) return `Game, set and match, ${winner}.`;
  if (after.sets.length > before.sets.length) {
    const [first, second] = setsWon(after);
    return `Game and set, ${winner}. ${first === second ? 'One set all' : `Sets ${first}:${second}`}.`;
  }
  const hasGame = after.games[0] + after.games[1] > before.games[0] + before.games[1];
  return hasGame ? `Game, ${winner}.` : '';
}
