/**
 * The topics of matches. Both messages of a match are retained:
 *
 *     demos/centre-court/<id>/score    MatchState, for spectators
 *     demos/centre-court/<id>/points   MatchRecord, with which an umpire continues
 */
import type { Message } from '../../client/rally.ts';
import { type MatchSheet, type MatchState, noStatistics, pointsFromText } from '../tennis/record.ts';

export interface MatchRecord {
  readonly sheet: MatchSheet;
  /** In the format of pointsToText(). */
  readonly points: string;
  readonly at: number;
  /** The umpire's page that made it, and the number of the record. */
  readonly by?: string;
}

const root = 'demos/centre-court';
/** Of any match: everyone may publish here, and more would fill the page. The forms have less. */
const setsMax = 5;
const textLengthMax = 200;
const pointsLengthMax = 10_000;

export const allScores = `${root}/+/score`;

export function scoreTopic(id: string): string {
  return `${root}/${id}/score`;
}

export function pointsTopic(id: string): string {
  return `${root}/${id}/points`;
}

/** The match of a topic. */
export function matchIdOf(topic: string): string {
  return topic.split('/')[2] ?? '';
}

/** The match in the address of this page, after the #. */
export function matchIdOfPage(): string {
  return location.hash.slice(1).replace(/[^\w-]/g, '');
}

/** Undefined: the match was removed (an empty message), or the message is not a match, since everyone may publish here. */
export function readState(message: Message): MatchState | undefined {
  return parseState(message.text());
}

export function parseState(text: string): MatchState | undefined {
  const state = parseJson(text);
  return isMatchState(state) ? state : undefined;
}

export function readRecord(message: Message): MatchRecord | undefined {
  return parseRecord(message.text());
}

export function parseRecord(text: string): MatchRecord | undefined {
  const record = parseJson(text) as MatchRecord | undefined;
  const isSound =
    typeof record?.points === 'string' &&
    record.points.length <= pointsLengthMax &&
    pointsFromText(record.points) !== undefined &&
    isPairOf(isText, record.sheet?.players) &&
    typeof record.at === 'number';
  return isSound ? record : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // empty, or not JSON
  }
}

function isMatchState(value: unknown): value is MatchState {
  const { id, court, players, score, statistics, last, version, at } = (value ?? {}) as Partial<MatchState>;
  return (
    [id, court, last].every(isText) &&
    typeof version === 'number' &&
    typeof at === 'number' &&
    isPairOf(isText, players) &&
    isPairOf(isNumber, score?.games) &&
    isPairOf(isNumber, score?.points) &&
    Array.isArray(score?.sets) &&
    score.sets.length <= setsMax &&
    score.sets.every((set) => isPairOf(isNumber, set?.games)) &&
    Object.keys(noStatistics).every((name) => isPairOf(isNumber, (statistics as never)?.[name]))
  );
}

function isPairOf(isPart: (value: unknown) => boolean, value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isPart);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= textLengthMax;
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}
