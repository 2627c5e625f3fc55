/** The lobby: the rooms with people in them, by one subscription to the people of all rooms. */
import type { Rally } from '../../client/rally.ts';
import { byId, make } from '../shared/dom.ts';
import { noteWhenEmpty, onNewSession, subscribe } from '../shared/page.ts';
import { allPeople, readPerson, roomName } from './topics.ts';

/** Everyone may publish people here. */
const roomsMax = 50;

/** `choose` is called with a room when it is clicked. */
export function showRooms(rally: Rally, choose: (room: string) => void): void {
  /** The topics of the people in each room. */
  const rooms = new Map<string, Set<string>>();
  const noteIfEmpty = noteWhenEmpty(rally, byId('no-rooms'), () => rooms.size === 0);
  onNewSession(rally, () => {
    rooms.clear();
    show(rooms, choose);
    noteIfEmpty();
  });
  subscribe(rally, allPeople, (message) => {
    const room = message.topic.split('/')[2] ?? '';
    if (room === '' || roomName(room) !== room) return;
    const people = rooms.get(room) ?? new Set();
    if (readPerson(message) === undefined) people.delete(message.topic);
    else people.add(message.topic);
    if (people.size > 0) rooms.set(room, people);
    else rooms.delete(room);
    show(rooms, choose);
    noteIfEmpty();
  });
}

function show(rooms: ReadonlyMap<string, ReadonlySet<string>>, choose: (room: string) => void): void {
  const sorted = [...rooms].sort(([, one], [, two]) => two.size - one.size).slice(0, roomsMax);
  const items = sorted.map(([room, { size }]) => {
    const button = make(
      'button',
      { type: 'button' },
      make('span', { class: 'name' }, room),
      make('span', { class: 'tag' }, size === 1 ? '1 person' : `${size} people`),
    );
    button.addEventListener('click', () => choose(room));
    return make('li', {}, button);
  });
  byId('open-rooms').replaceChildren(...items);
}
