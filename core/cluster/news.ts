/** Operators' requests to one node that all nodes must carry out. */
import { type LogLevel, logLevels } from '../config/options.ts';
import type { LiftedBan } from '../security/ban-keeper.ts';
import { type Ban, type BanKind, type BanRequest, banKinds } from '../security/bans.ts';
import { isRecord, isWholeNumber } from '../unknown-value.ts';

export type News =
  | { readonly kind: 'ban'; readonly ban: BanRequest }
  /** Those that a node finds in force when it joins. */
  | { readonly kind: 'bans'; readonly bans: readonly BanRequest[] }
  | { readonly kind: 'liftBan'; readonly of: BanKind; readonly value: string }
  /** For a node that joins, too. The clocks of two nodes are unrelated. */
  | { readonly kind: 'lifted'; readonly bans: readonly ToldLift[] }
  | { readonly kind: 'logLevel'; readonly level: LogLevel };

export interface ToldLift {
  readonly of: BanKind;
  readonly value: string;
  readonly agoMs: number;
}

/** As in JSON. */
export function writeNews(news: News): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(news)) as Readonly<Record<string, unknown>>;
}

/** The bans by hand, for a node that has just joined. */
export function newsOfBans(bans: readonly Ban[]): News[] {
  const byHand = bans
    .filter(({ origin }) => origin === 'hand')
    .map(({ kind, value, reason, expiresAt }) => ({ kind, value, reason, ...(expiresAt && { expiresAt }) }));
  return inParts(byHand).map((part) => ({ kind: 'bans', bans: part }));
}

/** Those that are not in force any more: it may have them in its file. */
export function newsOfLifted(lifted: readonly LiftedBan[], nowMs: number): News[] {
  const told = lifted.map(({ kind: of, value, atMs }) => ({
    of,
    value,
    agoMs: Math.max(0, Math.round(nowMs - atMs)),
  }));
  return inParts(told).map((part) => ({ kind: 'lifted', bans: part }));
}

/** To respect the message size limit of NATS. */
function inParts<Each extends { readonly value: string; readonly reason?: string }>(
  all: readonly Each[],
): Each[][] {
  const parts: Each[][] = [];
  let left = 0;
  for (const each of all) {
    if (left <= 0) {
      parts.push([]);
      left = partLength;
    }
    left -= each.value.length + (each.reason?.length ?? 0) + banLength;
    parts.at(-1)?.push(each);
  }
  return parts;
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
    case 'lifted': {
      const { bans } = value;
      return Array.isArray(bans)
        ? { kind: 'lifted', bans: bans.flatMap((each) => readLift(each) ?? []) }
        : undefined;
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

function readLift(value: unknown): ToldLift | undefined {
  if (!isRecord(value)) return undefined;
  const { of, value: whom, agoMs } = value;
  const isLift =
    isBanKind(of) && typeof whom === 'string' && isWholeNumber(agoMs, 0, Number.MAX_SAFE_INTEGER);
  return isLift ? { of, value: whom, agoMs } : undefined;
}

function isBanKind(value: unknown): value is BanKind {
  return banKinds.some((kind) => kind === value);
}
