/**
 * Ownership of client identifiers: by the main thread of a single node, or among several nodes. The session
 * directory (session-directory.ts) claims an identifier before a session begins on its node, and releases it when the session
 * has ended. Sessions that were restored at startup belong to the node already.
 */
export interface Directory {
  /**
   * Claims a client identifier that this node does not own, for a client that wants a new session or not. Returns whether it
   * is now owned; undefined if other nodes have to be asked first: then `later` is called, once.
   */
  claim(clientId: string, isClean: boolean, later: (outcome: Claimed) => void): boolean | undefined;
  /** This node no longer needs the client identifier. */
  release(clientId: string): void;
  /** A client uses, for the first time, a session that was restored at startup. */
  used(clientId: string): void;
  /** Whether a session of a worker of this node belongs to another node, which is taking it. */
  isLent(key: number): boolean;
}

/** 'ours': and there is no session for it. */
export type Claimed = 'ours' | 'denied' | MovingSession;

/** The identifier is ours, and its session is on another node. */
export interface MovingSession {
  readonly key: number;
  /** That has it, by its number in the cluster. */
  readonly worker: number;
  /** It is here. If it does not come, its client identifier is released. */
  taken(): void;
}

/** There is no other node. */
export const thisNodeAlone: Directory = {
  claim: () => true,
  release: () => {},
  used: () => {},
  isLent: () => false,
};
