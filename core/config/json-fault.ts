// Finds the first syntax error of a JSON text, since JSON.parse of Node.js 20 often does not give its position.
//
// A pushdown automaton: a token is looked up in the row of the current state; an empty cell is an error.

/** Where the error is, both counted from 1, and what is expected there. */
export interface JsonFault {
  readonly line: number;
  readonly column: number;
  readonly expected: string;
  /** It is a comment, which JSON does not allow. */
  readonly isComment: boolean;
  /** The text before it is complete. */
  readonly isBehindEnd: boolean;
  /** A comma is before it, which JSON does not allow before a closing bracket. */
  readonly isBehindComma: boolean;
}

type State = 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'colon' | 'afterItem' | 'afterMember' | 'end';
type Token = '{' | '}' | '[' | ']' | ':' | ',' | 'string' | 'scalar';
type Action = 'open' | 'close' | 'valueDone' | State;

const aValue = { '{': 'open', '[': 'open', string: 'valueDone', scalar: 'valueDone' } as const;

const transitions: Readonly<Record<State, Readonly<Partial<Record<Token, Action>>>>> = {
  value: aValue,
  valueOrEnd: { ...aValue, ']': 'close' },
  key: { string: 'colon' },
  keyOrEnd: { string: 'colon', '}': 'close' },
  colon: { ':': 'value' },
  afterItem: { ',': 'value', ']': 'close' },
  afterMember: { ',': 'key', '}': 'close' },
  end: {},
};

const expectations: Readonly<Record<State, string>> = {
  value: 'a value',
  valueOrEnd: "a value or ']'",
  key: 'a name in double quotes',
  keyOrEnd: "a name in double quotes or '}'",
  colon: "':'",
  afterItem: "',' or ']'",
  afterMember: "',' or '}'",
  end: 'the end of the file',
};

const space = /[ \t\n\r]*/y;
const tokens: readonly (readonly [Token, RegExp])[] = [
  ...(['{', '}', '[', ']', ':', ','] as const).map((mark) => [mark, new RegExp(`\\${mark}`, 'y')] as const),
  ['string', /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y],
  ['scalar', /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y],
];

/** The first error of the text, or undefined if it is valid JSON. */
export function jsonFault(text: string): JsonFault | undefined {
  const open: Token[] = [];
  let state: State = 'value';
  let offset = endOf(space, text, 0);
  while (offset < text.length) {
    const [token, end] = tokenAt(text, offset);
    const action: Action | undefined = token && transitions[state][token];
    if (token === undefined || action === undefined) return faultAt(text, offset, state);
    if (action === 'open') open.push(token);
    if (action === 'close') open.pop();
    state = nextState(action, token, open.at(-1));
    offset = endOf(space, text, end);
  }
  return state === 'end' ? undefined : faultAt(text, offset, state);
}

function nextState(action: Action, token: Token, inside: Token | undefined): State {
  if (action === 'open') return token === '{' ? 'keyOrEnd' : 'valueOrEnd';
  if (action !== 'close' && action !== 'valueDone') return action;
  if (inside === undefined) return 'end';
  return inside === '{' ? 'afterMember' : 'afterItem';
}

function tokenAt(text: string, offset: number): readonly [Token | undefined, number] {
  for (const [token, pattern] of tokens) {
    const end = endOf(pattern, text, offset);
    if (end > offset) return [token, end];
  }
  return [undefined, offset];
}

/** The end of the match at this offset; the offset itself if there is none. */
function endOf(pattern: RegExp, text: string, offset: number): number {
  pattern.lastIndex = offset;
  return pattern.test(text) ? pattern.lastIndex : offset;
}

function faultAt(text: string, offset: number, state: State): JsonFault {
  const before = text.slice(0, offset).split('\n');
  return {
    line: before.length,
    column: (before.at(-1) ?? '').length + 1,
    expected: expectations[state],
    isComment: /^(\/\/|\/\*|#)/.test(text.slice(offset)),
    isBehindEnd: state === 'end',
    isBehindComma: /,\s*$/.test(text.slice(0, offset)) && /^[}\]]/.test(text.slice(offset)),
  };
}
