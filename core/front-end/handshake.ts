/** The server's side of the WebSocket handshake (RFC 6455, 4.2.2). */
import { hash } from 'node:crypto';

const keySuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The complete HTTP response to a request with this `Sec-WebSocket-Key`. */
export function switchingProtocols(key: string, subprotocol: string): string {
  const accept = hash('sha1', `${key}${keySuffix}`, 'base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${subprotocol}`,
    '\r\n',
  ].join('\r\n');
}
