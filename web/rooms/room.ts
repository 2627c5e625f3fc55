/** One room, for one visitor: publishes for the page, and notifies the page. */
import type { Message, Rally, RallyOptions } from '../../client/rally.ts';
import { randomId, subscribe } from '../shared/page.ts';
import {
  type ChatMessage,
  lastLevel,
  type Person,
  type Receipt,
  RoomTopics,
  readChatMessage,
  readPerson,
  readReceipt,
  textMax,
} from './topics.ts';

export interface Visitor {
  readonly client: string;
  readonly name: string;
}

export interface RoomEvents {
  /** Undefined: the person has left. */
  person(client: string, person: Person | undefined): void;
  /** Undefined: it was removed. */
  message(id: string, message: ChatMessage | undefined): void;
  /** The delivery state of an own message. */
  receipt(id: string, receipt: Receipt): void;
  sent(id: string, error?: Error): void;
  /** Empty: the person has stopped typing. */
  typing(client: string, name: string): void;
}

/** The length of the history: a new message removes the oldest. */
const keptMessages = 100;
const keptSeconds = 86_400;
/** The time after a lost connection before others see that a person has left. */
const willDelaySeconds = 2;
/** How long read receipts wait for an author who is away. */
const sessionSeconds = 3_600;
const receiptDelayMs = 100;
const typingPeriodMs = 2_000;

/** The options of the connection: its will removes the visitor from the room. */
export function connectOptions(room: string, { client }: Visitor): RallyOptions {
  return {
    clientId: client,
    cleanStart: false,
    properties: { sessionExpiryInterval: sessionSeconds },
    will: {
      topic: new RoomTopics(room).person(client),
      qos: 1,
      retain: true,
      properties: { willDelayInterval: willDelaySeconds },
    },
  };
}

export class Room {
  readonly #rally: Rally;
  readonly #topics: RoomTopics;
  readonly #visitor: Visitor;
  readonly #events: RoomEvents;
  readonly #since = Date.now();
  /** When messages were written, by id. */
  readonly #known = new Map<string, number>();
  /** Unread messages of others: the author by id. */
  readonly #unread = new Map<string, string>();
  /** Receipts to send, by author. */
  readonly #receipts = new Map<string, { ids: string[]; state: Receipt['state'] }>();
  #receiptTimer: ReturnType<typeof setTimeout> | undefined;
  #typedAtMs = 0;

  constructor(rally: Rally, room: string, visitor: Visitor, events: RoomEvents) {
    this.#rally = rally;
    this.#topics = new RoomTopics(room);
    this.#visitor = visitor;
    this.#events = events;
    const { client } = visitor;
    // The will may have been published, so each connection starts with it.
    rally.on('connected', () => this.#enter());
    subscribe(rally, this.#topics.person('+'), (message) => this.#onPerson(message), { qos: 1 });
    subscribe(rally, this.#topics.message('+'), (message) => this.#onMessage(message), { qos: 1 });
    subscribe(rally, this.#topics.receipts(client), (message) => this.#onReceipt(message), { qos: 1 });
    subscribe(rally, this.#topics.typing('+'), (message) => this.#onTyping(message), {
      qos: 0,
      noLocal: true,
    });
  }

  /** Returns the id of the message; `sent` follows when the broker has it. */
  write(text: string): { id: string; message: ChatMessage } {
    const at = Date.now();
    const id = `${at.toString(36)}-${randomId()}`;
    const { client, name } = this.#visitor;
    const message: ChatMessage = { from: client, name, text: text.slice(0, textMax), at };
    this.#known.set(id, at);
    this.#rally
      .publish(this.#topics.message(id), message, {
        qos: 1,
        retain: true,
        properties: { messageExpiryInterval: keptSeconds, contentType: 'application/json' },
      })
      .then(
        () => this.#events.sent(id),
        (error: Error) => this.#events.sent(id, error),
      );
    this.stopTyping();
    this.#prune();
    return { id, message };
  }

  /** Call it for each key. */
  typing(): void {
    if (Date.now() - this.#typedAtMs < typingPeriodMs || this.#rally.status !== 'connected') return;
    this.#typedAtMs = Date.now();
    void this.#rally.publish(this.#topics.typing(this.#visitor.client), this.#visitor.name);
  }

  stopTyping(): void {
    if (this.#typedAtMs === 0) return;
    this.#typedAtMs = 0;
    if (this.#rally.status === 'connected')
      void this.#rally.publish(this.#topics.typing(this.#visitor.client));
  }

  /** The visitor looks at the page: everything in it counts as read. */
  looked(): void {
    for (const [id, author] of this.#unread) this.#confirm(author, id, 'read');
    this.#unread.clear();
  }

  /** Resolves when the room has been told that the visitor has left. */
  async leave(): Promise<void> {
    const goodbye = this.#rally.publish(this.#topics.person(this.#visitor.client), undefined, {
      qos: 1,
      retain: true,
    });
    if (this.#rally.status === 'connected') await goodbye.catch(() => undefined);
    else goodbye.catch(() => undefined); // the will tells it
    this.#rally.close();
  }

  #enter(): void {
    const person: Person = { name: this.#visitor.name, since: this.#since };
    const { client } = this.#visitor;
    this.#rally.publish(this.#topics.person(client), person, { qos: 1, retain: true }).catch(() => undefined);
  }

  #onPerson(message: Message): void {
    this.#events.person(lastLevel(message), readPerson(message));
  }

  #onMessage(message: Message): void {
    const id = lastLevel(message);
    const chat = readChatMessage(message);
    if (chat === undefined) this.#known.delete(id);
    else this.#known.set(id, chat.at);
    this.#events.message(id, chat);
    if (chat === undefined || chat.from === this.#visitor.client) return;
    const isRead = document.visibilityState === 'visible';
    if (!isRead) this.#unread.set(id, chat.from);
    this.#confirm(chat.from, id, isRead ? 'read' : 'delivered');
  }

  #onReceipt(message: Message): void {
    const receipt = readReceipt(message);
    for (const id of receipt?.ids ?? []) if (receipt !== undefined) this.#events.receipt(id, receipt);
  }

  #onTyping(message: Message): void {
    this.#events.typing(lastLevel(message), message.text());
  }

  /** Receipts of the same kind to one author are sent together. */
  #confirm(author: string, id: string, state: Receipt['state']): void {
    const key = `${state} ${author}`;
    const waiting = this.#receipts.get(key) ?? { ids: [], state };
    waiting.ids.push(id);
    this.#receipts.set(key, waiting);
    this.#receiptTimer ??= setTimeout(() => this.#sendReceipts(), receiptDelayMs);
  }

  #sendReceipts(): void {
    this.#receiptTimer = undefined;
    for (const [key, { ids, state }] of this.#receipts) {
      const author = key.slice(state.length + 1);
      const receipt: Receipt = { by: this.#visitor.client, ids, state };
      if (isLevel(author)) {
        this.#rally.publish(this.#topics.receipts(author), receipt, { qos: 1 }).catch(() => undefined);
      }
    }
    this.#receipts.clear();
  }

  #prune(): void {
    const oldest = [...this.#known].sort(([, one], [, two]) => one - two);
    for (const [id] of oldest.slice(0, -keptMessages)) {
      this.#known.delete(id);
      this.#rally
        .publish(this.#topics.message(id), undefined, { qos: 1, retain: true })
        .catch(() => undefined);
    }
  }
}

/** A name from others becomes part of a topic only if it is a single level. */
function isLevel(text: string): boolean {
  return /^[\w-]{1,64}$/.test(text);
}
