/**
 * `rallymq ban FILE [KIND VALUE] [--minutes N] [--reason TEXT] [--delete]`: lists a ban file, adds a ban or removes one.
 * A broker that uses the file sees the change within a second.
 */
import { existsSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { invalid, readArguments } from '../config/arguments.ts';
import { printable } from '../control/text-line.ts';
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

/** A century; a longer ban has no end. */
const minutesMax = 52_560_000;

/** Returns the text to print. Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID, BAN_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function ban(args: readonly string[], nowMs: number): string {
  const { path, kind, value, minutes, reason, deletes } = read(args);
  const bans = new BanList({ nowMs: () => nowMs, bansMax: Number.POSITIVE_INFINITY });
  bans.replaceByHand(existsSync(path) ? parseBanFile(readAccessFile(path), path) : []);
  if (kind === undefined) return listed(bans.list());
  if (deletes && !bans.remove(kind, value))
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      `${path} has no ban of ${kind} '${value}': nothing was changed.`,
    );
  const expiresAt = minutes === undefined ? {} : { expiresAt: new Date(nowMs + minutes * 60_000) };
  const shown = deletes ? value : bans.add({ kind, value, reason, ...expiresAt }).value;
  replaceFile(path, banFileText(bans.list()));
  return `${kind} ${printable(shown)} ${deletes ? 'may connect again' : 'is banned'}.\n`;
}

const kinds = { minutes: 'text', reason: 'text', delete: 'switch' } as const;

interface BanCommand {
  readonly path: string;
  readonly kind: BanKind | undefined;
  readonly value: string;
  readonly minutes: number | undefined;
  readonly reason: string;
  readonly deletes: boolean;
}

function read(args: readonly string[]): BanCommand {
  const { flags, operands } = readArguments('rallymq ban', args, kinds);
  const [path, kind, value, ...more] = operands;
  const count = Object.keys(flags).length;
  if (path === undefined || more.length > 0 || (kind === undefined) !== (value === undefined))
    throw invalid('Give a file, and for a ban its kind and value: rallymq ban FILE KIND VALUE.');
  if (kind === undefined && count > 0)
    throw invalid('Flags are for a ban: rallymq ban FILE KIND VALUE [flags].');
  const known = banKinds.find((each) => each === kind);
  if (kind !== undefined && known === undefined)
    throw invalid(`'${kind}' is not a kind of ban: give one of ${banKinds.join(', ')}.`);
  const minutes = flags.minutes === undefined ? undefined : Number(flags.minutes);
  if (minutes !== undefined && !(minutes > 0 && minutes <= minutesMax))
    throw invalid(`--minutes is '${flags.minutes}': give a number above 0, at most ${minutesMax}.`);
  const deletes = flags.delete === true;
  if (deletes && count > 1) throw invalid('--delete takes no other flags.');
  return { path, kind: known, value: value ?? '', minutes, reason: flags.reason ?? '', deletes };
}

function listed(bans: readonly Ban[]): string {
  if (bans.length === 0) return 'Nobody is banned.\n';
  return bans
    .map(({ kind, value, expiresAt, reason }) => {
      const end = expiresAt === undefined ? 'permanently' : `until ${expiresAt.toISOString()}`;
      const words = [kind.padEnd(8), value, end, ...(reason === '' ? [] : [reason])];
      return `${printable(words.join('  '))}\n`;
    })
    .join('');
}
