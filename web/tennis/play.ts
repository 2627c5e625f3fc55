/** A tennis match that plays itself, with realistic points. */
import { newScore, other, type Score, type Side, scorePoint, servingSide, stakeOf } from './match.ts';
import type { Point, Way } from './record.ts';

/** The skill of a player, as fractions of 1. */
export interface Player {
  readonly name: string;
  /** Points won when serving, against an equally good player. */
  readonly service: number;
  /** Added to every point. */
  readonly strength: number;
  /** Of the points won on service. */
  readonly aces: number;
  /** Of the points lost on service. */
  readonly doubleFaults: number;
}

/** Returns a number from 0 to 1, excluding 1. */
export type Random = () => number;

/** The next point of a match at `score`. */
export function playPoint(players: readonly [Player, Player], score: Score, random: Random): Point {
  const server = servingSide(score);
  const serving = players[server];
  const receiving = players[other(server)];
  // A player who can win the set or the match is slightly nervous.
  const nerves = stakeOf(score, server) !== undefined ? -0.02 : 0;
  const isWonByServer = random() < serving.service + serving.strength - receiving.strength + nerves;
  if (isWonByServer) return { side: server, way: random() < serving.aces ? 'a' : rallyWay(random) };
  return { side: other(server), way: random() < serving.doubleFaults ? 'd' : rallyWay(random) };
}

function rallyWay(random: Random): Way {
  return random() < 0.42 ? 'w' : 'e';
}

/** A whole match. */
export function playMatch(players: readonly [Player, Player], firstServer: Side, random: Random): Point[] {
  const points: Point[] = [];
  let score = newScore(firstServer);
  while (score.winner === undefined) {
    const point = playPoint(players, score, random);
    points.push(point);
    score = scorePoint(score, point.side);
  }
  return points;
}

const names = [
  'Ana Solveig',
  'Mira Okafor',
  'Tove Lindqvist',
  'Inés Carrasco',
  'Yuki Hanabusa',
  'Zofia Wrona',
  'Leila Haddad',
  'Nora Fitzmaurice',
  'Priya Raman',
  'Elif Toprak',
  'Clara Beaumont',
  'Amara Diallo',
];

/** Two different players who are not in another match. */
export function drawPlayers(random: Random, busy: ReadonlySet<string>): [Player, Player] {
  const free = names.filter((name) => !busy.has(name));
  const draw = (): Player => ({
    name: free.splice(Math.floor(random() * free.length), 1)[0] ?? 'Player',
    service: 0.58 + random() * 0.09,
    strength: random() * 0.05,
    aces: 0.05 + random() * 0.12,
    doubleFaults: 0.04 + random() * 0.08,
  });
  return [draw(), draw()];
}
