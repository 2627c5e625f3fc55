#!/usr/bin/env -S node --max-semi-space-size=1
/**
 * The start of the command `rallymq`: loads the rest, if it can. Node.js opens all files of a program at
 * once; if it may open too few, its errors do not name the cause.
 */
import { setFlagsFromString } from 'node:v8';
import { openFilesMax } from './control/open-files.ts';

/**
 * V8 of Node.js 20 optimises a function after it has executed this many bytes of bytecode; this is four times the default. While
 * its first thousands of clients connected, a broker spent half of its processor time on optimising functions that run for a
 * second only; they are hardly slower without. Later versions of V8 do not know the flag, and would report it at every start.
 */
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=540000');

/** Fewer are not enough to load the program. */
const filesMin = 96;

/** Why the rest cannot be loaded. */
function obstacle(): string | undefined {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    return `RallyMQ needs Node.js 20.19 or newer, and this is ${node}: install a newer one (https://nodejs.org).`;
  const filesMax = openFilesMax();
  if (filesMax === undefined || filesMax >= filesMin) return undefined;
  const advice = 'raise it (ulimit -n 1024, or LimitNOFILE of systemd)';
  return `The limit of open files is ${filesMax}, too low to start: ${advice}.`;
}

const sentence = obstacle();
if (sentence !== undefined) {
  process.stderr.write(`rallymq: ${sentence}\n`);
  process.exitCode = 1;
} else {
  await import('./cli.ts');
}
