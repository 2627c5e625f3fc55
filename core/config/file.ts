// Reads the configuration file: a JSON object with the options of BrokerOptions by name.

import { readFileSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { systemReason } from '../system-reason.ts';
import { JsonError, parseAnnotatedJson, placeOf } from './annotated-json.ts';
import { type JsonFault, jsonFault } from './json-fault.ts';
import type { BrokerOptions } from './options.ts';
import { checkOptions } from './resolve.ts';

/**
 * The options of the file, each checked separately. Throws CONFIG_FILE_UNREADABLE, or CONFIG_INVALID with
 * line and column if the file is not JSON or contains a name twice.
 */
export function readConfigFile(path: string): BrokerOptions {
  return checkOptions(parse(read(path), path), path);
}

function read(path: string): string {
  try {
    // Some editors write a byte order mark, which is not JSON.
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (cause) {
    const reason = systemReason(cause);
    const message = `The configuration file ${path} cannot be read (${reason}): give the path of a file that this user may read.`;
    throw new BrokerError('CONFIG_FILE_UNREADABLE', message, { cause });
  }
}

function parse(text: string, path: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BrokerError('CONFIG_INVALID', whyNotJson(text, path), { cause });
  }
  assertOnce(text, path);
  return value;
}

/** JSON.parse() silently takes the last of several values with one name. */
function assertOnce(text: string, path: string): void {
  try {
    parseAnnotatedJson(text);
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    const { line, column } = placeOf(text, cause.offset);
    const message = `${path} at line ${line}, column ${column}: ${cause.message}.`;
    throw new BrokerError('CONFIG_INVALID', message, { cause });
  }
}

function whyNotJson(text: string, path: string): string {
  if (looksLikeMosquitto(text)) {
    return `${path} is not JSON but looks like a configuration of mosquitto: docs/migrating.md has the name of each option here.`;
  }
  if (text.trim() === '') return `${path} is empty: give a JSON object, {} for the defaults.`;
  if (!/^\s*([{[/#]|$)/.test(text)) {
    return `${path} is not JSON: a configuration file begins with '{', as in {"port": 8080}.`;
  }
  const fault = jsonFault(text);
  if (fault === undefined) return `${path} is not JSON.`;
  const place = `line ${fault.line}, column ${fault.column}`;
  if (fault.isComment) return `${path} has a comment at ${place}: JSON has no comments, so remove it.`;
  return `${path} is not JSON at ${place}: ${adviceOn(fault)}.`;
}

function adviceOn({ isBehindEnd, isBehindComma, expected }: JsonFault): string {
  if (isBehindEnd) return 'remove what follows';
  return isBehindComma ? 'remove the comma before it' : `put ${expected} there`;
}

/** Whether all lines, besides comments and empty ones, are a name in lower case and a value. */
function looksLikeMosquitto(text: string): boolean {
  const lines = text.split('\n').filter((line) => !/^\s*(#.*)?$/.test(line));
  return lines.length > 0 && lines.every((line) => /^\s*[a-z][a-z0-9_]*(\s+[^\s:=].*)?$/.test(line));
}
