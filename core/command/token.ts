/** `rallymq token`: creates a token for trials, signed with the broker's secret. A back end creates its own. */
import { invalid, readFlags } from '../config/arguments.ts';
import { filterFault, placeholderFault } from '../security/rules.ts';
import { secretOf } from '../security/token-keys.ts';

export const tokenUsage = [
  'Usage: rallymq token --secret-file FILE --user NAME [flags]',
  '',
  'Prints a token (JWT, HS256) for a broker started with --token-secret-file.',
  '',
  '  --minutes N         how long it is valid (default 60)',
  '  --publish FILTER    topics that the client may publish to; can be repeated, as can those below',
  '  --subscribe FILTER  topics that the client may subscribe to',
  '  --role NAME         a role of the rules',
  '  --issuer TEXT       iss',
  '  --audience TEXT     aud',
  '',
].join('\n');

/** Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export async function mintToken(args: readonly string[], nowMs: number): Promise<string> {
  const flags = readFlags('rallymq token', args, kinds);
  const { user } = flags;
  if (flags['secret-file'] === undefined || user === undefined)
    throw invalid('Give --secret-file FILE and --user NAME: see rallymq token --help.');
  const minutes = Number(flags.minutes ?? 60);
  if (!(minutes > 0 && minutes <= minutesMax))
    throw invalid(`--minutes is '${flags.minutes}': give a number above 0, at most ${minutesMax}.`);
  const publish = filters('--publish', flags.publish);
  const subscribe = filters('--subscribe', flags.subscribe);
  const seconds = Math.floor(nowMs / 1_000);
  const claims = {
    ...(publish.length + subscribe.length === 0 ? {} : { acl: { publish, subscribe } }),
    ...(flags.role === undefined ? {} : { roles: flags.role }),
  };
  const { SignJWT } = await import('jose'); // not for the other commands
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + Math.round(minutes * 60))
    .setJti(crypto.randomUUID());
  if (flags.issuer !== undefined) token.setIssuer(flags.issuer);
  if (flags.audience !== undefined) token.setAudience(flags.audience);
  return `${await token.sign(secretOf(flags['secret-file']))}\n`;
}

/** A year. */
const minutesMax = 525_600;

const kinds = {
  'secret-file': 'text',
  user: 'text',
  minutes: 'text',
  issuer: 'text',
  audience: 'text',
  publish: 'texts',
  subscribe: 'texts',
  role: 'texts',
} as const;

function filters(flag: string, given: readonly string[] = []): readonly string[] {
  for (const filter of given) {
    const fault = filterFault(filter) ?? placeholderFault(filter, 'namesAndClaims');
    if (fault !== undefined) throw invalid(`${flag} '${filter}' ${fault}.`);
  }
  return given;
}
