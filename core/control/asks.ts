/**
 * The questions that the main thread asks its workers, each with the type of its answer. This is the only
 * kind of request between threads; anything that needs no answer is a message of its own (messages.ts).
 *
 *   main thread  Asks.ask(worker, call, ask, told) --ask--> worker  Answers[call](ask, reply)
 *                told(reply)                       <--reply--
 *
 * `told` is called exactly once, while the message with the answer is handled, so that the order of messages
 * is kept. It gets undefined if the worker does not run or ends before it has answered; then the caller may
 * ask another worker, or this one's successor.
 *
 * What a client waits for is addressed to its connection, which may end before the answer, so those are
 * messages of their own (`connect`, `renew`, `authorize`). The session directory asks no questions: whichever
 * thread runs the worker by then answers, according to the table in session-states.ts.
 */
import type { BrokerConfig } from '../config/options.ts';
import type { TlsMaterial } from '../data-plane/addon.ts';
import type { Inspection, InspectionAnswer } from '../data-plane/inspection.ts';
import type { SessionRow } from '../data-plane/session-row.ts';
import type { AskedSubscription, SubscriptionAnswer } from '../front-end/subscribe.ts';

/** The questions and their answers. */
export interface Calls {
  /** The message retained on a topic: as a PUBLISH, or nothing. */
  readonly retained: { readonly ask: { readonly topic: string }; readonly reply: Uint8Array<ArrayBuffer> };
  /** Apply the rules that were set last. */
  readonly adoptRules: { readonly ask: undefined; readonly reply: undefined };
  /** Apply the live options of this configuration. */
  readonly reconfigure: { readonly ask: BrokerConfig; readonly reply: undefined };
  /** No content: the time until the answer shows how busy the worker is. */
  readonly lag: { readonly ask: undefined; readonly reply: undefined };
  /** How many retained messages of its log have not been taken by the owners of their topics yet. */
  readonly offersLeft: { readonly ask: undefined; readonly reply: number };
  /** How many sessions, of any node, have not got all its retained messages that they subscribed to. */
  readonly walksLeft: { readonly ask: undefined; readonly reply: number };
  /** How a session is. */
  readonly sessionRow: { readonly ask: { readonly session: number }; readonly reply: SessionRow };
  /** What operators ask about its sessions and retained messages. */
  readonly inspect: { readonly ask: Inspection; readonly reply: InspectionAnswer };
  /** Subscribe a session to a topic filter, or unsubscribe it. Undefined: the session is not here. */
  readonly subscribe: { readonly ask: AskedSubscription; readonly reply: SubscriptionAnswer | undefined };
  readonly unsubscribe: {
    readonly ask: { readonly session: number; readonly topicFilter: string };
    readonly reply: boolean;
  };
  /**
   * Use these certificates for new handshakes. The answer says why the data plane refuses them: then the old
   * ones stay.
   */
  readonly renewCertificates: {
    readonly ask: TlsMaterial;
    readonly reply: { readonly refusal: string | undefined };
  };
}

export type CallName = keyof Calls;

/** `id` names the question in its answer. */
export interface AskMessage<Name extends CallName = CallName> {
  readonly type: 'ask';
  readonly call: Name;
  readonly id: number;
  readonly ask: Calls[Name]['ask'];
}

export interface ReplyMessage<Name extends CallName = CallName> {
  readonly type: 'reply';
  readonly call: Name;
  readonly id: number;
  readonly reply: Calls[Name]['reply'];
}

/**
 * Gets the answer in an envelope, since an answer may be undefined. Without an envelope there is no answer.
 */
export type Told<Name extends CallName> = (
  answer: { readonly reply: Calls[Name]['reply'] } | undefined,
) => void;

interface Pending<Name extends CallName> {
  readonly worker: number;
  readonly told: Told<Name>;
}

type AllPending = { readonly [Name in CallName]: Map<number, Pending<Name>> };

/** Of the main thread. */
export class Asks {
  readonly #send: (worker: number, message: AskMessage) => boolean;
  readonly #pending: AllPending = {
    retained: new Map(),
    adoptRules: new Map(),
    reconfigure: new Map(),
    lag: new Map(),
    offersLeft: new Map(),
    walksLeft: new Map(),
    sessionRow: new Map(),
    inspect: new Map(),
    subscribe: new Map(),
    unsubscribe: new Map(),
    renewCertificates: new Map(),
  };
  #ids = 0;

  /** `send` returns false if the worker does not run. */
  constructor(send: (worker: number, message: AskMessage) => boolean) {
    this.#send = send;
  }

  /** False if the worker does not run; `told` has been called then. */
  ask<Name extends CallName>(worker: number, call: Name, ask: Calls[Name]['ask'], told: Told<Name>): boolean {
    const id = ++this.#ids;
    const message: AskMessage<Name> = { type: 'ask', call, id, ask };
    const pending: AllPending[Name] = this.#pending[call];
    pending.set(id, { worker, told });
    if (this.#send(worker, message)) return true;
    pending.delete(id);
    told(undefined);
    return false;
  }

  /** An answer has arrived. If its worker was already given up, it comes too late. */
  answered<Name extends CallName>(worker: number, { call, id, reply }: ReplyMessage<Name>): void {
    const pending: AllPending[Name] = this.#pending[call];
    const asked = pending.get(id);
    if (asked === undefined || asked.worker !== worker) return;
    pending.delete(id);
    asked.told({ reply });
  }

  /** The worker has ended: its open questions will not be answered. */
  workerLost(worker: number): void {
    for (const call of Object.keys(this.#pending) as CallName[]) this.#lose(call, worker);
  }

  #lose<Name extends CallName>(call: Name, worker: number): void {
    const pending: AllPending[Name] = this.#pending[call];
    const lost = [...pending].filter(([, asked]) => asked.worker === worker);
    for (const [id] of lost) pending.delete(id);
    for (const [, { told }] of lost) told(undefined);
  }
}

/** How a worker answers, now or later. `moved`: buffers of the answer that it no longer needs. */
export type Answers = {
  readonly [Name in CallName]: (
    ask: Calls[Name]['ask'],
    reply: (reply: Calls[Name]['reply'], moved?: Uint8Array<ArrayBuffer>) => void,
  ) => void;
};

/** Answers a question of the main thread. */
export function answerAsk<Name extends CallName>(
  answers: Answers,
  { call, id, ask }: AskMessage<Name>,
  post: (message: ReplyMessage, moved?: Uint8Array<ArrayBuffer>) => void,
): void {
  const answer: Answers[Name] = answers[call];
  answer(ask, (reply, moved) => {
    const message: ReplyMessage<Name> = { type: 'reply', call, id, reply };
    post(message, moved);
  });
}
