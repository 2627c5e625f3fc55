/** The statistics of a match: one row each, with a bar that compares the players. */
import { make } from '../shared/dom.ts';
import type { Pair } from '../tennis/match.ts';
import type { MatchState, Statistics } from '../tennis/record.ts';

interface RowSpec {
  readonly label: string;
  readonly counts: (statistics: Statistics) => Pair;
  readonly shown?: (statistics: Statistics) => readonly [string, string];
}

const rows: readonly RowSpec[] = [
  { label: 'Points won', counts: ({ points }) => points },
  { label: 'Aces', counts: ({ aces }) => aces },
  { label: 'Double faults', counts: ({ doubleFaults }) => doubleFaults },
  { label: 'Winners', counts: ({ winners }) => winners },
  { label: 'Errors', counts: ({ errors }) => errors },
  {
    label: 'Won on own service',
    counts: shareOnService,
    shown: (statistics) => percents(shareOnService(statistics)),
  },
  {
    label: 'Break points won',
    counts: ({ breaks }) => breaks,
    shown: ({ breaks, breakPoints }) => [
      `${breaks[0]} of ${breakPoints[0]}`,
      `${breaks[1]} of ${breakPoints[1]}`,
    ],
  },
  { label: 'Points in a row', counts: ({ run }) => run },
];

export function showStatistics(table: HTMLElement, { players, statistics }: MatchState): void {
  const head = make(
    'tr',
    {},
    make('th', { scope: 'col' }, players[0]),
    make('th', { scope: 'col' }, make('span', { class: 'unseen' }, 'Statistic')),
    make('th', { scope: 'col' }, players[1]),
  );
  table.replaceChildren(
    make('thead', {}, head),
    make('tbody', {}, ...rows.map((row) => rowOf(row, statistics))),
  );
}

function rowOf({ label, counts, shown }: RowSpec, statistics: Statistics): HTMLElement {
  const [first, second] = counts(statistics);
  const [one, two] = shown?.(statistics) ?? [`${first}`, `${second}`];
  const isNone = first + second === 0;
  const bar = make('span', { class: isNone ? 'bar none' : 'bar' });
  bar.style.setProperty('--first', `${isNone ? 1 : first}`);
  bar.style.setProperty('--second', `${isNone ? 1 : second}`);
  return make(
    'tr',
    {},
    make('td', { class: first > second ? 'more' : '' }, one),
    make('th', { scope: 'row' }, label, bar),
    make('td', { class: second > first ? 'more' : '' }, two),
  );
}

function shareOnService({ serviceWon, served }: Statistics): Pair {
  return [
    Math.round((100 * serviceWon[0]) / (served[0] || 1)),
    Math.round((100 * serviceWon[1]) / (served[1] || 1)),
  ];
}

function percents([first, second]: Pair): readonly [string, string] {
  return [`${first}%`, `${second}%`];
}
