/**
 * Who has a client identifier, among all who could: the main thread of one node alone, or several nodes. The session
 * directory (session-directory.ts) asks before a session begins on its node, and gives the identifier back when there is
 * no session any more. Sessions that were restored at the start are the node's already.
 */
export interface Directory {
  /**
   * This node wants the client identifier, which it does not have, for a client that wants a new session or not: whether it
   * has it from now on. Undefined if that is not known yet, since others have to be asked: then `later` is called, once.
   */
  claim(clientId: string, isClean: boolean, later: (outcome: Claimed) => void): boolean | undefined;
  /** This node does not need the client identifier any more. */
  release(clientId: string): void;
  /** A client uses a session that was restored at the start, for the first time. */
  used(clientId: string): void;
  /** Whether a session that a worker of this node has belongs to another one, which is taking it. */
  isLent(key: number): boolean;
}

/** 'ours': and nobody has a session for it. */
export type Claimed = 'ours' | 'denied' | MovingSession;

/** The identifier is ours, and its session is on another node. */
export interface MovingSession {
  readonly key: number;
  /** That has it, by its number in the cluster. */
  readonly worker: number;
  /** It is here. */
  taken(): void;
}

/** There is no other node. */
export const thisNodeAlone: Directory = {
  claim: () => true,
  release: () => {},
  used: () => {},
  isLent: () => false,
};
