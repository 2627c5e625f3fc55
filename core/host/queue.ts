/**
 * First in, first out, and fast however long it is: `Array.shift` moves all the rest of a long array.
 *
 *     items   . . . . c d e f        '.' was taken, `head` is the index of c
 *
 * When more than half was taken the array is cut, so each item is moved about once.
 */
export class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The one that take() would give. */
  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  /** The next one, which is out then. */
  take(): Item | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head * 2 > this.#items.length) this.#items = this.takeAll();
    return item;
  }

  /** All of them, in their order, and none is left. */
  takeAll(): Item[] {
    const items = this.#items.slice(this.#head) as Item[];
    this.#items = [];
    this.#head = 0;
    return items;
  }
}
