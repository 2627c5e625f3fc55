/** What anyone may publish to the demos: what is not sound is nothing, and does not keep a page from showing the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message } from '../../../client/rally.ts';
import { parseRecord, parseState } from '../../../web/centre-court/topics.ts';
import { readAppliances, readHour, readRecent } from '../../../web/current-cost/topics.ts';
import { readChatMessage, readPerson } from '../../../web/rooms/topics.ts';
import { newScore } from '../../../web/tennis/match.ts';
import { noStatistics, pointsFromText, stateOf } from '../../../web/tennis/record.ts';

function messageOf(value: unknown): Message {
  const text = JSON.stringify(value);
  return { topic: 't', text: () => text, json: () => JSON.parse(text) } as Message;
}

/** The last moment of a Date, and what none can show. */
const [latest, ...noTimes] = [8.64e15, 8.64e15 + 1, -1e300];

test('a time that no page can show is not sound', () => {
  const readers: [string, (at: number) => unknown][] = [
    ['a person', (since) => readPerson(messageOf({ name: 'Ada', since }))],
    ['a message', (at) => readChatMessage(messageOf({ from: 'a', name: 'Ada', text: 'hi', at }))],
    ['an hour', (start) => readHour(messageOf({ start, wattHours: { kettle: 1 } }))],
    ['the last minutes', (end) => readRecent(messageOf({ end, stepMs: 1_000, watts: { kettle: [1] } }))],
  ];
  for (const [what, read] of readers) {
    assert.ok(read(latest as number), what);
    for (const at of noTimes) assert.equal(read(at), undefined, `${what} at ${at}`);
  }
});

test('of appliances and readings, what is not one is left out', () => {
  const kettle = { id: 'kettle', name: 'Kettle' };
  assert.deepEqual(readAppliances(messageOf([null, kettle, 1, { id: 'no name' }])), [kettle]);
  for (const watts of [{ kettle: ['much'] }, { kettle: [null] }, { kettle: 1 }])
    assert.equal(readRecent(messageOf({ end: 0, stepMs: 1_000, watts })), undefined, JSON.stringify(watts));
});

test('a name or a text that no visitor could have written is not sound', () => {
  const at = 1_700_000_000_000;
  const [name, text] = ['x'.repeat(40), 'x'.repeat(2_000)];
  assert.ok(readPerson(messageOf({ name, since: at })));
  assert.equal(readPerson(messageOf({ name: `${name}x`, since: at })), undefined);
  assert.ok(readChatMessage(messageOf({ from: 'a', name, text, at })));
  assert.equal(readChatMessage(messageOf({ from: 'a', name: `${name}x`, text, at })), undefined);
  assert.equal(readChatMessage(messageOf({ from: 'a', name, text: `${text}x`, at })), undefined);
});

test('a match that would fill the page is not sound', () => {
  const score = newScore(0);
  const match = { id: 'a', court: 'Court 1', players: ['Ada', 'Bea'], score, statistics: noStatistics };
  const isSound = (other: object): boolean =>
    parseState(JSON.stringify({ ...match, last: 'Ace', version: 1, at: 1, ...other })) !== undefined;
  const set = { games: [6, 4] };
  assert.ok(isSound({}));
  const players = ['x'.repeat(40), 'y'.repeat(40)] as const;
  const won = pointsFromText('0a'.repeat(48)) ?? assert.fail();
  assert.ok(parseState(JSON.stringify(stateOf({ ...match, players, umpire: '', firstServer: 0 }, won, 1))));
  assert.ok(isSound({ score: { ...score, sets: Array(5).fill(set) } }));
  assert.ok(!isSound({ score: { ...score, sets: Array(6).fill(set) } }));
  const long = 'x'.repeat(201);
  for (const other of [{ court: long }, { last: long }, { players: ['Ada', long] }])
    assert.ok(!isSound(other));
  const record = (points: string) => parseRecord(JSON.stringify({ sheet: match, points, at: 1 }));
  assert.ok(record('0a'.repeat(300)));
  assert.equal(record('0a'.repeat(5_001)), undefined);
});
