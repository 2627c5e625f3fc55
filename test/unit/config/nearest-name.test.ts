import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestName } from '../../../core/config/nearest-name.ts';

const known = [
  'host',
  'port',
  'tcpPort',
  'logLevel',
  'allowAnonymous',
  'maximumPacketSizeBytes',
  'connectPacketSizeBytesMax',
  'connectionsMax',
];

const cases: readonly (readonly [given: string, nearest: string | undefined])[] = [
  ['prot', 'port'],
  ['Port', 'port'],
  ['tcp-port', 'tcpPort'],
  ['loglvl', 'logLevel'],
  ['allowAnonimous', 'allowAnonymous'],
  ['', undefined],
  ['qos', undefined],
  ['x', undefined],
  ['bananas', undefined],
  ['maxPacketSize', 'maximumPacketSizeBytes'],
  ['max_packet_size', 'maximumPacketSizeBytes'],
  ['connect-packet-size', 'connectPacketSizeBytesMax'],
  ['max_connections', 'connectionsMax'],
  ['max', undefined],
  ['max_bananas', undefined],
  ['a'.repeat(1_000_000), undefined],
];

for (const [given, nearest] of cases) {
  test(`the name nearest to '${given.slice(0, 20)}' is ${nearest}`, () => {
    assert.equal(nearestName(given, known), nearest);
  });
}
