/**
 * What one thread tells another in a turn of its event loop, in order and posted as one array: a post costs
 * many times what a message in it does, and in a storm of CONNECT there are three for each client.
 */
export class Outgoing<Message> {
  readonly #post: (messages: Message[], moved: ArrayBuffer[]) => void;
  #waiting: Message[] = [];
  #moved: ArrayBuffer[] = [];

  constructor(post: (messages: Message[], moved: ArrayBuffer[]) => void) {
    this.#post = post;
  }

  /** `moved`: bytes of the message that it may take along instead of a copy; the sender has no use for them. */
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
