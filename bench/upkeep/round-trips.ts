/** A client that publishes to itself continuously, and reports how long that took. */
import { connect, type MqttClient } from 'mqtt';
import { quantileOf } from '../statistics.ts';

const pauseMs = 1;
const topic = 'bench/round-trips';

export class RoundTrips {
  readonly #client: MqttClient;
  #times: number[] = [];
  #sentAtMs = 0;
  #isOver = false;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', () => {
      this.#times.push(performance.now() - this.#sentAtMs);
      setTimeout(() => this.#send(), pauseMs);
    });
  }

  static async start(port: number): Promise<RoundTrips> {
    const client = connect({ host: '127.0.0.1', port, reconnectPeriod: 0 });
    const trips = new RoundTrips(client);
    await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject));
    await client.subscribeAsync(topic);
    trips.#send();
    return trips;
  }

  /** Since the last call: how many, and the median, the 99th percentile and the longest in milliseconds. */
  take(): string[] {
    const times = this.#times;
    this.#times = [];
    const shown = (part: number) => (quantileOf(times, part) ?? 0).toFixed(2);
    return [`${times.length}`, shown(0.5), shown(0.99), shown(1)];
  }

  stop(): void {
    this.#isOver = true;
    this.#client.end(true);
  }

  #send(): void {
    if (this.#isOver) return;
    this.#sentAtMs = performance.now();
    this.#client.publish(topic, 'x');
  }
}
