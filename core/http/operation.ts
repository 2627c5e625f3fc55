/** What OpenAPI says about a route. It is next to the handler so that both are changed together. */
import type { Status } from './problem.ts';

/** A JSON Schema. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Operation {
  readonly summary: string;
  readonly description?: string;
  /** Query parameters, by name. */
  readonly query?: Readonly<Record<string, Parameter>>;
  readonly headers?: Readonly<Record<string, Parameter>>;
  readonly body?: Schema;
  /** Answers besides 401, 403 and 503. If only a text: without a body, or with a problem. */
  readonly answers: Readonly<Partial<Record<Status, string | Answer>>>;
}

export interface Parameter {
  readonly description: string;
  readonly schema: Schema;
}

export interface Answer {
  readonly description: string;
  readonly schema: Schema;
  /** Default: application/json. */
  readonly contentType?: string;
}

export const text: Schema = { type: 'string' };
export const count: Schema = { type: 'integer', minimum: 0 };
export const truth: Schema = { type: 'boolean' };
export const time: Schema = { type: 'string', format: 'date-time' };

export function oneOf(...values: readonly (string | number)[]): Schema {
  return { enum: values };
}
export function list(items: Schema): Schema {
  return { type: 'array', items };
}
/** Those in `optional` may be missing. */
export function record(properties: Readonly<Record<string, Schema>>, ...optional: readonly string[]): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required };
}
/** One page of a list. */
export function page(items: Schema): Schema {
  return record({
    data: list(items),
    meta: record({ limit: count, hasnext: truth, cursor: text, count }, 'cursor', 'count'),
  });
}
