/**
 * The file of `rulesFile` (--rules): JSON with comments.
 *
 *     {
 *       "roles": {
 *         "viewer": { "allow": { "subscribe": ["scores/#"] } },
 *         "umpire": { "allow": { "publish": ["scores/%u/+"] }, "deny": { "publish": ["scores/+/final"] } }
 *       },
 *       "users": { "lee": "umpire", "kim": ["umpire", "viewer"] },
 *       "everyone": ["viewer"],      // with or without a user name
 *       "anonymous": [],             // without one
 *       "prefixes": { "lee": "tenants/red/" }
 *     }
 */
import type { BrokerError } from '../broker-error.ts';
import {
  JsonError,
  type JsonMember,
  type JsonNode,
  parseAnnotatedJson,
  placeOf,
} from '../config/annotated-json.ts';
import { isTopicPrefix, topicPrefixForm } from '../config/listeners.ts';
import { nearestName } from '../config/nearest-name.ts';
import { accessFileFault } from './access-file.ts';
import { compileFilter, filterFault, placeholderFault, type Rule, type RuleBook } from './rules.ts';

/** `path` is for errors. Errors: ACCESS_FILE_INVALID. */
export function parseRuleFile(text: string, path: string): RuleBook {
  return new RuleFile(text, path).book();
}

type Members = ReadonlyMap<string, JsonMember>;

class RuleFile {
  readonly #text: string;
  readonly #path: string;

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
  }

  book(): RuleBook {
    const root = this.#members(this.#root(), ['roles', 'users', 'everyone', 'anonymous', 'prefixes']);
    const roles = new Map<string, readonly Rule[]>();
    for (const [name, { node }] of this.#optional(root, 'roles')) roles.set(name, this.#role(node));
    const users = new Map<string, readonly string[]>();
    for (const [name, { node }] of this.#optional(root, 'users'))
      users.set(name, this.#roleNames(node, roles));
    return {
      roles,
      users,
      everyone: this.#roleNames(root.get('everyone')?.node, roles),
      anonymous: this.#roleNames(root.get('anonymous')?.node, roles),
      prefixes: new Map(
        [...this.#optional(root, 'prefixes')].map(([name, { node }]) => [name, this.#prefix(node)]),
      ),
    };
  }

  #root(): JsonNode {
    if (this.#text.trim() === '') throw this.#fault(0, 'the file is empty: give a JSON object with roles.');
    try {
      return parseAnnotatedJson(this.#text);
    } catch (error) {
      if (error instanceof JsonError) throw this.#fault(error.offset, `this is not JSON: ${error.message}.`);
      throw error;
    }
  }

  #role(node: JsonNode): Rule[] {
    return [...this.#members(node, ['allow', 'deny'])].flatMap(([effect, { node: actions }]) =>
      [...this.#members(actions, ['publish', 'subscribe'])].flatMap(([action, { node: filters }]) =>
        this.#texts(filters).map(
          (filter): Rule => ({
            effect: effect as Rule['effect'],
            action: action as Rule['action'],
            filter: this.#filter(filter),
            isLater: false,
          }),
        ),
      ),
    );
  }

  #filter({ text, offset }: Text): string {
    const fault = filterFault(text) ?? placeholderFault(text, 'namesAndClaims');
    if (fault !== undefined) throw this.#fault(offset, `the filter ${JSON.stringify(text)} ${fault}.`);
    return compileFilter(text, 'namesAndClaims');
  }

  #prefix({ value, offset }: JsonNode): string {
    if (isTopicPrefix(value)) return value;
    throw this.#fault(offset, `give ${topicPrefixForm()}.`);
  }

  #roleNames(node: JsonNode | undefined, roles: ReadonlyMap<string, unknown>): string[] {
    if (node === undefined) return [];
    return this.#texts(node).map(({ text, offset }) => {
      if (roles.has(text)) return text;
      throw this.#fault(
        offset,
        `there is no role ${JSON.stringify(text)}${this.#advice(text, [...roles.keys()])}`,
      );
    });
  }

  /** A text, or a list of texts. */
  #texts(node: JsonNode): Text[] {
    const { value, offset } = node;
    if (typeof value === 'string') return [{ text: value, offset }];
    if (!Array.isArray(value)) throw this.#fault(offset, 'give a string, or a list of strings.');
    return value.map((item: JsonNode) => {
      if (typeof item.value !== 'string') throw this.#fault(item.offset, 'give a string.');
      return { text: item.value, offset: item.offset };
    });
  }

  #optional(root: Members, name: string): Members {
    const member = root.get(name);
    return member === undefined ? new Map() : this.#members(member.node);
  }

  /** An object. `known`: the allowed names, if they are limited. */
  #members({ value, offset }: JsonNode, known?: readonly string[]): Members {
    if (!(value instanceof Map)) throw this.#fault(offset, "give an object, in '{' and '}'.");
    for (const [name, member] of value as Members) {
      if (known === undefined || known.includes(name)) continue;
      throw this.#fault(
        member.offset,
        `${JSON.stringify(name)} is not known here${this.#advice(name, known)}`,
      );
    }
    return value;
  }

  #advice(name: string, known: readonly string[]): string {
    const nearest = nearestName(name, known);
    if (nearest !== undefined) return `: did you mean ${JSON.stringify(nearest)}?`;
    return known.length === 0 ? '.' : `: use one of ${known.map((each) => JSON.stringify(each)).join(', ')}.`;
  }

  #fault(offset: number, sentence: string): BrokerError {
    const { line, column } = placeOf(this.#text, offset);
    return accessFileFault(this.#path, line, column, sentence);
  }
}

interface Text {
  readonly text: string;
  readonly offset: number;
}
