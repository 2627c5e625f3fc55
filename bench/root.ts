import { resolve } from 'node:path';

/** The root of the repository, seen from dist/bench. */
export const root = resolve(import.meta.dirname, '../..');
