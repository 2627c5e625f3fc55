/**
 * Who has a client identifier, among all who could: the main thread of one node alone, or several nodes. The session
 * directory (session-directory.ts) asks before a session begins on its node, and gives the identifier back when there is
 * no session any more. Sessions that were restored at the start are the node's already.
 */
export interface Directory {
  /**
   * This node wants the client identifier, which it does not have: whether it has it from now on. Undefined if that is
   * not known yet, since others have to be asked: then `later` is called, once.
   */
  claim(clientId: string, later: (isOurs: boolean) => void): boolean | undefined;
  /** This node does not need the client identifier any more. */
  release(clientId: string): void;
}

/** There is no other node. */
export const thisNodeAlone: Directory = { claim: () => true, release: () => {} };
