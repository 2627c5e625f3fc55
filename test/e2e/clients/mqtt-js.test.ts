/** MQTT.js in every version and over both transports. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import mqtt from 'mqtt';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { mqttJs } from '../../support/clients/mqtt-js.ts';
import { play, playAcrossWorkers, scenarios, sessionScenarios } from '../../support/clients/scenarios.ts';
import { scenariosV5, timedScenariosV5 } from '../../support/clients/scenarios-v5.ts';

for (const transport of ['ws', 'tcp'] as const) {
  for (const version of [3, 4, 5] as const) {
    const kind = mqttJs(version, transport);
    const all = version === 5 ? { ...scenarios, ...scenariosV5 } : scenarios;
    for (const workers of version === 5 ? [1, 4] : [1]) {
      test(`${kind.name}, ${workers} workers`, (context) => play(context, kind, workers, all));
      if (version === 5) {
        test(`${kind.name}, ${workers} workers, what takes time`, { concurrency: true }, (context) =>
          play(context, kind, workers, timedScenariosV5, 'all at once'),
        );
      }
    }
    test(`${kind.name}, sessions`, (context) => play(context, kind, 1, sessionScenarios));
    test(`${kind.name}, sessions across 4 workers`, (context) =>
      playAcrossWorkers(context, kind, sessionScenarios));
  }
}

test('MQTT.js: a PUBCOMP that is lost with its connection does not make a message of QoS 2 fail', async (t) => {
  const { broker, tcpPort } = await startBroker(t);
  let isLost = false;
  const server = createServer((near) => {
    const far = connect(tcpPort, '127.0.0.1');
    const cut = (): void => {
      near.destroy();
      far.destroy();
    };
    near.on('error', cut).on('close', cut).pipe(far);
    far.on('error', cut).on('close', cut);
    far.on('data', (bytes) => {
      if (isLost || bytes[0] !== PacketType.pubcomp << 4) near.write(bytes);
      else {
        isLost = true;
        cut();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => void server.close());
  const { port } = server.address() as AddressInfo;
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: 5,
    clientId: 'exact',
    clean: false,
    reconnectPeriod: 20,
    properties: { sessionExpiryInterval: 60 },
  });
  atEnd(t, () => client.endAsync(true));
  await client.publishAsync('goals', '1', { qos: 2 });
  assert.ok(isLost);
  assert.equal(broker.statistics().publishReceived, 1);
});
