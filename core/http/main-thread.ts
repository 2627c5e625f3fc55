/** What HTTP on a worker asks of the main thread, until it is answered. */
import type { HttpReply, HttpRequest, ToMain } from '../control/messages.ts';

export class MainThread {
  readonly #post: (message: ToMain) => void;
  readonly #waiting = new Map<number, (reply: HttpReply) => void>();
  #ids = 0;

  constructor(post: (message: ToMain) => void) {
    this.#post = post;
  }

  /** Always resolves: the main thread answers everything, and outlives the worker. */
  ask(request: HttpRequest): Promise<HttpReply> {
    return new Promise((resolve) => {
      const id = ++this.#ids;
      this.#waiting.set(id, resolve);
      this.#post({ type: 'httpRequest', id, request });
    });
  }

  answered(id: number, reply: HttpReply): void {
    this.#waiting.get(id)?.(reply);
    this.#waiting.delete(id);
  }
}
