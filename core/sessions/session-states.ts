/**
 * The states of a session's record in the directory, as one table. The directory never assumes that a worker has done what it
 * was told: each intermediate state waits for one message, and if the worker ends instead, the next one on its engine reports
 * the sessions that it has (`here`, `leaving`, `arriving`, or `missing`).
 *
 *   claiming -> connected, once the client identifier is ours (directory.ts)
 *           \-> moving, if another node has its session
 *   away -> wanted by a client -> moving -> away, on the client's worker -> connected
 *                              \-> settling (Clean Start: it ends) -> gone: a new session is connected
 *   connected -> wanted by another client -> closing -> away or gone
 *
 * An empty cell changes nothing: the message was sent before a worker was restarted.
 */

export type SessionStateName =
  /** There is no session yet: other nodes are asked for the client identifier. */
  | 'claiming'
  /** Its worker has it, and no client is connected. The timers of will and expiry run. */
  | 'away'
  /** The worker was told to accept its client. */
  | 'connected'
  /** The worker was told to end the client's connection. */
  | 'closing'
  /** The worker was told that its will is due, or that it ends. */
  | 'settling'
  /** The worker was told to take it from another one. */
  | 'moving'
  /** The worker has ended and is being restarted. */
  | 'lost'
  /** The session no longer exists. */
  | 'gone';

export type SessionEvent =
  /** The client identifier is ours, ... */
  | 'claimed'
  /** ... as is the session, which is on another node, ... */
  | 'lent'
  /** ... or cannot be claimed. */
  | 'denied'
  /** A client that wants a new session waits for it. */
  | 'wantedNew'
  /** A client of its worker waits for it. */
  | 'wantedHere'
  /** A client of another worker waits for it. */
  | 'wantedElsewhere'
  | 'willDue'
  | 'expired'
  /** Its connection has ended, with everything that follows from that. */
  | 'closed'
  /** The worker has done what it was told. */
  | 'settled'
  /** It has come from the other worker. */
  | 'arrived'
  /** It has not, since the node of that worker is lost. */
  | 'stranded'
  | 'workerLost'
  /** Its worker runs again and has it, ... */
  | 'here'
  /** ... still has something to publish for it (`closed` or `settled` follows), ... */
  | 'leaving'
  /** ... gets it from another worker (`arrived` follows), ... */
  | 'arriving'
  /** ... or has no such session. */
  | 'missing';

export type SessionAction =
  | 'none'
  /** A waiting client gets a new session. */
  | 'begin'
  | 'deny'
  | 'accept'
  | 'evict'
  | 'endSession'
  | 'publishWill'
  | 'moveHere'
  /** The same from the worker of another node. */
  | 'fetch'
  /** Counts the client as gone, and stores when will and expiry are due. */
  | 'disconnect'
  /** Stores when will and expiry are due, and serves a waiting client. */
  | 'settle'
  /** The client that was connected is counted as gone. */
  | 'lose'
  /** Asks once more who has the session, if somebody still wants it here. */
  | 'claimAgain'
  /** It never left the worker that it should have come from, or is gone. */
  | 'lookBack'
  | 'forget';

export type SessionStep = readonly [next: SessionStateName, action: SessionAction];

const wanted = {
  wantedNew: ['settling', 'endSession'],
  wantedHere: ['connected', 'accept'],
  wantedElsewhere: ['moving', 'moveHere'],
} as const;
const evicted = ['closing', 'evict'] as const;

const table: Readonly<Record<SessionStateName, Readonly<Partial<Record<SessionEvent, SessionStep>>>>> = {
  claiming: {
    claimed: ['connected', 'begin'],
    lent: ['moving', 'fetch'],
    denied: ['gone', 'deny'],
  },
  away: {
    ...wanted,
    willDue: ['settling', 'publishWill'],
    expired: ['settling', 'endSession'],
    settled: ['away', 'settle'], // it has ended because it held too much
    workerLost: ['lost', 'none'],
  },
  connected: {
    wantedNew: evicted,
    wantedHere: evicted,
    wantedElsewhere: evicted,
    closed: ['away', 'disconnect'],
    workerLost: ['lost', 'lose'],
  },
  closing: {
    closed: ['away', 'disconnect'],
    workerLost: ['lost', 'lose'],
  },
  settling: {
    closed: ['away', 'settle'], // of a connection that was lost with the worker's thread
    settled: ['away', 'settle'],
    workerLost: ['lost', 'none'],
  },
  moving: {
    arrived: ['away', 'settle'],
    stranded: ['claiming', 'claimAgain'],
    workerLost: ['lost', 'none'],
  },
  lost: {
    here: ['away', 'settle'],
    leaving: ['settling', 'none'],
    arriving: ['moving', 'none'],
    missing: ['gone', 'lookBack'],
  },
  gone: {},
};

/** The effect of `event` on a record in `state`; undefined: none. */
export function stepOf(state: SessionStateName, event: SessionEvent): SessionStep | undefined {
  return table[state][event];
}
