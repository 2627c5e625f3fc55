/** AUTH: the packet of enhanced authentication. */
import assert from 'node:assert/strict';
import { scramCredentials, scramSha256 } from '../../../core/broker.ts';
import { octets, packet, properties, string, u32, userProperty } from '../support/octets.ts';
import { connect } from '../support/packets.ts';
import { hexOf, packetType, readGoodbye } from '../support/received.ts';
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

const credentials = await scramCredentials('secret');
const broker = {
  allowAnonymous: true,
  authenticationMethods: [scramSha256({ credentialsOf: () => credentials })],
};

const test = section('5.0', '3.15 AUTH');
const testWithScram = section('5.0', '3.15 AUTH, with a method', broker);

const flagsOtherThanZero = Array.from({ length: 15 }, (_, index) => index + 1);

refused(
  test,
  '[MQTT-3.15.1-1]',
  flagsOtherThanZero.map((flags) => [
    `an AUTH with the flags ${flags}`,
    packet(0xf0 | flags, '18', properties(authentication('x'))),
    malformed,
    protocolError, // without an authentication method any AUTH is one
  ]),
);

for (const flags of flagsOtherThanZero) {
  testWithScram(
    `[MQTT-3.15.1-1] an AUTH with the flags ${flags} ends the connection with 0x81, in the exchange and later`,
    async ({ open, name }) => {
      const exchange = new ScramExchange('user', 'secret');
      const connecting = await open();
      connecting.send(
        connect('5.0', { clientId: name('a'), properties: authentication(scram, exchange.first) }),
      );
      await nextAuth(connecting);
      connecting.send(packet(0xf0 | flags, '18', properties(authentication(scram, 'x'))));
      await connecting.ended(malformed);
      const connected = await open();
      await connectWithScram(connected, name('b'), new ScramExchange('user', 'secret'));
      connected.send(packet(0xf0 | flags, '19', properties(authentication(scram, exchange.first))));
      await connected.ended(malformed);
    },
  );
}

testWithScram(
  '[MQTT-3.15.2-1] the server asks for more with Continue authentication and ends a re-authentication with Success',
  async ({ open, name }) => {
    const client = await open();
    const exchange = new ScramExchange('user', 'secret');
    client.send(connect('5.0', { clientId: name(), properties: authentication(scram, exchange.first) }));
    const challenge = await nextAuth(client);
    assert.equal(challenge.code, continueAuthentication);
    client.send(auth(continueAuthentication, authentication(scram, exchange.final(dataOf(challenge)))));
    assert.equal((await client.nextConnack()).code, 0);
    const again = new ScramExchange('user', 'secret', 'again');
    client.send(auth(reAuthenticate, authentication(scram, again.first)));
    const second = await nextAuth(client);
    assert.equal(second.code, continueAuthentication);
    client.send(auth(continueAuthentication, authentication(scram, again.final(dataOf(second)))));
    assert.equal((await nextAuth(client)).code, 0);
  },
);

for (const code of [0x00, 0x01, 0x17, 0x1a, 0x80, 0x87]) {
  testWithScram(
    `[MQTT-3.15.2-1] an AUTH with 0x${code.toString(16).padStart(2, '0')} from a client ends the connection`,
    async ({ open, name }) => {
      const client = await open();
      await connectWithScram(client, name(), new ScramExchange('user', 'secret'));
      client.send(auth(code, authentication(scram, 'n,,n=user,r=x')));
      await client.ended(protocolError, malformed);
    },
  );
}

const method = octets('15', string(scram));
const offences = [
  ['without a method', auth(reAuthenticate), protocolError],
  ['with data and without a method', packet(0xf0, '19', properties('16 0001 61')), protocolError],
  ['with two methods', auth(reAuthenticate, method, method), protocolError],
  [
    'with data twice',
    auth(reAuthenticate, method, octets('16 0001 61'), octets('16 0001 61')),
    protocolError,
  ],
  [
    'with two reason strings',
    auth(reAuthenticate, method, octets('1f 0001 61'), octets('1f 0001 61')),
    protocolError,
  ],
  ['with a property of PUBLISH', auth(reAuthenticate, method, octets('01 00')), malformed, protocolError],
  ['with a method that is not UTF-8', auth(reAuthenticate, octets('15 0002 c328')), malformed],
  ['with properties longer than the packet', packet(0xf0, '19 20', method), malformed],
  ['of one byte', packet(0xf0, '19'), malformed, protocolError],
  ['without a body, which says Success,', packet(0xf0), protocolError, malformed],
] as const;

for (const [what, bytes, ...codes] of offences) {
  testWithScram(`[MQTT-4.13.1-1] an AUTH ${what} ends the connection`, async ({ open, name }) => {
    const client = await open();
    await connectWithScram(client, name(), new ScramExchange('user', 'secret'));
    client.send(bytes);
    await client.ended(...codes);
  });
}

testWithScram(
  '[MQTT-3.15.2-1] an AUTH may carry a reason string and user properties',
  async ({ open, name }) => {
    const client = await open();
    await connectWithScram(client, name(), new ScramExchange('user', 'secret'));
    const { first } = new ScramExchange('user', 'secret');
    client.send(
      auth(reAuthenticate, userProperty('k', '1'), authentication(scram, first), octets("1f 0003 'why'")),
    );
    assert.equal((await nextAuth(client)).code, continueAuthentication);
  },
);

testWithScram(
  '[MQTT-3.15.2-2] [MQTT-3.15.2-3] an AUTH says no more than the client takes',
  async ({ open, name }) => {
    // Long enough that the AUTH is larger than the CONNACK.
    const nonce = 'n'.repeat(200);
    const challenge = async (more: Uint8Array) => {
      const client = await open();
      const { first } = new ScramExchange('user', 'secret', nonce);
      client.send(
        connect('5.0', { clientId: name(), properties: octets(authentication(scram, first), more) }),
      );
      const received = await client.next();
      assert.equal(received.type, packetType.auth);
      return received;
    };
    const { properties: given } = readGoodbye(await challenge(octets('17 01')));
    const [data] = given.filter(([identifier]) => identifier === 0x16).map(([, value]) => value);
    assert.ok(data instanceof Uint8Array);
    const needed = auth(continueAuthentication, authentication(scram, data)).length;
    const cut = await challenge(octets('17 01 27', u32(needed)));
    assert.ok(hexOf(cut).length / 2 <= needed);
  },
);
