/**
 * An operator's request that one node passes to another (main thread): a request of the HTTP API, and its
 * answer. A node that does not answer in time is lost, paused, or of a version without such requests.
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import type { MessageOf, NodeAnswer, NodeMessage, NodeQuestion } from './node-messages.ts';

export interface QuestionsOptions {
  readonly clock: Clock;
  send(to: number, message: NodeMessage): void;
  /** Another node asks this one. */
  onQuestion(question: NodeQuestion): Promise<NodeAnswer>;
}

const answerMs = 2_000;
/** An answer is sent in parts, to respect the message size limit of NATS. */
const partLength = 65_536;

interface Asked {
  readonly of: number;
  readonly timer: Timer;
  text: string;
  told(answer: NodeAnswer | undefined): void;
}

export class Questions {
  readonly #options: QuestionsOptions;
  readonly #asked = new Map<number, Asked>();
  #last = 0;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  /** Undefined: the node does not answer. */
  ask(node: number, question: NodeQuestion): Promise<NodeAnswer | undefined> {
    return new Promise((told) => {
      const ask = ++this.#last;
      const timer = this.#options.clock.after(answerMs, () => this.#settle(ask, undefined));
      this.#asked.set(ask, { of: node, timer, text: '', told });
      this.#options.send(node, { type: 'asked', ask, question });
    });
  }

  async onAsked(from: number, { ask, question }: MessageOf<'asked'>): Promise<void> {
    const { status, text } = await this.#options.onQuestion(question);
    for (let at = 0; at === 0 || at < text.length; at += partLength) {
      const part = text.slice(at, at + partLength);
      const isLast = at + partLength >= text.length;
      this.#options.send(from, { type: 'answered', ask, status, text: part, isLast });
    }
  }

  onAnswered(from: number, answer: MessageOf<'answered'>): void {
    const asked = this.#asked.get(answer.ask);
    if (asked?.of !== from) return; // too late
    asked.text += answer.text;
    if (answer.isLast) this.#settle(answer.ask, { status: answer.status, text: asked.text });
  }

  stop(): void {
    for (const ask of this.#asked.keys()) this.#settle(ask, undefined);
  }

  #settle(ask: number, answer: NodeAnswer | undefined): void {
    const asked = this.#asked.get(ask);
    this.#asked.delete(ask);
    asked?.timer.cancel();
    asked?.told(answer);
  }
}
