/** The query parameters of lists: `limit`, `cursor` and filters. */
import { type Parameter, text } from './operation.ts';
import { RequestFault } from './problem.ts';

const limitDefault = 100;
export const limitMax = 1_000;

export const limitParameter: Parameter = {
  description: `Rows of a page, 1 to ${limitMax}`,
  schema: { type: 'integer', minimum: 1, maximum: limitMax, default: limitDefault },
};
export const cursorParameter: Parameter = {
  description: 'meta.cursor of the previous page; absent: the first page',
  schema: text,
};
/** Errors: RequestFault, also for a parameter that is not in `known`. */
export function assertKnown(query: URLSearchParams, known: Readonly<Record<string, unknown>>): void {
  for (const name of query.keys()) {
    if (!Object.hasOwn(known, name))
      throw new RequestFault(
        400,
        `There is no parameter '${name.slice(0, 40)}': use ${Object.keys(known).join(', ')}.`,
      );
  }
}

/** Errors: RequestFault. */
export function limitOf(query: URLSearchParams): number {
  const limit = wholeNumber(query.get('limit') ?? `${limitDefault}`);
  if (limit !== undefined && limit >= 1 && limit <= limitMax) return limit;
  throw new RequestFault(400, `limit must be from 1 to ${limitMax}.`);
}

/** 0 for the first page. Errors: RequestFault. */
export function cursorOf(query: URLSearchParams): number {
  const cursor = wholeNumber(query.get('cursor') ?? '0');
  if (cursor !== undefined) return cursor;
  throw new RequestFault(
    400,
    'cursor must be meta.cursor of the previous page; leave it out for the first page.',
  );
}

/** Errors: RequestFault. */
export function truthOf(query: URLSearchParams, name: string): boolean {
  const value = query.get(name) ?? 'false';
  if (value === 'true' || value === 'false') return value === 'true';
  throw new RequestFault(400, `${name} must be true or false.`);
}

export function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `cursor`: of the next page; undefined: this is the last. `more`: what else `meta` has. */
export function pageBody(
  data: readonly unknown[],
  limit: number,
  cursor: number | string | undefined,
  more: Readonly<Record<string, number>> = {},
): unknown {
  const meta = {
    limit,
    ...more,
    hasnext: cursor !== undefined,
    ...(cursor === undefined ? {} : { cursor: `${cursor}` }),
  };
  return { data, meta };
}
