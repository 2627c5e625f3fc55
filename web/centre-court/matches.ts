/** The list of matches: all scores by one subscription with a wildcard. */
import './centre-court.css';
import { byId, make, setText } from '../shared/dom.ts';
import { noteWhenEmpty, onNewSession, openRally, subscribe } from '../shared/page.ts';
import type { MatchState } from '../tennis/record.ts';
import { Scoreboard } from './scoreboard.ts';
import { allScores, matchIdOf, readState } from './topics.ts';

interface Card {
  readonly element: HTMLElement;
  readonly board: Scoreboard;
  readonly court: HTMLElement;
  readonly last: HTMLElement;
  readonly tag: HTMLElement;
}

/** Cards on the page; everyone may publish matches here. */
const shownMax = 60;

const cards = new Map<string, Card>();
const rally = openRally();
const noteIfEmpty = noteWhenEmpty(rally, byId('no-match'), () => cards.size === 0);
onNewSession(rally, () => {
  for (const id of cards.keys()) remove(id);
  noteIfEmpty();
});
subscribe(
  rally,
  allScores,
  (message) => {
    const id = matchIdOf(message.topic);
    const state = readState(message);
    if (state === undefined) remove(id);
    else show(id, state);
    noteIfEmpty();
  },
  { qos: 1 },
);

function show(id: string, state: MatchState): void {
  const card = cards.get(id) ?? (cards.size < shownMax ? add(id) : undefined);
  if (card === undefined) return;
  card.board.show(state);
  if (card.court.textContent !== state.court) {
    setText(card.court, state.court);
    sort();
  }
  setText(card.last, state.last);
  const isOver = state.score.winner !== undefined;
  setText(card.tag, isOver ? 'over' : 'in play');
  card.tag.classList.toggle('live', !isOver);
}

/** By the name of the court. */
function sort(): void {
  const sorted = [...cards.values()].sort((one, two) =>
    (one.court.textContent ?? '').localeCompare(two.court.textContent ?? ''),
  );
  byId('matches').append(...sorted.map(({ element }) => element));
}

function remove(id: string): void {
  cards.get(id)?.element.remove();
  cards.delete(id);
}

function add(id: string): Card {
  const board = new Scoreboard();
  const court = make('h2');
  const last = make('p', { class: 'small quiet last' });
  const tag = make('span', { class: 'tag' });
  const link = make('a', { class: 'more', href: `match/#${id}` }, 'Open the match');
  const head = make('div', { class: 'row head' }, court, tag);
  const element = make(
    'article',
    { class: 'card match', id: `match-${id}` },
    head,
    board.element,
    last,
    link,
  );
  const card = { element, board, court, last, tag };
  cards.set(id, card);
  byId('matches').append(element);
  return card;
}
