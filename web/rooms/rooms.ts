/** The page of a room: people, messages, typing notices, and read receipts of one's own messages. */
import './rooms.css';
import type { Rally } from '../../client/rally.ts';
import { byId, make, setText, shownName, timeFormat } from '../shared/dom.ts';
import { onNewSession, openRally, tabId } from '../shared/page.ts';
import { showRooms } from './lobby.ts';
import { colourClass, MessageList } from './message-list.ts';
import { connectOptions, Room, type Visitor } from './room.ts';
import { type Person, roomName } from './topics.ts';

/** Without a further notice, a person has stopped typing. */
const typingMs = 4_000;

const nameKey = 'rooms-name';
const client = `rooms-${tabId('rooms-client')}`;
const people = new Map<string, Person>();
const typing = new Map<string, { name: string; timer: ReturnType<typeof setTimeout> }>();
const list = new MessageList(byId('scroller'), byId('messages'), client, () => people);
let room: Room | undefined;
/** The connection of the lobby, which has no session and no will. */
let lobby: Rally | undefined;

byId<HTMLInputElement>('name').value = sessionStorage.getItem(nameKey) ?? localStorage.getItem(nameKey) ?? '';
byId<HTMLInputElement>('room').value = roomOfPage();
byId('join').addEventListener('submit', (event) => {
  event.preventDefault();
  join(
    byId<HTMLInputElement>('name').value.trim(),
    roomName(byId<HTMLInputElement>('room').value) || 'lobby',
  );
});
byId('leave').addEventListener('click', () => void leave());
byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  send();
});
byId('text').addEventListener('input', () => {
  if (byId<HTMLTextAreaElement>('text').value === '') room?.stopTyping();
  else room?.typing();
});
byId('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') room?.looked();
});

// After a reload the visitor is in the same room again.
const kept = sessionStorage.getItem(nameKey);
if (kept !== null && sessionStorage.getItem('rooms-in') === roomOfPage()) {
  join(kept, roomOfPage());
} else {
  lobby = openRally();
  showRooms(lobby, choose);
}

function choose(where: string): void {
  const name = byId<HTMLInputElement>('name');
  byId<HTMLInputElement>('room').value = where;
  if (name.value.trim() === '') name.focus();
  else join(name.value.trim(), where);
}

function join(name: string, where: string): void {
  if (name === '') return;
  sessionStorage.setItem(nameKey, name);
  sessionStorage.setItem('rooms-in', where);
  localStorage.setItem(nameKey, name);
  history.replaceState(null, '', `#${where}`);
  const visitor: Visitor = { client, name };
  lobby?.close();
  const rally = openRally(connectOptions(where, visitor));
  onNewSession(rally, () => people.clear());
  room = new Room(rally, where, visitor, {
    person: onPerson,
    message: (id, message) => list.show(id, message),
    receipt: (id, receipt) => list.receipt(id, receipt),
    sent: (id, error) => list.sent(id, error),
    typing: onTyping,
  });
  byId('lobby').hidden = true;
  byId('inside').hidden = false;
  document.documentElement.classList.add('in-room');
  document.title = `${where} · Rooms · RallyMQ`;
  setText(byId('room-title'), where);
  byId('text').focus();
}

async function leave(): Promise<void> {
  sessionStorage.removeItem('rooms-in');
  await room?.leave();
  location.reload(); // nothing of the room stays in this page
}

function send(): void {
  const input = byId<HTMLTextAreaElement>('text');
  const text = input.value.trim();
  if (text === '' || room === undefined) return;
  const { id, message } = room.write(text);
  list.show(id, message, false);
  input.value = '';
  input.focus();
}

function onPerson(id: string, person: Person | undefined): void {
  if (person === undefined) people.delete(id);
  else people.set(id, person);
  const sorted = [...people].sort(([, one], [, two]) => one.since - two.since);
  byId('people').replaceChildren(
    ...sorted.map(([who, { name, since }]) =>
      make(
        'li',
        { title: `since ${timeFormat.format(since)}`, class: colourClass(who) },
        make('span', { class: 'face', 'aria-hidden': 'true' }, initialsOf(name)),
        make(
          'span',
          { class: 'name' },
          shownName(who === client ? `${name} (you)` : nameOf(sorted, who, name)),
        ),
      ),
    ),
  );
  setText(byId('people-count'), `${people.size}`);
  if (person === undefined) onTyping(id, '');
}

/** A name that is already taken gets a number. */
function nameOf(sorted: readonly (readonly [string, Person])[], who: string, name: string): string {
  const namesakes = sorted.filter(([, person]) => person.name === name).map(([id]) => id);
  const index = namesakes.indexOf(who);
  return index === 0 ? name : `${name} (${index + 1})`;
}

function onTyping(id: string, name: string): void {
  clearTimeout(typing.get(id)?.timer);
  if (name === '') typing.delete(id);
  else
    typing.set(id, {
      name: shownName(name.slice(0, 40)),
      timer: setTimeout(() => onTyping(id, ''), typingMs),
    });
  const names = [...typing.values()].map((entry) => entry.name);
  const text =
    names.length === 0
      ? ''
      : names.length > 3
        ? 'Several people are typing…'
        : `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} typing…`;
  setText(byId('typing'), text);
}

function initialsOf(name: string): string {
  return name
    .split(/\s+/)
    .map((part) => part[0] ?? '')
    .slice(0, 2)
    .join('')
    .toUpperCase();
}

function roomOfPage(): string {
  try {
    return roomName(decodeURIComponent(location.hash.slice(1))) || 'lobby';
  } catch {
    return 'lobby'; // not valid percent-encoding
  }
}
