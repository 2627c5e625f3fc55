/**
 * The list of clients, one page at a time (main thread): sessions in the order of their keys, and so of their age. The
 * cursor is the key of the last session of a page, so clients that come or go meanwhile move no other to another page.
 */
import type { ClientInfo } from './session-record.ts';

/** A client with a session, connected or away. */
export interface ClientState {
  readonly session: number;
  readonly worker: number;
  readonly client: ClientInfo;
  readonly isConnected: boolean;
  /** Since when it is connected, or away, in milliseconds before now. */
  readonly forMs: number;
  /** When its session ends if it stays away, in milliseconds from now; undefined: never, or not known yet. */
  readonly endsInMs: number | undefined;
}

export interface ClientQuery {
  /** The cursor: sessions after this one. */
  readonly after: number;
  readonly limit: number;
  readonly isConnected?: boolean | undefined;
  readonly username?: string | undefined;
  /** A part of the user name, ignoring case. */
  readonly usernamePart?: string | undefined;
  /** A part of the client identifier, ignoring case. */
  readonly clientIdPart?: string | undefined;
  readonly remoteAddress?: string | undefined;
  readonly protocolVersion?: number | undefined;
}

export interface ClientPage<Row> {
  readonly rows: readonly Row[];
  /** Of the next page; undefined: this is the last. */
  readonly cursor: number | undefined;
}

/** The parts of a session that the list needs. */
export interface Listed {
  readonly key: number;
  readonly client: ClientInfo;
  readonly connection: number | undefined;
}

/** `sessions` are in the order of their keys. */
export function pageOf<Session extends Listed>(
  sessions: Iterable<Session>,
  { after, limit, ...filters }: ClientQuery,
): ClientPage<Session> {
  const rows: Session[] = [];
  const matches = matcherOf(filters);
  for (const session of sessions) {
    if (session.key <= after || !matches(session)) continue;
    if (rows.length === limit) return { rows, cursor: rows.at(-1)?.key };
    rows.push(session);
  }
  return { rows, cursor: undefined };
}

function matcherOf(query: Omit<ClientQuery, 'after' | 'limit'>): (session: Listed) => boolean {
  const { isConnected, username, remoteAddress, protocolVersion } = query;
  const part = query.clientIdPart?.toLowerCase();
  const usernamePart = query.usernamePart?.toLowerCase();
  return ({ client, connection }) =>
    (isConnected === undefined || isConnected === (connection !== undefined)) &&
    (username === undefined || client.username === username) &&
    (usernamePart === undefined || client.username?.toLowerCase().includes(usernamePart) === true) &&
    (remoteAddress === undefined || client.remoteAddress === remoteAddress) &&
    (protocolVersion === undefined || client.protocolVersion === protocolVersion) &&
    (part === undefined || client.clientId.toLowerCase().includes(part));
}
