/**
 * The broker's overview, published once a second over MQTT. While it does not arrive, it is requested over HTTP: a
 * listener may not offer MQTT, a proxy may block WebSockets, or the broker may be full.
 */
import { Rally } from '../../client/rally.ts';
import { mqttPath, randomId } from '../shared/page.ts';
import { ApiError, ask } from './api.ts';

/** All counters are since the start. */
export interface BrokerOverview {
  readonly stats: Readonly<Record<string, number>>;
  readonly threads: {
    readonly mainSeconds: number;
    readonly turnBoundsUs: readonly number[];
    readonly workers: readonly WorkerTurns[];
  };
  /** Null: no problem. */
  readonly trouble: string | null;
  readonly isInCluster: boolean;
}

export interface WorkerTurns {
  /** Numbers of turns by duration: one more than there are bounds. */
  readonly turns: readonly number[];
  /** Of all turns. */
  readonly seconds: number;
}

const topic = 'overview';
/** Without a message for this long, the overview counts as not arriving. */
const silentMsMax = 3_500;
const reconnect = { minMs: 500, maxMs: 15_000 };
/** Delay before the next attempt if the broker's last refusal was final. */
const retryMs = 15_000;

export interface LiveListener {
  onOverview(overview: BrokerOverview): void;
  /** It arrives, or it has stopped arriving. */
  onChanged(): void;
  /** The broker refuses a ticket. */
  onRefused(error: ApiError): void;
}

export class Live {
  readonly #listener: LiveListener;
  #rally: Rally | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silent: ReturnType<typeof setTimeout> | undefined;

  constructor(listener: LiveListener) {
    this.#listener = listener;
  }

  /** Whether it arrives. */
  get isOn(): boolean {
    return this.#silent !== undefined;
  }

  start(): void {
    if (this.#rally === undefined && this.#timer === undefined) this.#open();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#silent);
    this.#timer = this.#silent = undefined;
    const rally = this.#rally;
    this.#rally = undefined;
    void rally?.close();
  }

  #open(): void {
    this.#timer = undefined;
    const clientId = `dashboard-${randomId()}${randomId()}`;
    const rally = new Rally(mqttPath(), {
      clientId,
      reconnect,
      credentials: async () => ({
        password: await this.#ticket(clientId),
        properties: { sessionExpiryInterval: 0 },
      }),
    });
    this.#rally = rally;
    rally.subscribe(topic, (message) => this.#take(message.json<BrokerOverview>()), { qos: 0 });
    rally.on('reconnecting', () => this.#onSilent());
    rally.on('closed', () => {
      if (this.#rally !== rally) return;
      this.#rally = undefined;
      this.#timer = setTimeout(() => this.#open(), retryMs);
      this.#onSilent();
    });
  }

  async #ticket(clientid: string): Promise<string> {
    try {
      return (await ask<{ ticket: string }>('dashboard/ticket', 'POST', { clientid })).ticket;
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) this.#listener.onRefused(error);
      throw error;
    }
  }

  #take(overview: BrokerOverview): void {
    const wasOn = this.isOn;
    clearTimeout(this.#silent);
    this.#silent = setTimeout(() => this.#onSilent(), silentMsMax);
    this.#listener.onOverview(overview);
    if (!wasOn) this.#listener.onChanged();
  }

  #onSilent(): void {
    if (!this.isOn) return;
    clearTimeout(this.#silent);
    this.#silent = undefined;
    this.#listener.onChanged();
  }
}
