/**
 * What one thread tells another in a turn of its event loop, in order and posted as one array: a post costs
 * many times what a message in it does, and in a storm of CONNECT there are three for each client.
 */
export class Outgoing<Message> {
  readonly #post: (messages: Message[]) => void;
  #waiting: Message[] = [];

  constructor(post: (messages: Message[]) => void) {
    this.#post = post;
  }

  send(message: Message): void {
    if (this.#waiting.push(message) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const messages = this.#waiting;
    this.#waiting = [];
    this.#post(messages);
  }
}
