// The arguments of a command such as `rallymq top`: its flags and operands, and their errors. The flags of
// `rallymq` itself are in command-line.ts.

import { parseArgs } from 'node:util';
import { BrokerError } from '../broker-error.ts';
import { nearestName } from './nearest-name.ts';

/** `text` has a value, `texts` may be repeated, `switch` has no value. */
export type FlagKinds = Readonly<Record<string, 'text' | 'texts' | 'switch'>>;

interface ValueOf {
  readonly text: string;
  readonly texts: readonly string[];
  readonly switch: true;
}

export interface Arguments<Kinds extends FlagKinds> {
  /** By name, without dashes; only those that were given. The last one counts. */
  readonly flags: { readonly [Name in keyof Kinds]?: ValueOf[Kinds[Name]] };
  /** The arguments that are not flags, in order. */
  readonly operands: readonly string[];
}

/** `command`: its name as typed, such as `rallymq top`. Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID. */
export function readArguments<const Kinds extends FlagKinds>(
  command: string,
  args: readonly string[],
  kinds: Kinds,
): Arguments<Kinds> {
  const help = `see ${command} --help.`;
  const flags: Record<string, string | string[] | true> = {};
  const operands: string[] = [];
  for (const token of tokensOf(args, kinds)) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      operands.push(token.value);
      continue;
    }
    const { name, rawName } = token;
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    const value = valueGiven(token);
    if (kind === undefined) throw unknownFlag(command, rawName, name, Object.keys(kinds));
    if (kind === 'switch' && value !== undefined)
      throw new BrokerError(
        'FLAG_VALUE_INVALID',
        `${rawName} takes no value: give it alone, or leave it out.`,
      );
    if (kind !== 'switch' && !value)
      throw new BrokerError('FLAG_VALUE_INVALID', `${rawName} has no value: ${help}`);
    const earlier = flags[name];
    flags[name] =
      kind === 'texts' ? [...(Array.isArray(earlier) ? earlier : []), value ?? ''] : (value ?? true);
  }
  return { flags: flags as Arguments<Kinds>['flags'], operands };
}

/** For a command without operands. Errors: see readArguments(). */
export function readFlags<const Kinds extends FlagKinds>(
  command: string,
  args: readonly string[],
  kinds: Kinds,
): Arguments<Kinds>['flags'] {
  const { flags, operands } = readArguments(command, args, kinds);
  const [operand] = operands;
  if (operand === undefined) return flags;
  throw new BrokerError('FLAG_UNKNOWN', `'${operand}' is not a flag of ${command}: see ${command} --help.`);
}

/** Undefined if there is none. In "--port --host x" the port has no value; in "--port -1" it has an invalid one. */
export function valueGiven(flag: {
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}): string | undefined {
  return flag.inlineValue === false && /^-(?!\d)/.test(flag.value ?? '') ? undefined : flag.value;
}

/** Not strict: the tokens contain everything, and the errors are ours. */
function tokensOf(args: readonly string[], kinds: FlagKinds) {
  const options = Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [
      name,
      { type: kind === 'switch' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  return parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens;
}

function unknownFlag(command: string, rawName: string, name: string, known: readonly string[]): BrokerError {
  const nearest = nearestName(name, known);
  const advice = nearest === undefined ? `see ${command} --help.` : `did you mean --${nearest}?`;
  return new BrokerError('FLAG_UNKNOWN', `${rawName} is not a flag of ${command}: ${advice}`);
}

/** The error of an invalid value. `sentence`: what to give instead. */
export function invalid(sentence: string): BrokerError {
  return new BrokerError('FLAG_VALUE_INVALID', sentence);
}
