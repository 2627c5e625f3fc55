/** The state of each demo in a line: the landing page subscribes to all of them. */

import type { Rally } from '../../client/rally.ts';
import { allScores, matchIdOf, readState } from '../centre-court/topics.ts';
import { root as houseRoot, readWatts } from '../current-cost/topics.ts';
import { allPeople, readPerson } from '../rooms/topics.ts';
import { byId, numberFormat, setText } from '../shared/dom.ts';
import { onNewSession } from '../shared/page.ts';
import { pointsShown } from '../tennis/match.ts';

/** The time in which the first messages of a demo arrive. */
const patienceMs = 600;

export function showTeasers(rally: Rally): void {
  followCourt(rally);
  followHouse(rally);
  followRooms(rally);
  rally.on('connected', () => setTimeout(() => showIdle(), patienceMs));
}

function showIdle(): void {
  for (const name of ['court', 'race', 'power']) {
    if (byId(`teaser-${name}`).textContent === '–') setText(byId(`teaser-${name}`), 'Start npm run demo');
  }
  if (byId('teaser-rooms').textContent === '–') setText(byId('teaser-rooms'), 'Nobody here');
}

function followCourt(rally: Rally): void {
  let shownId = '';
  let changes = 0;
  const live = new Set<string>();
  onNewSession(rally, () => live.clear());
  rally.subscribe(allScores, (message) => {
    const id = matchIdOf(message.topic);
    const state = readState(message);
    const isLive = state !== undefined && state.score.winner === undefined;
    if (isLive) live.add(id);
    else live.delete(id);
    if (!message.retain) changes += 1;
    const matches = live.size === 1 ? '1 match' : `${live.size} matches`;
    const points = changes === 1 ? '1 point' : `${numberFormat.format(changes)} points`;
    setText(byId('teaser-race'), `${matches}, ${points}`);
    if (!live.has(shownId)) shownId = [...live][0] ?? '';
    if (live.size === 0) setText(byId('teaser-court'), 'No matches');
    if (!isLive || id !== shownId) return;
    const games = [...state.score.sets.map((set) => set.games), state.score.games];
    const sets = games.map(([one, two]) => `${one}-${two}`).join(' ');
    const players = state.players.map(lastNameOf).join(' – ');
    setText(byId('teaser-court'), `${players}\n${sets} · ${pointsShown(state.score).join('-')}`, true);
  });
}

function followHouse(rally: Rally): void {
  const watts = new Map<string, number>();
  rally.subscribe(`${houseRoot}/+/watts`, (message) => {
    watts.set(message.topic, readWatts(message.text()) ?? 0);
    const sum = [...watts.values()].reduce((total, one) => total + one, 0);
    setText(byId('teaser-power'), `${numberFormat.format(sum)} W now`);
  });
}

function followRooms(rally: Rally): void {
  const people = new Set<string>();
  const show = (): void => {
    const who = people.size === 1 ? '1 person here' : `${numberFormat.format(people.size)} people here`;
    setText(byId('teaser-rooms'), people.size === 0 ? 'Nobody here' : who);
  };
  onNewSession(rally, () => {
    if (people.size === 0) return;
    people.clear();
    show();
  });
  rally.subscribe(allPeople, (message) => {
    if (readPerson(message) === undefined) people.delete(message.topic);
    else people.add(message.topic);
    show();
  });
}

function lastNameOf(player: string): string {
  return player.trim().split(/\s+/).at(-1) ?? player;
}
