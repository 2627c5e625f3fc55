// A parser for JSON with comments that records the position of everything, so that an error can name the place.
//
// Values are those of JSON.parse, except that objects are Maps: a duplicate name is an error, and no name is special.

export interface JsonPlace {
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
}

/** A value and its position. */
export interface JsonNode {
  readonly offset: number;
  readonly value: string | number | boolean | null | readonly JsonNode[] | ReadonlyMap<string, JsonMember>;
}

export interface JsonMember {
  /** The position of the name. */
  readonly offset: number;
  readonly node: JsonNode;
}

export class JsonError extends Error {
  override readonly name = 'JsonError';
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** No configuration is nested deeper, and a recursive parser must not exhaust its stack. */
const depthMax = 64;

/** Throws a JsonError. */
export function parseAnnotatedJson(text: string): JsonNode {
  const parser = new Parser(text);
  return parser.document();
}

export function placeOf(text: string, offset: number): JsonPlace {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

const space = /(?:[ \t\n\r\uFEFF]|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const stringToken = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const scalarToken = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonNode {
    const node = this.#node();
    this.#skip();
    if (this.#at < this.#text.length) throw this.#expected('the end of the file');
    return node;
  }

  #node(): JsonNode {
    this.#skip();
    const offset = this.#at;
    if (this.#depth >= depthMax)
      throw new JsonError(offset, `there are more than ${depthMax} levels of brackets`);
    const mark = this.#text[offset];
    if (mark === '{') return { offset, value: this.#inside(() => this.#members()) };
    if (mark === '[') return { offset, value: this.#inside(() => this.#items()) };
    const token = this.#token(stringToken) ?? this.#token(scalarToken);
    if (token === undefined) throw this.#expected('a value');
    return { offset, value: JSON.parse(token) };
  }

  #inside<Value>(read: () => Value): Value {
    this.#depth++;
    this.#at++;
    const value = read();
    this.#depth--;
    return value;
  }

  #items(): JsonNode[] {
    const items: JsonNode[] = [];
    if (this.#takes(']')) return items;
    do items.push(this.#node());
    while (this.#takes(','));
    if (!this.#takes(']')) throw this.#expected("',' or ']'");
    return items;
  }

  #members(): Map<string, JsonMember> {
    const members = new Map<string, JsonMember>();
    if (this.#takes('}')) return members;
    do {
      this.#skip();
      const offset = this.#at;
      const token = this.#token(stringToken);
      if (token === undefined) throw this.#expected('a name in double quotes');
      const name: string = JSON.parse(token);
      if (members.has(name)) throw new JsonError(offset, `${token} occurs a second time`);
      if (!this.#takes(':')) throw this.#expected("':'");
      members.set(name, { offset, node: this.#node() });
    } while (this.#takes(','));
    if (!this.#takes('}')) throw this.#expected("',' or '}'");
    return members;
  }

  #skip(): void {
    space.lastIndex = this.#at;
    if (space.test(this.#text)) this.#at = space.lastIndex;
  }

  #takes(mark: string): boolean {
    this.#skip();
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #token(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0];
    if (token === undefined) return undefined;
    this.#at += token.length;
    return token;
  }

  #expected(what: string): JsonError {
    return new JsonError(this.#at, `put ${what} there`);
  }
}
