/**
 * The umpire's page: it keeps the record of one match and publishes record and score after each point. Points
 * scored while the broker is unreachable wait here, in order, and are sent afterwards; they are also stored in the
 * browser, so that they survive a reload.
 *
 * Several umpires may score one match. They all end up with the record that the broker received last: while an
 * own record is in transit, records that arrive from others are older.
 */
import './centre-court.css';
import type { Message, Subscription, Value } from '../../client/rally.ts';
import { byId, make, setText } from '../shared/dom.ts';
import { errorText, noteWhenEmpty, openRally, randomId } from '../shared/page.ts';
import type { Side } from '../tennis/match.ts';
import {
  type MatchSheet,
  type Point,
  pointsFromText,
  pointsToText,
  possibleWays,
  stateOf,
  type Way,
} from '../tennis/record.ts';
import { Scoreboard } from './scoreboard.ts';
import {
  type MatchRecord,
  matchIdOf,
  matchIdOfPage,
  parseRecord,
  pointsTopic,
  readRecord,
  scoreTopic,
} from './topics.ts';

/** The broker discards a match one day after its last point. */
const expirySeconds = 86_400;
/** By this time after a connection, the broker's messages of a match have arrived. */
const patienceMs = 600;

const board = new Scoreboard();
byId('board').replaceChildren(board.element);
const rally = openRally();
let subscription: Subscription | undefined;
let sheet: MatchSheet | undefined;
let points: readonly Point[] = [];
/** When the last of them was won, in milliseconds since 1970. */
let lastAt = 0;
/** Messages that the broker has not confirmed. */
let waiting = 0;
/** The newest own record, until the broker has delivered it back. */
let awaited: string | undefined;
/** The points shown were scored before a reload, and not published. */
let isUntold = false;
/** Whether the broker has sent anything about the match on this connection. */
let hasHeard = false;
const pageId = randomId();
let records = 0;
const noteIfEmpty = noteWhenEmpty(
  rally,
  byId('nothing'),
  () => sheet === undefined && matchIdOfPage() !== '',
);

byId('new-match').addEventListener('submit', (event) => {
  event.preventDefault();
  begin();
});
byId('undo').addEventListener('click', undo);
byId('remove').addEventListener('click', remove);
addEventListener('keydown', onKey);
addEventListener('hashchange', follow);
follow();

/** Opens the match in the address, whoever has scored it so far. */
function follow(): void {
  const id = matchIdOfPage();
  if (sheet?.id === id) return;
  subscription?.unsubscribe();
  sheet = undefined;
  byId('panel').hidden = true;
  byId('new').hidden = id !== '';
  setText(byId('nothing'), 'This match has no score yet.');
  noteIfEmpty();
  if (id === '') return;
  const kept = parseRecord(localStorage.getItem(keptKey(id)) ?? '');
  if (kept !== undefined) takeUp(kept);
  isUntold = kept !== undefined;
  subscribe(id);
}

function subscribe(id: string): void {
  subscription = rally.subscribe(pointsTopic(id), received, { qos: 1 });
}

/** Stored in the browser: the records that the broker has not confirmed. */
function keptKey(id: string): string {
  return `umpire-${id}`;
}

function received(message: Message): void {
  const record = readRecord(message);
  hasHeard = true;
  if (record?.by !== undefined && record.by === awaited) awaited = undefined;
  else if (awaited !== undefined || (isUntold && (record?.at ?? 0) < lastAt)) return;
  else if (record !== undefined) takeUp(record);
  else if (message.bytes.length === 0) gone();
}

function takeUp(record: MatchRecord): void {
  sheet = record.sheet;
  points = pointsFromText(record.points) ?? [];
  lastAt = record.at;
  isUntold = false;
  show();
}

/** Someone has removed the match. */
function gone(): void {
  if (sheet === undefined) return;
  sheet = undefined;
  byId('panel').hidden = true;
  setText(byId('nothing'), 'This match has been removed.');
  noteIfEmpty();
}

// A broker that has lost its state gets this page's record.
rally.on('connected', ({ sessionPresent }) => {
  if (sessionPresent) return;
  hasHeard = false;
  if (waiting === 0) awaited = undefined;
  setTimeout(() => {
    if (sheet !== undefined && awaited === undefined && (!hasHeard || isUntold)) tell(lastAt);
  }, patienceMs);
});

