/** `npm run demo`: tennis matches on three courts and the meters of a house, published to a broker until Ctrl-C. */
import { parseArgs } from 'node:util';
import {
  type Credentials,
  Rally,
  RallyError,
  type RallyOptions,
  type WebSocketConstructor,
} from '../../client/rally.ts';
import { playOnAllCourts } from './courts.ts';
import { runHouse } from './house.ts';

const usage = `Usage: npm run demo -- [flags]

Plays tennis on three courts and runs the meters of a house, until Ctrl-C.

  --url URL    the broker's WebSocket (default ws://127.0.0.1:8080/mqtt)
  --speed N    how many times as fast as people play (default 1)
  --user NAME  a user of the broker, whose password is in the variable DEMO_PASSWORD
  -h, --help   show this text
`;

const { url, speed, credentials } = readArguments();
const clientId = `demo-${process.pid}`;
const rally = new Rally(url, { clientId, ...credentials, ...(await withWebSocket()) });
const say = (text: string): void => void process.stdout.write(`${text}\n`);
rally.on('connected', () => say(`Playing at ${pageOf(url)} (Ctrl-C ends it)`));
rally.on('reconnecting', ({ error }) =>
  say(`No broker at ${url}: ${error?.message ?? 'the connection ended'}. Start one with npm start.`),
);
rally.on('closed', ({ error }) => {
  if (error === undefined) return;
  const needsUser = error instanceof RallyError && [0x86, 0x87].includes(error.reasonCode);
  const advice = needsUser ? ' Give --user NAME, and its password in the variable DEMO_PASSWORD.' : '';
  process.stderr.write(`demo: the broker refused the connection: ${error.message}${advice}\n`);
  process.exit(1);
});

const ends = [playOnAllCourts(rally, speed), runHouse(rally)];
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const end of ends) end();
    rally.close();
  });
}

function readArguments(): { url: string; speed: number; credentials: Credentials } {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string', default: 'ws://127.0.0.1:8080/mqtt' },
        speed: { type: 'string', default: '1' },
        user: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit();
    }
    const number = Number(values.speed);
    if (!(number > 0 && number <= 1_000)) throw new Error('--speed takes a number up to 1000');
    const { user: username } = values;
    const { DEMO_PASSWORD: password = '' } = process.env;
    if (username !== undefined && password === '') throw new Error('--user needs the variable DEMO_PASSWORD');
    const credentials = username === undefined ? {} : { username, password };
    return { url: new URL(values.url).href, speed: number, credentials };
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`);
    process.exit(2);
  }
}

/** Node.js has a WebSocket since version 22. */
async function withWebSocket(): Promise<RallyOptions> {
  if ('WebSocket' in globalThis) return {};
  const { WebSocket } = await import('ws');
  return { WebSocket: WebSocket as unknown as WebSocketConstructor };
}

function pageOf(webSocketUrl: string): string {
  return new URL('/demos/centre-court/', webSocketUrl.replace(/^ws/, 'http')).href;
}
