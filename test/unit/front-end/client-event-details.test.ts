import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectedDetail } from '../../../core/front-end/client-event-details.ts';
import type { ClientInfo } from '../../../core/sessions/session-record.ts';

test('a client that differs from the one before it in anything shown has a sentence of its own', () => {
  const first: ClientInfo = {
    clientId: 'a',
    protocolVersion: 5,
    transport: 'ws',
    remoteAddress: '192.0.2.1',
  };
  const clients: [ClientInfo, string][] = [
    [first, 'MQTT 5.0 over WebSocket from 192.0.2.1.'],
    [{ ...first, clientId: 'b' }, 'MQTT 5.0 over WebSocket from 192.0.2.1.'],
    [{ ...first, remoteAddress: '192.0.2.2' }, 'MQTT 5.0 over WebSocket from 192.0.2.2.'],
    [{ ...first, transport: 'tcp' }, 'MQTT 5.0 over TCP from 192.0.2.1.'],
    [{ ...first, protocolVersion: 4 }, 'MQTT 3.1.1 over WebSocket from 192.0.2.1.'],
    [{ ...first, username: 'u' }, 'MQTT 5.0 over WebSocket from 192.0.2.1 as u.'],
    [{ ...first, tls: { version: 'TLSv1.3' } }, 'MQTT 5.0 over WebSocket with TLS from 192.0.2.1.'],
  ];
  for (const [client, sentence] of clients) {
    assert.equal(connectedDetail(first), 'MQTT 5.0 over WebSocket from 192.0.2.1.');
    assert.equal(connectedDetail(client), sentence);
  }
});
