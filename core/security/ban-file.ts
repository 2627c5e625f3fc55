/**
 * The file of `banFile` (--ban-file): the bans by hand. `rallymq ban` writes it, and so does the broker when a program sets a
 * ban. Values with white space are quoted, as in JSON.
 *
 *     address 203.0.113.0/24
 *     username lee 2026-11-28T09:00:00.000Z      until then
 *     clientId "sensor 7" - "sends nonsense"     permanently, with a reason
 */
import { BrokerError } from '../broker-error.ts';
import { accessFileFault, type FileLine, linesOf } from './access-file.ts';
import { type Ban, type BanKind, BanList, type BanRequest, banKinds } from './bans.ts';

/** `path` is for errors. Errors: ACCESS_FILE_INVALID. */
export function parseBanFile(text: string, path: string): BanRequest[] {
  const checked = new BanList({ nowMs: () => 0, bansMax: Number.POSITIVE_INFINITY });
  return linesOf(text).map((line) => {
    const request = requestOf(line, path);
    try {
      checked.add(request);
    } catch (error) {
      if (error instanceof BrokerError) throw accessFileFault(path, line.number, 1, error.message);
      throw error;
    }
    return request;
  });
}

/** The bans by hand, in the format of the file. */
export function banFileText(bans: readonly Ban[]): string {
  const lines = bans
    .filter(({ origin }) => origin === 'hand')
    .map(({ kind, value, expiresAt, reason }) => {
      const end = expiresAt?.toISOString() ?? (reason === '' ? '' : '-');
      return [kind, word(value), end, reason === '' ? '' : JSON.stringify(reason)]
        .filter((each) => each !== '')
        .join(' ');
    });
  return [header, ...lines].map((line) => `${line}\n`).join('');
}

const header = '# Bans of RallyMQ. Change them with `rallymq ban`, or here.';

function requestOf({ number, text }: FileLine, path: string): BanRequest {
  const [kind, value, time = '-', reason = '', ...more] = wordsOf(text);
  if (!isKind(kind) || value === undefined || more.length > 0)
    throw accessFileFault(
      path,
      number,
      1,
      `give ${banKinds.join(', ')} and a value, then the end of the ban ('-': permanent) and, if you like, a reason.`,
    );
  const expiresAt = time === '-' ? undefined : new Date(time);
  if (expiresAt !== undefined && (!/^(\d{4}|\+\d{6})-/.test(time) || Number.isNaN(expiresAt.getTime())))
    throw accessFileFault(
      path,
      number,
      Math.max(1, text.indexOf(time) + 1),
      `'${time}' is not a time such as 2026-11-28T09:00:00Z.`,
    );
  return { kind, value, reason, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

function isKind(text: string | undefined): text is BanKind {
  return banKinds.some((kind) => kind === text);
}

/** Quoted texts that are not JSON stay unchanged, and match no client. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"(?=\s|$)|\S+/g)].map(([found]) => {
    if (!found.startsWith('"')) return found;
    try {
      return String(JSON.parse(found));
    } catch {
      return found; // a quote that is part of the value
    }
  });
}

function word(value: string): string {
  return /^[^\s"\p{C}]+$/u.test(value) && value !== '-' ? value : JSON.stringify(value);
}
