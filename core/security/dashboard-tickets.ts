/**
 * Tickets of the dashboard (main thread): MQTT knows no API keys, so whoever has signed in over HTTP gets a password for one
 * CONNECT. It is good for the client identifier that it was issued for, once, and for a short time; the client gets the
 * dashboard's topics and nothing else, whether there are rules or not: they are all that is behind its topic prefix, which
 * is below $SYS, where clients publish nothing.
 *
 *     POST /api/v1/dashboard/ticket --> issue() --> CONNECT with the ticket as password --> redeem() --> admitted
 */
import { randomBytes } from 'node:crypto';
import type { Access, Identity } from './access.ts';
import type { ApiCaller } from './api-caller.ts';
import { compileFilter } from './rules.ts';

/** How a client of a dashboard calls itself. */
const clientIdPattern = /^dashboard-[\w-]{16,64}$/;
const ticketPrefix = 'rmqt_';
const ticketBytes = 32;
const ticketLength = ticketPrefix.length + Math.ceil((ticketBytes * 4) / 3);
const ticketMs = 30_000;
/** That nobody has used yet; the oldest goes first. */
const ticketsMax = 1_000;
/** What goes before it, on the broker; in a cluster the name of the node follows. */
const topicPrefix = '$SYS/dashboard/';

/** What the dashboard subscribes to, behind its prefix. */
export const overviewName = 'overview';

interface Ticket {
  readonly clientId: string;
  readonly caller: ApiCaller;
  readonly endsAtMs: number;
}

export class DashboardTickets {
  readonly #nowMs: () => number;
  readonly #prefix: string;
  readonly #tickets = new Map<string, Ticket>();

  /** `nodeName`: of a cluster, each node of which has topics of its own. */
  constructor(nodeName: string | undefined, nowMs: () => number) {
    this.#prefix = dashboardPrefix(nodeName);
    this.#nowMs = nowMs;
  }

  issue(caller: ApiCaller, clientId: string): string {
    for (const oldest of this.#tickets.keys()) {
      if (this.#tickets.size < ticketsMax) break;
      this.#tickets.delete(oldest);
    }
    const ticket = ticketPrefix + randomBytes(ticketBytes).toString('base64url');
    this.#tickets.set(ticket, { clientId, caller, endsAtMs: this.#nowMs() + ticketMs });
    return ticket;
  }

  /** Who comes with a ticket; 'unknown': it is not one of ours, or not any more. Undefined: the password is no ticket. */
  redeem(password: Uint8Array | undefined): Access | 'unknown' | undefined {
    if (password?.length !== ticketLength) return undefined;
    const text = Buffer.from(password).toString('latin1');
    if (!text.startsWith(ticketPrefix)) return undefined;
    const ticket = this.#tickets.get(text);
    this.#tickets.delete(text);
    if (ticket === undefined || ticket.endsAtMs < this.#nowMs()) return 'unknown';
    const { clientId, caller } = ticket;
    const { user } = caller;
    return {
      clientId,
      ...(user?.username === undefined ? {} : { username: user.username }),
      ...(user?.tokenId === undefined ? {} : { tokenId: user.tokenId }),
      ...(user?.issuedAt === undefined ? {} : { issuedAt: user.issuedAt }),
      ...(user?.expiresAtMs === undefined ? {} : { expiresAtMs: user.expiresAtMs }),
      topicPrefix: this.#prefix,
      rules: [
        {
          effect: 'allow',
          action: 'subscribe',
          filter: compileFilter(overviewName, 'names'),
          isLater: false,
        },
      ],
    };
  }
}

export function isDashboardClientId(clientId: unknown): clientId is string {
  return typeof clientId === 'string' && clientIdPattern.test(clientId);
}

/** Whether somebody has come with a ticket: no other client has such a prefix. */
export function isDashboard({ topicPrefix: prefix = '' }: Identity): boolean {
  return prefix.startsWith(topicPrefix);
}

/** `nodeName`: of a cluster. */
export function dashboardPrefix(nodeName: string | undefined): string {
  return nodeName === undefined ? topicPrefix : `${topicPrefix}${nodeName}/`;
}
