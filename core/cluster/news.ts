/** Operators' requests to one node that all nodes must carry out. */
import { isRecord } from '../config/option-rules.ts';
import { type LogLevel, logLevels } from '../config/options.ts';
import { type Ban, type BanKind, type BanRequest, banKinds } from '../security/bans.ts';

export type News =
  | { readonly kind: 'ban'; readonly ban: BanRequest }
  /** Those that a node finds in force when it joins. */
  | { readonly kind: 'bans'; readonly bans: readonly BanRequest[] }
  | { readonly kind: 'liftBan'; readonly of: BanKind; readonly value: string }
  | { readonly kind: 'logLevel'; readonly level: LogLevel };

/** As in JSON. */
export function writeNews(news: News): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(news)) as Readonly<Record<string, unknown>>;
}

/** The bans by hand, for a node that has just joined: in parts, to respect the message size limit of NATS. */
export function newsOfBans(bans: readonly Ban[]): News[] {
  const parts: BanRequest[][] = [];
  let left = 0;
  for (const { kind, value, origin, reason, expiresAt } of bans) {
    if (origin !== 'hand') continue;
    if (left <= 0) {
      parts.push([]);
      left = partLength;
    }
    left -= value.length + reason.length + banLength;
    parts.at(-1)?.push({ kind, value, reason, ...(expiresAt && { expiresAt }) });
  }
  return parts.map((part) => ({ kind: 'bans', bans: part }));
}

/** In a part, and of a ban without its texts. */
const partLength = 65_536;
const banLength = 100;

/** Undefined: unknown to this version. */
export function readNews(value: Readonly<Record<string, unknown>>): News | undefined {
  switch (value['kind']) {
    case 'ban': {
      const ban = readBan(value['ban']);
      return ban && { kind: 'ban', ban };
    }
    case 'bans': {
      const { bans } = value;
      return Array.isArray(bans)
        ? { kind: 'bans', bans: bans.flatMap((each) => readBan(each) ?? []) }
        : undefined;
    }
    case 'liftBan': {
      const { of, value: whom } = value;
      return isBanKind(of) && typeof whom === 'string' ? { kind: 'liftBan', of, value: whom } : undefined;
    }
    case 'logLevel': {
      const level = logLevels.find((each) => each === value['level']);
      return level && { kind: 'logLevel', level };
    }
    default:
      return undefined;
  }
}

function readBan(value: unknown): BanRequest | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, value: whom, expiresAt, reason } = value;
  if (!isBanKind(kind) || typeof whom !== 'string') return undefined;
  const endsAt = expiresAt === undefined ? undefined : new Date(String(expiresAt));
  if (endsAt !== undefined && Number.isNaN(endsAt.getTime())) return undefined;
  return {
    kind,
    value: whom,
    ...(endsAt === undefined ? {} : { expiresAt: endsAt }),
    ...(typeof reason === 'string' ? { reason } : {}),
  };
}

function isBanKind(value: unknown): value is BanKind {
  return banKinds.some((kind) => kind === value);
}
