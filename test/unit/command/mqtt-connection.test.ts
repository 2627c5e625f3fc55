/** The connection of `rallymq pub` and `rallymq sub`, to a broker that the test plays. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { MqttConnection, mqttTargetOf } from '../../../core/command/mqtt-connection.ts';
import { atEnd } from '../../support/at-end.ts';
import { until, within } from '../../support/wait.ts';
import { bytes } from '../wire/frames.ts';

const payloadBytes = 32 * 1_024 * 1_024;
/** PUBLISH, a remaining length of four bytes, topic, packet identifier, no properties. */
const publishBytes = 1 + 4 + 3 + 2 + 1 + payloadBytes;

test('an upload that takes its time is not interrupted by a ping, which would wait behind it', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const server = createServer().listen(0, '127.0.0.1');
  atEnd(context, () => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connection = new MqttConnection(
    await mqttTargetOf({ url: `mqtt://127.0.0.1:${port}` }, {}),
    () => {},
  );
  const [socket] = (await once(server, 'connection')) as [Socket];
  await once(socket, 'data');
  socket.pause();
  socket.write(bytes('20 03 00 00 00'));
  await within('CONNACK', connection.accepted);
  const published = connection.publish('a', new Uint8Array(payloadBytes), 1, false);
  context.mock.timers.tick(60_000);
  let received = 0;
  let last: Uint8Array = new Uint8Array();
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    last = chunk;
  });
  socket.resume();
  await until('the whole message', () => received >= publishBytes);
  assert.equal(received, publishBytes);
  socket.write(bytes('40 02 0001'));
  await within('PUBACK', published);
  context.mock.timers.tick(30_000);
  await until('a ping', () => received > publishBytes);
  assert.deepEqual([...last], [...bytes('c0 00')]);
  const closed = connection.close();
  await once(socket, 'end');
  socket.end();
  await within('the end', closed);
});
