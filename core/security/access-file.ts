/** Reads the files of users and rules, and describes their mistakes. */
import { readFileSync } from 'node:fs';
import { TextDecoder } from 'node:util';
import { BrokerError } from '../broker-error.ts';
import { systemReason } from '../system-reason.ts';

/** The text of a file. Errors: ACCESS_FILE_UNREADABLE. */
export function readAccessFile(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (cause) {
    const message =
      cause instanceof TypeError
        ? `The file ${path} is not UTF-8: save it as UTF-8.`
        : `The file ${path} cannot be read (${systemReason(cause)}): give the path of a file that this user may read.`;
    throw new BrokerError('ACCESS_FILE_UNREADABLE', message, { cause });
  }
}

/** A mistake in a file. `line` and `column` count from 1; `sentence` ends with what to do. */
export function accessFileFault(path: string, line: number, column: number, sentence: string): BrokerError {
  return new BrokerError('ACCESS_FILE_INVALID', `${path}, line ${line}, column ${column}: ${sentence}`);
}

export interface FileLine {
  readonly number: number;
  /** Without trailing white space. */
  readonly text: string;
}

/** The lines that are neither empty nor comments. */
export function linesOf(text: string): FileLine[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line, index) => ({ number: index + 1, text: line.trimEnd() }))
    .filter(({ text: line }) => line.trimStart() !== '' && !line.trimStart().startsWith('#'));
}
