/**
 * Clients with wills that are there until their process is killed, which is how a network is lost. Run as a program, with
 * the terms in JSON; tells its parent when all are connected.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { encodeConnect } from '../../core/wire/encode-connect.ts';
import type { QoS } from '../../core/wire/packets.ts';

export interface LostClientsTerms {
  readonly tcpPort: number;
  /** An address has some 28,000 ports for connections to the same port. */
  readonly localAddress: string;
  readonly first: number;
  readonly count: number;
}

/** That are being connected at the same time. */
const wave = 200;

async function open({ tcpPort, localAddress }: LostClientsTerms, number: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port: tcpPort, localAddress });
  socket.write(
    encodeConnect({
      protocolVersion: 5,
      cleanStart: true,
      keepAliveSeconds: 0,
      clientId: `lost-${number}`,
      will: {
        topic: `lost/${number}`,
        payload: Buffer.from('lost'),
        qos: (number % 3) as QoS,
        retain: false,
        properties: {},
      },
      properties: {},
    }),
  );
  const [connack] = (await once(socket, 'data')) as [Buffer];
  if (connack[0] !== 0x20 || connack[3] !== 0) throw new Error(`refused: ${connack.toString('hex')}`);
}

const terms = JSON.parse(process.argv[2] ?? '{}') as LostClientsTerms;
for (let done = 0; done < terms.count; done += wave) {
  const some = Array.from({ length: Math.min(wave, terms.count - done) }, (_, index) => done + index);
  await Promise.all(some.map((index) => open(terms, terms.first + index)));
}
process.send?.('connected');
