/** The score of a match as a table, updated in place: only changed values are set, and they flash. */
import { make, setText } from '../shared/dom.ts';
import { isTieBreak, pointsShown, type Score, type Side, servingSide, setsWon } from '../tennis/match.ts';
import type { MatchState } from '../tennis/record.ts';

const sides = [0, 1] as const;

interface Row {
  readonly name: HTMLElement;
  readonly serve: HTMLElement;
  readonly row: HTMLTableRowElement;
  readonly sets: readonly HTMLTableCellElement[];
  readonly points: HTMLTableCellElement;
}

export class Scoreboard {
  readonly element: HTMLTableElement;
  readonly #caption = make('caption', { class: 'unseen' });
  readonly #heads: readonly HTMLTableCellElement[];
  readonly #rows: readonly [Row, Row];

  constructor(bestOf = 3) {
    this.#heads = Array.from({ length: bestOf }, (_, index) =>
      make('th', { scope: 'col' }, make('span', { class: 'unseen' }, 'Set '), `${index + 1}`),
    );
    const head = make(
      'tr',
      {},
      make('th', { scope: 'col' }, 'Player'),
      ...this.#heads,
      make('th', { scope: 'col' }, 'Points'),
    );
    this.#rows = [rowOf(bestOf), rowOf(bestOf)];
    this.element = make(
      'table',
      { class: 'scoreboard' },
      this.#caption,
      make('thead', {}, head),
      make('tbody', {}, ...this.#rows.map(({ row }) => row)),
    );
  }

  show({ players, score }: MatchState): void {
    setText(this.#caption, `${players[0]} against ${players[1]}`);
    this.element.classList.toggle('over', score.winner !== undefined);
    for (const side of sides) this.#showSide(side, players[side], score);
  }

  #showSide(side: Side, player: string, score: Score): void {
    const { name, serve, sets, points } = this.#rows[side];
    setText(name, player);
    const isServing = score.winner === undefined && servingSide(score) === side;
    serve.classList.toggle('serving', isServing);
    setText(serve, isServing ? 'serves' : '');
    sets.forEach((cell, index) => {
      showSet(cell, score, side, index);
    });
    setText(
      points,
      score.winner === undefined ? pointsShown(score)[side] : score.winner === side ? '✓' : '',
      true,
    );
    points.classList.toggle('tie-break', isTieBreak(score));
  }
}

function rowOf(bestOf: number): Row {
  const name = make('span', { class: 'player' }, '–'); // until there is a match
  const serve = make('span', { class: 'serve' });
  const sets = Array.from({ length: bestOf }, () => make('td', { class: 'set' }));
  const points = make('td', { class: 'points' });
  const row = make(
    'tr',
    {},
    make('th', { scope: 'row' }, make('span', { class: 'who' }, name, serve)),
    ...sets,
    points,
  );
  return { name, serve, row, sets, points };
}

function showSet(cell: HTMLTableCellElement, score: Score, side: Side, index: number): void {
  const set = score.sets[index];
  const isNow = set === undefined && index === score.sets.length && score.winner === undefined;
  setText(cell, set !== undefined ? `${set.games[side]}` : isNow ? `${score.games[side]}` : '', true);
  cell.classList.toggle('now', isNow);
  cell.classList.toggle('taken', set !== undefined && set.games[side] > set.games[side === 0 ? 1 : 0]);
  if (set?.tieBreak !== undefined) cell.append(make('sup', {}, `${set.tieBreak[side]}`));
}

/** The score in a sentence, such as `Ada Court leads by a set: 6-4, 2-3`. */
export function standing({ players, score }: MatchState): string {
  const [first, second] = setsWon(score);
  const games = [...score.sets.map((set) => set.games), ...(score.winner === undefined ? [score.games] : [])];
  const shown = games.map(([one, two]) => `${one}-${two}`).join(', ');
  if (score.winner !== undefined) return `${players[score.winner]} has won: ${shown}`;
  if (first === second) return `${score.sets.length === 0 ? 'Games' : 'Sets'} ${shown}`;
  return `${players[first > second ? 0 : 1]} leads by a set: ${shown}`;
}
