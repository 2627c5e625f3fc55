/** Who says who a client is. Several are asked in their order: the first that knows the user decides. */
import type { ConnectingClient } from '../config/authentication.ts';
import type { Access } from './access.ts';

/** Who the client is, why it is refused, or that somebody else is to be asked. */
export type Decision = Access | { readonly reasonCode: number } | 'unknown';

export interface Provider {
  /** What it throws, or rejects with, refuses the client: nobody else is asked. */
  decide(client: ConnectingClient): Decision | Promise<Decision>;
}
