/** Encodes rules for the data plane: native/security/rule-book.h and rule-set.h have drawings, and read them. */
import { type Bytes, concat, utf8, write } from '../wire/write.ts';
import type { Rule, RuleBook } from './rules.ts';

/** Every role that is named must exist. */
export function encodeRuleBook(book: RuleBook): Uint8Array {
  const numbers = new Map([...book.roles.keys()].map((name, index) => [name, index]));
  const list = (names: readonly string[]) => [
    write.uint32(names.length),
    ...names.map((name) => write.uint32(numberOf(numbers, name))),
  ];
  return concat([
    write.uint32(book.roles.size),
    ...[...book.roles].flatMap(([name, rules]) => [text(name), encodeRules(rules)]),
    ...list(book.everyone),
    ...list(book.anonymous),
    write.uint32(book.users.size),
    ...[...book.users].flatMap(([name, roles]) => [text(name), ...list(roles)]),
  ]);
}

export function encodeRules(rules: readonly Rule[]): Uint8Array {
  return concat([
    write.uint32(rules.length),
    ...rules.flatMap((rule) => [[bitOf(rule), rule.action === 'publish' ? 0 : 1], text(rule.filter)]),
  ]);
}

/** Unlike MQTT strings it may contain U+0000. */
export function text(value: string): Bytes {
  return write.binary(utf8.encode(value));
}

/** As `RuleBits` in native/security/rule-tree.h. */
function bitOf({ effect, isLater }: Rule): number {
  return (effect === 'deny' ? 1 : 2) << (isLater ? 2 : 0);
}

function numberOf(numbers: ReadonlyMap<string, number>, name: string): number {
  const number = numbers.get(name);
  if (number === undefined) throw new Error(`there is no role ${name}`);
  return number;
}
