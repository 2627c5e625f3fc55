/** Flags of the commands that play tests for longer. */

/** The command was called in a wrong way: it ends. */
export function refuse(command: string, sentence: string): never {
  process.stderr.write(`${command}: ${sentence}\n`);
  process.exit(2);
}

/** The value of a flag. */
export function wholeNumber(command: string, flag: string, given: string, least = 0): number {
  const value = Number(given);
  const isFitting = Number.isSafeInteger(value) && value >= least;
  return isFitting ? value : refuse(command, `--${flag} needs a whole number.`);
}
