/** Enhanced authentication: an exchange of AUTH packets before the CONNACK, and again whenever the client likes. */
import assert from 'node:assert/strict';
import { scramCredentials, scramSha256 } from '../../../core/broker.ts';
import { octets } from '../support/octets.ts';
import { connect, disconnect, pingreq, publish, subscribe } from '../support/packets.ts';
import { packetType, readConnack, singleValueOf, valuesOf } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import {
  auth,
  authentication,
  connectWithScram,
  continueAuthentication,
  dataOf,
  nextAuth,
  reAuthenticate,
  ScramExchange,
  scram,
} from '../support/scram.ts';
import { section } from '../support/section.ts';

const users = new Map([['user', await scramCredentials('secret')]]);
const broker = {
  allowAnonymous: true,
  authenticationMethods: [scramSha256({ credentialsOf: (name) => users.get(name) })],
};

const plainTest = section('5.0', '4.12 Enhanced authentication');
const test = section('5.0', '4.12 Enhanced authentication, with a method', broker);

const authenticationMethod = 0x15;
const authenticationData = 0x16;
const notAuthorized = 0x87;
const badAuthenticationMethod = 0x8c;

for (const data of [undefined, 'data', '']) {
  plainTest(
    `[MQTT-4.12.0-1] a method that the server does not know is refused (data: ${data})`,
    async ({ open, name }) => {
      const client = await open();
      client.send(connect('5.0', { clientId: name(), properties: authentication('NO-SUCH-METHOD', data) }));
      await client.ended(badAuthenticationMethod, notAuthorized);
    },
  );
}

test('[MQTT-4.12.0-1] the name of a method is compared as it is', async ({ open, name }) => {
  const client = await open();
  const properties = authentication('scram-sha-256', new ScramExchange('user', 'secret').first);
  client.send(connect('5.0', { clientId: name(), properties }));
  await client.ended(badAuthenticationMethod, notAuthorized);
});

test('[MQTT-4.12.0-2] [MQTT-4.12.0-5] the exchange: AUTH with Continue authentication, then CONNACK, all with the method', async ({
  open,
  name,
}) => {
  const client = await open();
  const exchange = new ScramExchange('user', 'secret');
  client.send(connect('5.0', { clientId: name(), properties: authentication(scram, exchange.first) }));
  const challenge = await nextAuth(client);
  assert.equal(challenge.code, continueAuthentication);
  assert.equal(singleValueOf(challenge.properties, authenticationMethod), scram);
  client.send(auth(continueAuthentication, authentication(scram, exchange.final(dataOf(challenge)))));
  const connack = await client.nextConnack();
  assert.equal(connack.code, 0);
  assert.equal(singleValueOf(connack.properties, authenticationMethod), scram);
  assert.equal(Buffer.from(dataOf(connack)).toString(), exchange.signature, 'the server proves itself');
  await client.ping();
});

for (const code of [0x00, reAuthenticate, 0x80]) {
  test(`[MQTT-4.12.0-3] an answer with 0x${code.toString(16)} in place of Continue authentication ends the connection`, async ({
    open,
    name,
  }) => {
    const client = await open();
    const exchange = new ScramExchange('user', 'secret');
    client.send(connect('5.0', { clientId: name(), properties: authentication(scram, exchange.first) }));
    const challenge = await nextAuth(client);
    client.send(auth(code, authentication(scram, exchange.final(dataOf(challenge)))));
    await client.ended(protocolError, malformed, notAuthorized);
  });
}

const failures = [
  ['a wrong password', new ScramExchange('user', 'wrong')],
  ['an unknown user', new ScramExchange('nobody', 'secret')],
] as const;

for (const [what, exchange] of failures) {
  test(`[MQTT-4.12.0-4] ${what} is refused with a CONNACK at the end of the exchange`, async ({
    open,
    name,
  }) => {
    const client = await open();
    client.send(connect('5.0', { clientId: name(), properties: authentication(scram, exchange.first) }));
    const challenge = await nextAuth(client);
    client.send(auth(continueAuthentication, authentication(scram, exchange.final(dataOf(challenge)))));
    await client.ended(notAuthorized, 0x86);
  });
}

test('[MQTT-4.12.0-4] data that the method cannot read is refused at its first step', async ({
  open,
  name,
}) => {
  for (const data of [undefined, '', 'x', octets('ff fe')]) {
    const client = await open();
    client.send(connect('5.0', { clientId: name(), properties: authentication(scram, data) }));
    await client.ended(notAuthorized, 0x86, protocolError);
  }
});

test('[MQTT-4.12.0-5] an AUTH of the client with another method than its CONNECT ends the connection', async ({
  open,
  name,
}) => {
  const client = await open();
  const exchange = new ScramExchange('user', 'secret');
  client.send(connect('5.0', { clientId: name(), properties: authentication(scram, exchange.first) }));
  const challenge = await nextAuth(client);
  client.send(auth(continueAuthentication, authentication('SCRAM-SHA-1', exchange.final(dataOf(challenge)))));
  await client.ended(protocolError, badAuthenticationMethod, notAuthorized);
});

