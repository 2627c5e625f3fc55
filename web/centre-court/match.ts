/** One match for spectators: score, the last point in words, and statistics. */
import './centre-court.css';
import type { Subscription } from '../../client/rally.ts';
import { byId, make, setText } from '../shared/dom.ts';
import { noteWhenEmpty, openRally, subscribe } from '../shared/page.ts';
import { isDeuce, stakeOf } from '../tennis/match.ts';
import type { MatchState } from '../tennis/record.ts';
import { Scoreboard, standing } from './scoreboard.ts';
import { showStatistics } from './statistics-table.ts';
import { matchIdOfPage, readState, scoreTopic } from './topics.ts';

const board = new Scoreboard();
byId('board').replaceChildren(board.element);
const rally = openRally();
let subscription: Subscription | undefined;
let shown: MatchState | undefined;
const noteIfEmpty = noteWhenEmpty(rally, byId('nothing'), () => shown === undefined);

follow();
addEventListener('hashchange', follow);
setInterval(showAge, 1_000);

function follow(): void {
  subscription?.unsubscribe();
  shown = undefined;
  const id = matchIdOfPage();
  byId('match').hidden = true;
  setText(byId('nothing'), id === '' ? 'No match selected.' : 'This match has no score yet.');
  noteIfEmpty();
  if (id === '') return;
  subscription = subscribe(rally, scoreTopic(id), (message) => show(readState(message)), { qos: 1 });
}

function show(state: MatchState | undefined): void {
  shown = state;
  byId('match').hidden = state === undefined;
  noteIfEmpty();
  if (state === undefined) {
    setText(byId('nothing'), 'This match has been removed.');
    return;
  }
  document.title = `${standing(state)} · RallyMQ`;
  setText(byId('title'), `${state.players[0]} – ${state.players[1]}`);
  setText(byId('court'), state.court);
  board.show(state);
  setText(byId('call'), callOf(state));
  setText(byId('standing'), standing(state));
  showStatistics(byId('statistics'), state);
  showAge();
}

function callOf(state: MatchState): string {
  const { score, players, last } = state;
  const stakes = ([0, 1] as const).flatMap((side) => {
    const stake = stakeOf(score, side);
    return stake === undefined
      ? []
      : [`${stake === 'break' ? 'Break' : stake === 'set' ? 'Set' : 'Match'} point, ${players[side]}.`];
  });
  const deuce = isDeuce(score) ? ['Deuce.'] : [];
  return [last || 'The match begins.', ...deuce, ...stakes].join(' ');
}

function showAge(): void {
  if (shown === undefined) return;
  const seconds = Math.max(0, Math.round((Date.now() - shown.at) / 1_000));
  const text =
    seconds < 2 ? 'just now' : seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
  byId('age').replaceChildren('Last point ', make('span', { class: 'number' }, text));
}
