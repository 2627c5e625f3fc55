/** The options of `npm run conformance`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from './arguments.ts';

test('without options: both versions and transports, with one and with four workers, against RallyMQ', () => {
  assert.deepEqual(parse([]), {
    versions: ['3.1.1', '5.0'],
    transports: ['tcp', 'ws'],
    workers: [1, 4],
    only: undefined,
    target: undefined,
    peer: undefined,
    help: false,
  });
});

test('a version, a transport, workers and a text narrow it down', () => {
  const { versions, transports, workers, only } = parse(
    '--version 5.0 --transport ws --workers 3 MQTT-3.3.1'.split(' '),
  );
  assert.deepEqual([versions, transports, workers, only], [['5.0'], ['ws'], [3], 'MQTT-3.3.1']);
});

test('the transports of a running broker are those of its addresses', () => {
  const tcp = parse(['--url', 'mqtt://example.org']);
  assert.deepEqual(tcp.transports, ['tcp']);
  assert.deepEqual([tcp.target?.host, tcp.target?.tcpPort], ['example.org', 1883]);
  const both = parse(['--url', 'mqtt://[::1]:1884', '--url', 'ws://[::1]:9001/mqtt/ws']);
  assert.deepEqual(both.transports, ['tcp', 'ws']);
  assert.deepEqual(both.target, { isOurs: false, host: '::1', port: 9001, tcpPort: 1884, path: '/mqtt/ws' });
});

test('what is wrong is said', () => {
  const wrong = {
    '--version 4': /no version 4/,
    '--transport udp': /no transport udp/,
    '--workers 1,x': /whole numbers/,
    '--peer other': /no peer other/,
    '--peer mosquitto --url mqtt://h': /--peer starts a broker/,
    '--url http://h': /neither mqtt: nor ws:/,
    '--url nonsense': /mqtt:\/\/host:port/,
    '--url mqtt://h --transport ws': /no --url for the transport ws/,
    'one two': /one text at most/,
    '--unknown': /unknown/i,
  };
  for (const [args, message] of Object.entries(wrong)) assert.throws(() => parse(args.split(' ')), message);
});
