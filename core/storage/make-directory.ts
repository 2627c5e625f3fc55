/** Makes a directory, and those above it that are missing, as `mkdir -p`. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Nothing where it already exists. Throws what the system says. Not with Node's own `recursive`: for `/proc/x` and its
 * like, which can never be made below a folder that is there, Node.js 20 tries without end.
 */
export function makeDirectory(directory: string, mode = 0o700): void {
  try {
    return void mkdirSync(directory, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    const parent = dirname(directory);
    if (code !== 'ENOENT' || parent === directory || existsSync(parent)) throw error;
    makeDirectory(parent, mode);
  }
  try {
    mkdirSync(directory, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // somebody else was as quick
  }
}
