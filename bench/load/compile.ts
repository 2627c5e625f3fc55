/**
 * Compiles the C++ programs of the suite, each with one command, into build/bench. A program
 * is compiled again when a source that it includes, or the command, has changed: the file name contains their hash.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { BenchError } from '../bench-error.ts';
import { root } from '../root.ts';

const flags = ['-std=c++20', '-O2', '-fno-exceptions', '-fno-rtti', '-pthread', '-Wall', '-Wextra'];
const folder = join(root, 'build', 'bench');

export interface Program {
  readonly name: string;
  /** The source that is compiled, from the root of the repository. */
  readonly main: string;
  /** Folders whose .cpp files are compiled with it. Default: none. */
  readonly linked?: readonly string[];
  /** The folders with everything that it includes or links. */
  readonly includes: readonly string[];
  /** It supports TLS if the headers of OpenSSL are installed. */
  readonly mayHaveTls?: boolean;
}

const opensslHeader = '/usr/include/openssl/ssl.h';
const tlsFlags = ['-DLOAD_HAS_TLS', '-lssl', '-lcrypto'];

/** The path of the program. Errors: BenchError if there is no compiler, or it fails. */
export async function compile({
  name,
  main,
  linked = [],
  includes,
  mayHaveTls = false,
}: Program): Promise<string> {
  const { CXX: compiler = 'g++' } = process.env;
  const own = mayHaveTls && (await exists(opensslHeader)) ? tlsFlags : [];
  const hash = await hashOf([compiler, ...flags, ...own, ...linked], [main, ...(await sourcesIn(includes))]);
  const path = join(folder, `${name}-${hash}`);
  if (await exists(path)) return path;
  await mkdir(folder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  try {
    const others = (await sourcesIn(linked)).filter((path) => path.endsWith('.cpp'));
    const sources = [main, ...others].map((path) => join(root, path));
    await promisify(execFile)(compiler, [...flags, '-o', unfinished, ...sources, ...own]);
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    throw new BenchError(
      `${compiler} cannot compile ${main}; a C++20 compiler is needed.\n${stderr}`.trim(),
      {
        cause: error,
      },
    );
  }
  for (const old of await readdir(folder)) {
    const isOld = old.startsWith(`${name}-`) && !old.includes('.');
    if (isOld) await rm(join(folder, old), { force: true });
  }
  await rename(unfinished, path);
  return path;
}

async function sourcesIn(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const each of folders) {
    for (const entry of await readdir(join(root, each), { withFileTypes: true, recursive: true })) {
      if (/\.(h|cpp)$/.test(entry.name)) found.push(relative(root, join(entry.parentPath, entry.name)));
    }
  }
  return found.sort();
}

async function hashOf(words: readonly string[], paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(words.join(' '));
  for (const path of paths) hash.update(path).update(await readFile(join(root, path)));
  return hash.digest('hex').slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
