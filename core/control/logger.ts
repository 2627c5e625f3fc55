/**
 * The log: lines on standard error, written by pino, as JSON or text. A log that cannot be written never ends
 * the broker: while the disk is full lines wait, and when nobody can read them, as with a closed pipe or
 * terminal, they are dropped.
 */
import { destination, type Logger as PinoLogger, pino } from 'pino';
import { BrokerError } from '../broker-error.ts';
import type { LogFormat, LogLevel } from '../config/options.ts';
import { textLine } from './text-line.ts';

export type Logger = PinoLogger;

/** Bytes of lines that wait while the disk is full; more are dropped. */
const waitingBytesMax = 1_048_576;

const closedCodes: readonly (string | undefined)[] = ['EPIPE', 'EIO', 'EBADF'];

export function createLogger(level: LogLevel, format: LogFormat = 'json'): Logger {
  const stream = destination({ fd: 2, sync: true, maxLength: waitingBytesMax });
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (closedCodes.includes(code)) stream.write = () => true;
  });
  const text = { write: (line: string): unknown => stream.write(textLine(line)) };
  return pino({ level, base: null, serializers: { err: shownError } }, format === 'json' ? stream : text);
}

/** A mistake of the operator is a sentence; of anything else the stack is needed. */
function shownError(error: unknown): unknown {
  if (!(error instanceof BrokerError) || error.code === 'WORKER_FAILED')
    return pino.stdSerializers.err(error as Error);
  return { type: error.name, code: error.code, message: error.message };
}
