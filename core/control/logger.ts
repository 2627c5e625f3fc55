/** The log: JSON lines on standard error, by pino. */
import { destination, type Logger as PinoLogger, pino } from 'pino';
import type { LogLevel } from '../config/options.ts';

export type Logger = PinoLogger;

export function createLogger(level: LogLevel): Logger {
  return pino({ level, base: null }, destination({ fd: 2, sync: true }));
}
