/**
 * The topics of a room:
 *
 *     demos/rooms/<room>/people/<client>      Person, retained; the will of each client removes it
 *     demos/rooms/<room>/messages/<id>        ChatMessage, retained: the history; QoS 1
 *     demos/rooms/<room>/receipts/<client>    Receipt, to the author of messages; QoS 1
 *     demos/rooms/<room>/typing/<client>      the name of a person who is typing, or empty; QoS 0
 */
import type { Message } from '../../client/rally.ts';
import { isTime } from '../shared/is-time.ts';

export interface Person {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export interface ChatMessage {
  /** The client of the author. */
  readonly from: string;
  readonly name: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The messages of an author that a person has received or read. */
export interface Receipt {
  readonly by: string;
  readonly ids: readonly string[];
  readonly state: 'delivered' | 'read';
}

export const textMax = 2_000;
/** Of a person; the field for it has the same. */
const nameMax = 40;

/** The people in all rooms. */
export const allPeople = 'demos/rooms/+/people/+';

export class RoomTopics {
  readonly #root: string;

  constructor(room: string) {
    this.#root = `demos/rooms/${room}`;
  }

  person(client: string): string {
    return `${this.#root}/people/${client}`;
  }

  message(id: string): string {
    return `${this.#root}/messages/${id}`;
  }

  receipts(client: string): string {
    return `${this.#root}/receipts/${client}`;
  }

  typing(client: string): string {
    return `${this.#root}/typing/${client}`;
  }
}

/** The last level of the topic. */
export function lastLevel({ topic }: Message): string {
  return topic.slice(topic.lastIndexOf('/') + 1);
}

/** The name of a room as a topic level; empty if nothing of it is left. */
export function roomName(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}-]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40);
}

/** These return undefined for an empty message and for invalid content: everyone may publish. */
export function readPerson(message: Message): Person | undefined {
  const value = parse(message) as Person | undefined;
  return value !== undefined && isName(value.name) && isTime(value.since) ? value : undefined;
}

export function readChatMessage(message: Message): ChatMessage | undefined {
  const value = parse(message) as ChatMessage | undefined;
  if (typeof value?.from !== 'string' || typeof value.text !== 'string') return undefined;
  return isName(value.name) && value.text.length <= textMax && isTime(value.at) ? value : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= nameMax;
}

export function readReceipt(message: Message): Receipt | undefined {
  const value = parse(message) as Receipt | undefined;
  const isSound = typeof value?.by === 'string' && Array.isArray(value.ids);
  return value !== undefined && isSound && (value.state === 'delivered' || value.state === 'read')
    ? value
    : undefined;
}

function parse(message: Message): unknown {
  try {
    return message.json() ?? undefined;
  } catch {
    return undefined; // empty, or not JSON
  }
}
