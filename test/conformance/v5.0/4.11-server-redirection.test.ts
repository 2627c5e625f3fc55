/** Server redirection: a client is told to use another server. */
import assert from 'node:assert/strict';
import { octets, u32 } from '../support/octets.ts';
import { packetType, singleValueOf } from '../support/received.ts';
import { section } from '../support/section.ts';

const serverReference = 'other.example:1883 [fe80::9610:3eff:fe1c]:1883';
const serverReferenceIdentifier = 0x1c;
const useAnotherServer = 0x9c;
const serverMoved = 0x9d;

const movedTest = section('5.0', '4.11 Server redirection, for good', { serverMoved: true, serverReference });
const fullTest = section('5.0', '4.11 Server redirection, for now');

movedTest(
  '[MQTT-4.13.2-1] a server that has moved says so in the CONNACK, and where to',
  async ({ tryConnect }) => {
    const client = await tryConnect();
    assert.equal(client.connack.code, serverMoved);
    assert.equal(client.connack.sessionPresent, false);
    assert.equal(singleValueOf(client.connack.properties, serverReferenceIdentifier), serverReference);
    await client.closed();
  },
);

movedTest(
  '[MQTT-3.1.2-24] where the client takes too little for it the server does not say where to',
  async ({ tryConnect }) => {
    const client = await tryConnect({ properties: octets('27', u32(20)) });
    assert.equal(client.connack.code, serverMoved);
    assert.equal(singleValueOf(client.connack.properties, serverReferenceIdentifier), undefined);
    await client.closed();
  },
);

fullTest(
  '[MQTT-4.13.2-1] a server without room names another one, and serves those it has',
  async ({ connect, tryConnect, name }) => {
    const served = await connect({ clientId: name('served') });
    const client = await tryConnect();
    assert.equal(client.connack.code, useAnotherServer);
    assert.equal(singleValueOf(client.connack.properties, serverReferenceIdentifier), serverReference);
    await client.closed();
    await served.ping();
    // It is the one that there is room for.
    const again = await connect({ clientId: name('served') });
    assert.equal((await served.next()).type, packetType.disconnect);
    await again.ping();
  },
  { broker: { serverReference, limits: { connectionsMax: 1 } } },
);
