/** Sessions that have outlived the process, in the addon's format. */
import type { RecoveredSessions } from '../../core/data-plane/addon.ts';

export interface Recovered {
  readonly session: number;
  readonly worker: number;
  readonly clientId: string;
  readonly stamp: number;
}

export function recoveredSessions(sessions: readonly Recovered[]): RecoveredSessions {
  const sorted = sessions.toSorted((a, b) => a.session - b.session);
  const texts = sorted.map(({ clientId }) => Buffer.from(clientId));
  let end = 0;
  return {
    keys: Float64Array.from(sorted, ({ session }) => session),
    workers: Uint8Array.from(sorted, ({ worker }) => worker),
    stamps: Float64Array.from(sorted, ({ stamp }) => stamp),
    clientIds: Buffer.concat(texts),
    ends: Float64Array.from(texts, ({ length }) => {
      end += length;
      return end;
    }),
  };
}
