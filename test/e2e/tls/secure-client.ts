/** MQTT.js over TLS, in one of its two ways, for tests of TLS itself. */
import type { TestContext } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { within } from '../../support/wait.ts';

export interface SecureClient {
  readonly client: MqttClient;
  /** The payloads that have come. */
  readonly texts: string[];
  subscribe(filter: string): Promise<void>;
}

export async function secureClient(
  t: TestContext,
  port: number,
  ca: string,
  options: IClientOptions = {},
): Promise<SecureClient> {
  const client = mqtt.connect({
    protocol: 'wss',
    path: '/mqtt',
    host: 'localhost',
    port,
    ca,
    reconnectPeriod: 0,
    ...options,
  });
  t.after(() => client.end(true));
  const texts: string[] = [];
  client.on('message', (_, payload) => texts.push(payload.toString()));
  await within(
    'CONNACK',
    new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed before the CONNACK')));
    }),
  );
  client.on('error', () => {});
  const subscribe = async (filter: string): Promise<void> => void (await client.subscribeAsync(filter));
  return { client, texts, subscribe };
}
