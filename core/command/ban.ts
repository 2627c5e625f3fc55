/**
 * `rallymq ban FILE [KIND VALUE] [--minutes N] [--reason TEXT] [--delete]`: lists a ban file, adds a ban or takes one out.
 * A broker that runs with the file sees the change within a second.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BrokerError } from '../broker-error.ts';
import { readAccessFile } from '../security/access-file.ts';
import { banFileText, parseBanFile } from '../security/ban-file.ts';
import { type Ban, type BanKind, BanList, banKinds } from '../security/bans.ts';
import { replaceFile } from '../security/replace-file.ts';

export const banUsage = [
  'Usage: rallymq ban FILE                          lists the bans',
  '       rallymq ban FILE KIND VALUE [flags]       adds a ban',
  '       rallymq ban FILE KIND VALUE --delete      lifts a ban',
  '',
  'The file is that of --ban-file. KIND is one of',
  '',
  '  address   an IP address or a network, such as 203.0.113.0/24 or 2001:db8:1:2::/64',
  '  username  a user name',
  '  clientId  a client identifier',
  '',
  '  --minutes N    how long it lasts (default: permanent)',
  '  --reason TEXT  shown in the list',
  '',
  'A running broker applies it within a second, and disconnects banned clients.',
  '',
].join('\n');

/** A ban by hand has no end beyond this, a century. */
const minutesMax = 52_560_000;

/** Returns the text to print. Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID, BAN_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function ban(args: readonly string[], nowMs: number): string {
  const { path, kind, value, minutes, reason, deletes } = read(args);
  const bans = new BanList({ nowMs: () => nowMs, bansMax: Number.POSITIVE_INFINITY });
  bans.replaceByHand(existsSync(path) ? parseBanFile(readAccessFile(path), path) : []);
  if (kind === undefined) return listed(bans.list());
  if (deletes && !bans.remove(kind, value))
    throw new BrokerError('FLAG_VALUE_INVALID', `${path} bans no ${kind} '${value}': nothing was changed.`);
  const expiresAt = minutes === undefined ? {} : { expiresAt: new Date(nowMs + minutes * 60_000) };
  const shown = deletes ? value : bans.add({ kind, value, reason, ...expiresAt }).value;
  replaceFile(path, banFileText(bans.list()));
  return `${kind} ${shown} ${deletes ? 'may connect again' : 'is banned'}.\n`;
}

interface BanCommand {
  readonly path: string;
  readonly kind: BanKind | undefined;
  readonly value: string;
  readonly minutes: number | undefined;
  readonly reason: string;
  readonly deletes: boolean;
}

function read(args: readonly string[]): BanCommand {
  const { values, positionals } = parse(args);
  const [path, kind, value, ...more] = positionals;
  const flags = [values.minutes, values.reason, values.delete].filter((each) => each !== undefined);
  if (path === undefined || more.length > 0 || (kind === undefined) !== (value === undefined))
    throw invalid('Give a file, and for a ban its kind and value: rallymq ban FILE KIND VALUE.');
  if (kind === undefined && flags.length > 0) throw invalid('Give KIND and VALUE with a flag.');
  const known = banKinds.find((each) => each === kind);
  if (kind !== undefined && known === undefined)
    throw invalid(`'${kind}' is no kind of ban: give one of ${banKinds.join(', ')}.`);
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  if (minutes !== undefined && !(minutes > 0 && minutes <= minutesMax))
    throw invalid(`--minutes is a number above 0, at most ${minutesMax}.`);
  const deletes = values.delete === true;
  if (deletes && flags.length > 1) throw invalid('--delete goes with no other flag.');
  return { path, kind: known, value: value ?? '', minutes, reason: values.reason ?? '', deletes };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { minutes: { type: 'string' }, reason: { type: 'string' }, delete: { type: 'boolean' } },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BrokerError('FLAG_UNKNOWN', `${reason.replace(/[.]?$/, '.')} See rallymq ban --help.`, {
      cause,
    });
  }
}

function listed(bans: readonly Ban[]): string {
  if (bans.length === 0) return 'Nobody is banned.\n';
  return bans
    .map(({ kind, value, expiresAt, reason }) => {
      const end = expiresAt === undefined ? 'for good' : `until ${expiresAt.toISOString()}`;
      return `${kind.padEnd(8)}  ${value}  ${end}${reason === '' ? '' : `  ${reason}`}\n`;
    })
    .join('');
}

function invalid(sentence: string): BrokerError {
  return new BrokerError('FLAG_VALUE_INVALID', sentence);
}
