/** Three courts, each with one match after the other, as long as the demo runs. */
import type { Rally } from '../../client/rally.ts';
import { pointsTopic, scoreTopic } from '../centre-court/topics.ts';
import type { Side } from '../tennis/match.ts';
import { drawPlayers, type Player, playMatch, playPoint } from '../tennis/play.ts';
import { type MatchSheet, type MatchState, type Point, pointsToText, stateOf } from '../tennis/record.ts';

const courts = ['Centre Court', 'Court 1', 'Court 2'];
/** The time between two points, in milliseconds: from an ace to a long rally. */
const pauseMs = { min: 2_000, max: 6_000 };
const betweenMatchesMs = 15_000;

class Court {
  readonly #rally: Rally;
  readonly #id: string;
  readonly #name: string;
  readonly #speed: number;
  players: [Player, Player];
  #sheet: MatchSheet;
  #points: Point[];
  #timer: NodeJS.Timeout | undefined;

  constructor(rally: Rally, index: number, speed: number, busy: ReadonlySet<string>) {
    this.#rally = rally;
    this.#id = `court-${index}`;
    this.#name = courts[index] ?? `Court ${index}`;
    this.#speed = speed;
    this.players = drawPlayers(Math.random, busy);
    this.#sheet = this.#newSheet();
    // Visitors find matches in progress.
    this.#points = playMatch(this.players, this.#sheet.firstServer, Math.random);
    this.#points.length = Math.floor(this.#points.length * (0.2 + 0.4 * Math.random()));
  }

  get #state(): MatchState {
    return stateOf(this.#sheet, this.#points, Date.now());
  }

  tell(): void {
    const record = { sheet: this.#sheet, points: pointsToText(this.#points), at: Date.now() };
    const options = { qos: 1, retain: true } as const;
    // Messages that are unsent when the demo ends do not matter.
    this.#rally.publish(pointsTopic(this.#id), record, options).catch(() => {});
    this.#rally.publish(scoreTopic(this.#id), this.#state, options).catch(() => {});
  }

  /** Plays until `stop`. */
  play(busyElsewhere: () => ReadonlySet<string>): void {
    const { score } = this.#state;
    const isOver = score.winner !== undefined;
    const pause = isOver ? betweenMatchesMs : pauseMs.min + Math.random() * (pauseMs.max - pauseMs.min);
    this.#timer = setTimeout(() => {
      if (isOver) this.#begin(busyElsewhere());
      else this.#points.push(playPoint(this.players, score, Math.random));
      this.tell();
      this.play(busyElsewhere);
    }, pause / this.#speed);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #begin(busy: ReadonlySet<string>): void {
    this.players = drawPlayers(Math.random, busy);
    this.#sheet = this.#newSheet();
    this.#points = [];
  }

  #newSheet(): MatchSheet {
    const [first, second] = this.players;
    const firstServer: Side = Math.random() < 0.5 ? 0 : 1;
    return {
      id: this.#id,
      court: this.#name,
      players: [first.name, second.name],
      umpire: 'demo',
      firstServer,
    };
  }
}

/** Plays until the returned function is called. `speed` 2: twice as fast as people. */
export function playOnAllCourts(rally: Rally, speed: number): () => void {
  const all: Court[] = [];
  const busy = (): Set<string> => new Set(all.flatMap(({ players }) => players.map(({ name }) => name)));
  for (const index of courts.keys()) all.push(new Court(rally, index, speed, busy()));
  const tellAll = (): void => {
    for (const court of all) court.tell();
  };
  if (rally.status === 'connected') tellAll();
  // A broker without the session may have lost what it retained as well.
  const unlisten = rally.on('connected', ({ sessionPresent }) => {
    if (!sessionPresent) tellAll();
  });
  for (const court of all) court.play(busy);
  return () => {
    unlisten();
    for (const court of all) court.stop();
  };
}
