/** The numbers of connected and disconnected clients, by kind (main thread); never by client. */
import type { ClientInfo } from '../sessions/session-record.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';

export class ClientCounts {
  /** By transport and MQTT version. */
  readonly #connected = new Map<string, number>();
  readonly #refused = new Map<number, number>();
  readonly #disconnected = new Map<string, number>();

  onConnected(client: ClientInfo): void {
    raise(this.#connected, kindOf(client), 1);
  }

  /** `reason`: the name of a reason code, or why there is none. */
  onDisconnected(client: ClientInfo, reason: string): void {
    raise(this.#connected, kindOf(client), -1);
    raise(this.#disconnected, reason, 1);
  }

  onRefused(reasonCode: number): void {
    raise(this.#refused, reasonCode, 1);
  }

  get connected(): readonly {
    readonly transport: string;
    readonly protocol: string;
    readonly count: number;
  }[] {
    return [...this.#connected].map(([kind, count]) => {
      const [transport = '', protocol = ''] = kind.split(' ');
      return { transport, protocol, count };
    });
  }
  get refused(): readonly { readonly reason: string; readonly count: number }[] {
    return [...this.#refused].map(([code, count]) => ({ reason: reasonCodeName(code), count }));
  }
  get disconnected(): readonly { readonly reason: string; readonly count: number }[] {
    return [...this.#disconnected].map(([reason, count]) => ({ reason, count }));
  }
}

/** Names that are made once, not for each client. */
const kinds = {
  ws: kindsOver('ws'),
  wss: kindsOver('wss'),
  tcp: kindsOver('tcp'),
  tls: kindsOver('tls'),
} as const;

function kindsOver(shown: string): Readonly<Record<3 | 4 | 5, string>> {
  return { 3: `${shown} 3.1`, 4: `${shown} 3.1.1`, 5: `${shown} 5.0` };
}

function kindOf({ transport, tls, protocolVersion }: ClientInfo): string {
  const shown = tls === undefined ? transport : transport === 'ws' ? 'wss' : 'tls';
  return kinds[shown][protocolVersion];
}

function raise<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
