/**
 * The messages of one thread to another within a turn of its event loop, in order, posted as one array: a
 * post costs many times more than a message in it, and a storm of CONNECTs sends three for each client.
 */
export class Outgoing<Message> {
  readonly #post: (messages: Message[], moved: ArrayBuffer[]) => void;
  #waiting: Message[] = [];
  #moved: ArrayBuffer[] = [];

  constructor(post: (messages: Message[], moved: ArrayBuffer[]) => void) {
    this.#post = post;
  }

  /**
   * `moved`: buffers of the message that are transferred instead of copied; the sender no longer uses them.
   */
  send(message: Message, moved?: Uint8Array<ArrayBuffer>): void {
    if (moved !== undefined) this.#moved.push(moved.buffer);
    if (this.#waiting.push(message) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const messages = this.#waiting;
    const moved = this.#moved;
    this.#waiting = [];
    this.#moved = [];
    this.#post(messages, moved);
  }
}
