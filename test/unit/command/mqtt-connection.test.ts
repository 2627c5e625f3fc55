/** The connection of `rallymq pub` and `rallymq sub`, to a broker that the test plays. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { MqttConnection, mqttTargetOf } from '../../../core/command/mqtt-connection.ts';
import { atEnd } from '../../support/at-end.ts';
import { Authority, type CertifiedFiles } from '../../support/secure.ts';
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

/** The error of a connection to a TLS server with this certificate. */
async function refusalBy(
  context: TestContext,
  { certificate: cert, key }: CertifiedFiles,
  ca: string,
  more: TlsOptions = {},
): Promise<Error> {
  const server = createTlsServer({ cert, key, ...more }).listen(0, '127.0.0.1');
  atEnd(context, () => server.close());
  await once(server, 'listening');
  const url = `mqtts://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connection = new MqttConnection(await mqttTargetOf({ url, ca }, {}), () => {});
  return await within('the refusal', connection.accepted).then(
    () => assert.fail('it is accepted'),
    (error: Error) => error,
  );
}

test('the advice about a certificate fits what is wrong with it', async (context) => {
  const authority = new Authority();
  const ca = authority.own.certFile;
  const expired = authority.issue({ fromSeconds: -100, untilSeconds: -1 });
  const future = authority.issue({ fromSeconds: 3_600, untilSeconds: 7_200 });
  const good = authority.issue();
  assert.match((await refusalBy(context, expired, ca)).message, /\(certificate has expired\): renew it\.$/);
  assert.match(
    (await refusalBy(context, future, ca)).message,
    /\(certificate is not yet valid\): is the clock of this machine right\?$/,
  );
  assert.match(
    (await refusalBy(context, good, good.certFile)).message,
    /: give its authority with --ca FILE\.$/,
  );
  assert.match(
    (await refusalBy(context, good, ca, { requestCert: true, ca: authority.own.certificate })).message,
    /^The broker at mqtts:\S+ requires a client certificate, which this command cannot give\.$/,
  );
  await assert.rejects(mqttTargetOf({ url: 'mqtts://localhost', ca: good.keyFile }, {}), {
    code: 'FLAG_VALUE_INVALID',
    message: `--ca is '${good.keyFile}', which contains no certificate in PEM: give the authority's, such as dev-ca.pem.`,
  });
});

test('of a broker that does not answer it is not said that it is no broker', async (context) => {
  const server = createServer().listen(0, '127.0.0.1');
  atEnd(context, () => server.close());
  await once(server, 'listening');
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const connection = new MqttConnection(await mqttTargetOf({ url }, {}), () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  await once(socket, 'data');
  context.mock.timers.tick(10_000);
  await assert.rejects(connection.accepted, {
    code: 'BROKER_NOT_REACHED',
    message: `No broker answers at ${url} (no answer within 10 s): start one, or give its address with --url.`,
  });
});
