/** qlobber has no types of its own; this is what the suite uses of it. */
declare module 'qlobber' {
  export class Qlobber<Value> {
    constructor(options?: { separator?: string; wildcard_one?: string; wildcard_some?: string });
    add(filter: string, value: Value): this;
    match(topic: string): Value[];
  }
}