function begin(): void {
  const names = ['first', 'second'].map((id) => byId<HTMLInputElement>(id).value.trim());
  sheet = {
    id: randomId(),
    court: byId<HTMLInputElement>('where').value.trim() || 'Court',
    players: [names[0] || 'Player one', names[1] || 'Player two'],
    umpire: 'person',
    firstServer: byId<HTMLInputElement>('second-serves').checked ? 1 : 0,
  };
  points = [];
  subscribe(sheet.id);
  location.hash = sheet.id;
  byId('new').hidden = true;
  tell();
}

function score(point: Point): void {
  if (sheet === undefined) return;
  points = [...points, point];
  tell();
}

function undo(): void {
  if (sheet === undefined || points.length === 0) return;
  points = points.slice(0, -1);
  tell();
}

function remove(): void {
  if (sheet === undefined || !confirm('Remove this match for everyone?')) return;
  const { id } = sheet;
  sheet = undefined;
  awaited = undefined;
  void publish(pointsTopic(id));
  void publish(scoreTopic(id));
  location.hash = '';
}

/** Publishes the record, and then the score that follows from it. */
function tell(at = Date.now()): void {
  if (sheet === undefined) return;
  lastAt = at;
  records += 1;
  awaited = `${pageId}-${records}`;
  const record: MatchRecord = { sheet, points: pointsToText(points), at, by: awaited };
  localStorage.setItem(keptKey(sheet.id), JSON.stringify(record));
  void publish(pointsTopic(sheet.id), record);
  void publish(scoreTopic(sheet.id), stateOf(sheet, points, at));
  show();
}

async function publish(topic: string, value?: Value): Promise<void> {
  waiting += 1;
  showWaiting();
  try {
    await rally.publish(topic, value, {
      qos: 1,
      retain: true,
      properties: value === undefined ? {} : { messageExpiryInterval: expirySeconds },
    });
    isUntold = false;
    if (waiting === 1) localStorage.removeItem(keptKey(matchIdOf(topic)));
  } catch (error) {
    setText(byId('refused'), `The broker refused it: ${errorText(error)}.`);
  } finally {
    waiting -= 1;
    showWaiting();
  }
}

/** A point is two messages, the record and the score. */
function pointsThatWait(): string {
  const count = Math.ceil(waiting / 2);
  return count === 1 ? '1 point is waiting and will be sent' : `${count} points are waiting and will be sent`;
}

function showWaiting(): void {
  const isBehind = waiting > 0 && rally.status !== 'connected';
  setText(byId('waiting'), isBehind ? `Keep scoring: ${pointsThatWait()} when the broker is back.` : '');
}
rally.on('reconnecting', showWaiting);

function show(): void {
  if (sheet === undefined) return;
  const state = stateOf(sheet, points, lastAt);
  byId('panel').hidden = false;
  noteIfEmpty();
  board.show(state);
  setText(byId('call'), state.last);
  byId<HTMLAnchorElement>('viewers').href = `../match/#${sheet.id}`;
  byId<HTMLButtonElement>('undo').disabled = points.length === 0;
  for (const side of [0, 1] as const) showButtons(side, state.score.winner !== undefined);
}

function showButtons(side: Side, isOver: boolean): void {
  if (sheet === undefined) return;
  const { players } = sheet;
  const group = byId(`side-${side}`);
  const opponent = players[side === 0 ? 1 : 0];
  const labels: Record<Way, string> = {
    w: `Point ${players[side]}`,
    a: 'Ace',
    d: `Double fault by ${opponent}`,
    e: `Unforced error by ${opponent}`,
  };
  const ways = possibleWays(stateOf(sheet, points, 0).score, side);
  const wanted = (['w', ...ways.filter((way) => way !== 'w')] as Way[]).map((way) => ({
    way,
    label: labels[way],
  }));
  // The buttons stay in place, so that a finger or the focus on one is not lost.
  wanted.forEach(({ way, label }, index) => {
    const button = (group.children[index] as HTMLButtonElement | undefined) ?? addButton(group, side);
    button.dataset['way'] = way;
    button.classList.toggle('plain', way !== 'w');
    button.disabled = isOver;
    setText(button, label);
  });
}

function addButton(group: HTMLElement, side: Side): HTMLButtonElement {
  const button = make('button', { type: 'button' });
  button.addEventListener('click', () => score({ side, way: button.dataset['way'] as Way }));
  group.append(button);
  return button;
}

function onKey(event: KeyboardEvent): void {
  const isTyping = event.target instanceof HTMLInputElement;
  if (sheet === undefined || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const { score: now } = stateOf(sheet, points, 0);
  if (event.key === 'u') undo();
  else if ((event.key === '1' || event.key === '2') && now.winner === undefined) {
    score({ side: event.key === '1' ? 0 : 1, way: 'w' });
  }
}