for (const [where, register] of [
  ['a server', plainTest],
  ['a server with methods', test],
] as const) {
  register(
    `[MQTT-4.12.0-6] without a method in CONNECT ${where} sends no AUTH, and no method in CONNACK`,
    async ({ open, name }) => {
      const client = await open();
      client.send(connect('5.0', { clientId: name(), username: 'user', password: 'secret' }));
      const connack = readConnack('5.0', await client.next());
      assert.deepEqual(valuesOf(connack.properties, authenticationMethod), []);
      assert.deepEqual(valuesOf(connack.properties, authenticationData), []);
      if (connack.code === 0) await client.ping();
    },
  );
}

refused(
  plainTest,
  '[MQTT-4.12.0-7]',
  [continueAuthentication, reAuthenticate].map((code) => [
    `an AUTH with 0x${code.toString(16)} from a client that named no method`,
    auth(code, authentication(scram, 'n,,n=user,r=x')),
    protocolError,
  ]),
);

test('[MQTT-4.12.1-1] a client may authenticate again and again, while everything else goes on', async ({
  open,
  connect: join,
  name,
}) => {
  const client = await open();
  await connectWithScram(client, name('a'), new ScramExchange('user', 'secret'));
  const publisher = await join();
  await client.subscribe(name(), 1);
  for (let round = 0; round < 3; round++) {
    const exchange = new ScramExchange('user', 'secret', `round${round}`);
    client.send(auth(reAuthenticate, authentication(scram, exchange.first)));
    const challenge = await nextAuth(client);
    assert.equal(challenge.code, continueAuthentication);
    assert.equal(singleValueOf(challenge.properties, authenticationMethod), scram);
    await publisher.publish(name(), 'meanwhile', { qos: 1 });
    assert.equal((await client.receive()).text, 'meanwhile');
    await client.ping();
    await client.publish(name('/own'), 'm', { qos: 2 });
    client.send(auth(continueAuthentication, authentication(scram, exchange.final(dataOf(challenge)))));
    const success = await nextAuth(client);
    assert.equal(success.code, 0);
    assert.equal(singleValueOf(success.properties, authenticationMethod), scram);
    assert.equal(Buffer.from(dataOf(success)).toString(), exchange.signature);
  }
  await client.ping();
});

test('[MQTT-4.12.1-1] a re-authentication with another method ends the connection', async ({
  open,
  name,
}) => {
  const client = await open();
  await connectWithScram(client, name(), new ScramExchange('user', 'secret'));
  client.send(auth(reAuthenticate, authentication('SCRAM-SHA-1', 'n,,n=user,r=x')));
  await client.ended(protocolError, badAuthenticationMethod);
});

test('[MQTT-4.12.1-1] Continue authentication where nothing is to be continued ends the connection', async ({
  open,
  name,
}) => {
  const client = await open();
  await connectWithScram(client, name(), new ScramExchange('user', 'secret'));
  client.send(auth(continueAuthentication, authentication(scram, 'n,,n=user,r=x')));
  await client.ended(protocolError);
});

for (const [what, exchange] of failures) {
  test(`[MQTT-4.12.1-2] a re-authentication with ${what} ends the connection, and the will is published`, async ({
    open,
    connect: join,
    name,
  }) => {
    const watcher = await join();
    await watcher.subscribe(name());
    const client = await open();
    const first = new ScramExchange('user', 'secret');
    const will = { topic: name(), payload: 'will' };
    client.send(
      connect('5.0', { clientId: name('a'), will, properties: authentication(scram, first.first) }),
    );
    client.send(
      auth(continueAuthentication, authentication(scram, first.final(dataOf(await nextAuth(client))))),
    );
    assert.equal((await client.nextConnack()).code, 0);
    client.send(auth(reAuthenticate, authentication(scram, exchange.first)));
    const challenge = await nextAuth(client);
    client.send(auth(continueAuthentication, authentication(scram, exchange.final(dataOf(challenge)))));
    await client.ended(notAuthorized, 0x86);
    assert.equal((await watcher.receive()).text, 'will');
  });
}

for (const [what, bytes] of [
  ['a PUBLISH', publish('5.0', 't', 'm')],
  ['a SUBSCRIBE', subscribe('5.0', [['t', 0]])],
  ['a PINGREQ', pingreq],
  ['a second CONNECT', connect('5.0', { clientId: 'x' })],
] as const) {
  test(`[MQTT-3.1.2-30] ${what} in the middle of the exchange ends the connection`, async ({
    open,
    name,
  }) => {
    const client = await open();
    const { first } = new ScramExchange('user', 'secret');
    client.send(connect('5.0', { clientId: name(), properties: authentication(scram, first) }));
    await nextAuth(client);
    client.send(bytes);
    await client.ended(protocolError);
  });
}

test('[MQTT-3.1.2-30] a client may leave in the middle of the exchange', async ({
  open,
  connect: join,
  name,
}) => {
  const client = await open();
  const { first } = new ScramExchange('user', 'secret');
  client.send(connect('5.0', { clientId: name(), properties: authentication(scram, first) }));
  await nextAuth(client);
  client.send(disconnect);
  await client.raw.closed();
  for (const { type } of client.raw.packets) assert.notEqual(type, packetType.disconnect);
  await (await join({ clientId: name() })).ping();
});
