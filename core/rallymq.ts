#!/usr/bin/env -S node --max-semi-space-size=1
/**
 * What the command `rallymq` starts with: loads the rest, unless it cannot. Node.js opens all files of a program at
 * once; where it may open too few, its errors name anything but that.
 */
import { setFlagsFromString } from 'node:v8';
import { openFilesMax } from './control/open-files.ts';

/**
 * V8 of Node.js 20 optimises a function that has executed so many bytes of code; this is four times its default. Half of the
 * processor time of a broker to which its first thousands of clients connect was the optimising of functions that a
 * storm calls for a second; less optimised they take little more. A later V8 does not know the flag, and says so on every start.
 */
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=540000');

/** Fewer are not enough to load the program. */
const filesMin = 96;

/** Why the rest cannot even be loaded. */
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
  // In parts, and so with fewer files open at once.
  await import('./security/gatekeeper.ts');
  await import('./http/http-front-end.ts');
  await import('./control-plane.ts');
  await import('./cli.ts');
}
