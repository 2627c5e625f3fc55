/**
 * The messages of one thread to another within a turn of its event loop, in order, posted as one array: a
 * post costs many times more than a message in it, and a storm of CONNECTs sends three for each client.
 */
import { RecordWriter } from '../data-plane/record-bytes.ts';
import type { Posted } from './posted.ts';

export class Outgoing<Message> {
  readonly #post: (posted: Posted<Message>[], moved: ArrayBuffer[]) => void;
  readonly #write: (records: RecordWriter, message: Message) => boolean;
  readonly #records = new RecordWriter();
  #waiting: Posted<Message>[] = [];
  #moved: ArrayBuffer[] = [];
  #isScheduled = false;

  /** `write`: writes a message that has a form in bytes, and gives whether it has one. */
  constructor(
    post: (posted: Posted<Message>[], moved: ArrayBuffer[]) => void,
    write: (records: RecordWriter, message: Message) => boolean,
  ) {
    this.#post = post;
    this.#write = write;
  }

  /**
   * `moved`: buffers of the message that are transferred instead of copied; the sender no longer uses them.
   */
  send(message: Message, moved?: Uint8Array<ArrayBuffer>): void {
    this.#schedule();
    if (this.#write(this.#records, message)) return;
    this.#endRecords();
    this.#waiting.push(message);
    if (moved !== undefined) this.#moved.push(moved.buffer);
  }

  /** Messages that are in bytes already. */
  sendRecords(records: Uint8Array): void {
    this.#schedule();
    this.#records.append(records);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  #endRecords(): void {
    if (this.#records.isEmpty) return;
    const bytes = this.#records.take();
    this.#waiting.push(bytes);
    this.#moved.push(bytes.buffer);
  }

  #flush(): void {
    this.#isScheduled = false;
    this.#endRecords();
    const posted = this.#waiting;
    const moved = this.#moved;
    this.#waiting = [];
    this.#moved = [];
    this.#post(posted, moved);
  }
}
