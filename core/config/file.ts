// Reads the configuration file: JSON, an object with the options of BrokerOptions by name.

import { readFileSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { jsonFault } from './json-fault.ts';
import type { BrokerOptions } from './options.ts';
import { checkOptions } from './resolve.ts';

/**
 * The options of the file, each checked by itself. Throws CONFIG_FILE_UNREADABLE, or CONFIG_INVALID with
 * the line and column where the file is not JSON.
 */
export function readConfigFile(path: string): BrokerOptions {
  return checkOptions(parse(read(path), path), path);
}

function read(path: string): string {
  try {
    // Some editors put a byte order mark in front, which is not JSON.
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `The configuration file cannot be read (${reason}): give the path of a file that this user may read.`;
    throw new BrokerError('CONFIG_FILE_UNREADABLE', message, { cause });
  }
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const fault = jsonFault(text);
    const place = fault ? ` at line ${fault.line}, column ${fault.column}: put ${fault.expected} there` : '';
    throw new BrokerError('CONFIG_INVALID', `${path} is not JSON${place}.`, { cause });
  }
}
