/** Providers authenticate clients. They are asked in order: the first that knows the user decides. */
import type { ConnectingClient } from '../config/authentication.ts';
import type { Access } from './access.ts';

/** The client's identity, a refusal, or `unknown`: the next provider decides. */
export type Decision = Access | Refusal | 'unknown';

export interface Refusal {
  readonly reasonCode: number;
  /** For the log; the client is not told. */
  readonly why?: string;
}

export interface Provider {
  /** For the metrics. */
  readonly name: string;
  /** If it throws or rejects, the client is refused, and no other provider is asked. */
  decide(client: ConnectingClient): Decision | Promise<Decision>;
}
