/** Thousands of idle clients over TCP. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.ts';
import { connectFrame } from './frames.ts';
import { within } from './wait.ts';

export interface Crowd {
  readonly sockets: readonly Socket[];
  nameOf(index: number): string;
}

/** Opened at once: the broker's connection queue is not under test. */
const atOnce = 200;
/** Of a CONNACK, after its type, length and flags. */
const reasonByte = 3;

/** Resolves when all are connected; they are destroyed when the test ends. */
export async function joinCrowd(
  test: TestContext,
  tcpPort: number,
  count: number,
  name: string,
): Promise<Crowd> {
  const nameOf = (index: number): string => `${name}/${String(index).padStart(5, '0')}`;
  const sockets: Socket[] = [];
  atEnd(test, () => {
    for (const socket of sockets) socket.destroy();
  });
  for (let first = 0; first < count; first += atOnce) {
    const batch = Array.from({ length: Math.min(atOnce, count - first) }, (_, index) =>
      join(tcpPort, nameOf(first + index)),
    );
    sockets.push(
      ...(await within(`clients ${first} to ${first + batch.length}`, Promise.all(batch), 60_000)),
    );
  }
  return { sockets, nameOf };
}

async function join(port: number, clientId: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {}); // it is closed in some tests
  await once(socket, 'connect');
  socket.write(connectFrame({ clientId, protocolVersion: 5 }));
  const [connack] = (await once(socket, 'data')) as [Buffer];
  if (connack[reasonByte] !== 0) throw new Error(`refused: ${connack.toString('hex')}`);
  return socket;
}
