/**
 * First in, first out, and fast at any length: `Array.shift` moves the whole rest of a long array.
 *
 *     items   . . . . c d e f        '.' was taken, `head` is the index of c
 *
 * When more than half has been taken the array is cut, so each item is moved about once.
 */
export class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The item that take() would return. */
  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  /** Removes and returns the first item. */
  take(): Item | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head * 2 > this.#items.length) this.#items = this.takeAll();
    return item;
  }

  /** Removes and returns all items, in order. */
  takeAll(): Item[] {
    const items = this.#items.slice(this.#head) as Item[];
    this.#items = [];
    this.#head = 0;
    return items;
  }
}
