/** Creates a directory and its missing parents, like `mkdir -p`. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Does nothing if it exists. Throws the system's error. Node's own `recursive` is not used: for `/proc/x` and similar
 * paths, which cannot be created although the parent exists, Node.js 20 tries endlessly.
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
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was faster
  }
}
