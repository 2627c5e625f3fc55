/** What the broker answers to the opening of a WebSocket, above all when it comes through a proxy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../../core/config/resolve.ts';
import {
  decideOpening,
  type OpeningRequest,
  openingRulesOf,
  readOpening,
} from '../../../core/front-end/opening.ts';

const request: OpeningRequest = {
  remoteAddress: '127.0.0.1',
  key: 'dGhlIHNhbXBsZSBub25jZQ==',
  host: 'scores.example',
  origin: '',
  version: '13',
  forwardedBy: '',
  subprotocols: 'mqtt',
  tlsLines: [],
};

function decide(changed: Partial<OpeningRequest>, options: object = {}) {
  const verdict = decideOpening({ ...request, ...changed }, openingRulesOf(resolveConfig(options)));
  const status = verdict.isAccepted ? 101 : Number(verdict.answer.slice(9, 12));
  return { status, why: verdict.refusal?.why ?? '' };
}

const authenticate = () => true;
const viaProxy = { forwardedBy: 'X-Forwarded-For' };

test('the fields come in the order of the door', () => {
  const text = ['::1', 'k', 'h', 'o', '13', 'Via', 'mqtt,x', 'tls'].join('\n');
  const { forwardedBy, subprotocols, tlsLines } = readOpening(text);
  assert.deepEqual(
    { forwardedBy, subprotocols, tlsLines },
    { forwardedBy: 'Via', subprotocols: 'mqtt,x', tlsLines: ['tls'] },
  );
});

test('a broker on loopback without authentication refuses what a proxy hands on, and says why', () => {
  const { status, why } = decide(viaProxy);
  assert.equal(status, 403);
  assert.match(why, /through a proxy \(X-Forwarded-For\).*authentication.*allowAnonymous/);
  assert.equal(decide({}).status, 101, 'it is open to this machine');
});

test('with authentication, or open to all by name, a proxy may hand on', () => {
  assert.equal(decide(viaProxy, { authenticate }).status, 101);
  assert.equal(decide(viaProxy, { allowAnonymous: true }).status, 101);
  assert.equal(decide(viaProxy, { allowAnonymous: true, host: '0.0.0.0' }).status, 101);
});

test('behind a proxy pages of the own host may connect, and those of the proxy machine may not', () => {
  const own = { ...viaProxy, origin: 'https://scores.example' };
  assert.equal(decide(own, { authenticate }).status, 101);
  assert.equal(decide({ ...own, origin: 'https://evil.example' }, { authenticate }).status, 403);
  assert.equal(decide({ ...own, origin: 'http://localhost:3000' }, { authenticate }).status, 403);
  assert.equal(decide({ ...own, origin: 'null' }, { authenticate }).status, 403);
  // Without a proxy a name that points here is no page of this machine (DNS rebinding).
  assert.equal(decide({ origin: 'https://scores.example' }, { authenticate }).status, 403);
});

test('a page that was opened as a file may connect only while no listener can be reached by others', () => {
  const listener = { port: 1, anonymous: true };
  const fromFile = (listeners: object[]) => decide({ origin: 'null' }, { listeners }).status;
  assert.equal(fromFile([listener, { socket: '/run/mqtt' }, { ...listener, host: '::1' }]), 101);
  assert.equal(fromFile([listener, { ...listener, host: '192.0.2.1' }]), 403);
});

test('what is wrong with an opening is said to the client and to the log', () => {
  assert.deepEqual(decide({ version: '8' }).status, 426);
  assert.deepEqual(decide({ key: '' }).status, 400);
  const { status, why } = decide({ subprotocols: 'chat' });
  assert.equal(status, 400);
  assert.match(why, /sub-protocol "mqtt"\.$/);
});
