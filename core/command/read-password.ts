/** Reads a password from the terminal without echo, or from a pipe. */
import type { ReadStream } from 'node:tty';
import { BrokerError } from '../broker-error.ts';

/** MQTT has two bytes for the length of a password. */
const bytesMax = 65_535;

/** `how`: the first line of standard input, or asked for at the terminal, once or twice. Errors: FLAG_VALUE_INVALID. */
export async function readPassword(how: 'batch' | 'once' | 'twice', username: string): Promise<Uint8Array> {
  const { stdin } = process;
  if (how !== 'batch' && !stdin.isTTY)
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      'There is no terminal to ask for the password: give --batch, and the password on standard input.',
    );
  const bytes =
    how === 'batch' ? await firstLine() : Buffer.from(await askAt(stdin, username, how === 'twice'));
  if (bytes.length === 0 || bytes.length > bytesMax)
    throw new BrokerError('FLAG_VALUE_INVALID', `A password must have 1 to ${bytesMax} bytes.`);
  return bytes;
}

/** As bytes, which need not be UTF-8. It may have no end: then it is longer than a password. */
async function firstLine(): Promise<Buffer> {
  let read = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    read = Buffer.concat([read, chunk as Buffer]);
    if (read.includes('\n') || read.length > bytesMax + 1) break;
  }
  const [line = ''] = read.toString('latin1').split('\n', 1);
  return Buffer.from(line.replace(/\r$/, ''), 'latin1');
}

/** Disables the echo: the terminal is in raw mode from before the first question until the last answer. */
async function askAt(terminal: ReadStream, username: string, isConfirmed: boolean): Promise<string> {
  terminal.setRawMode(true);
  try {
    const password = await ask(terminal, `Password of ${username}: `);
    if (!isConfirmed || password === (await ask(terminal, 'Once more: '))) return password;
    throw new BrokerError('FLAG_VALUE_INVALID', 'The two passwords differ.');
  } finally {
    terminal.setRawMode(false);
    terminal.pause();
  }
}

/** In raw mode we have to handle the keys that edit and end a line. */
function ask(terminal: ReadStream, question: string): Promise<string> {
  process.stderr.write(question);
  return new Promise((resolve, reject) => {
    let typed = '';
    const finish = (settle: () => void): void => {
      terminal.off('data', onData);
      process.stderr.write('\n');
      settle();
    };
    const onData = (chunk: Buffer): void => {
      for (const key of chunk.toString('utf8')) {
        if (key === '\r' || key === '\n') {
          finish(() => resolve(typed));
          return;
        }
        if (key === '\u0003' || key === '\u0004') {
          finish(() => reject(new BrokerError('FLAG_VALUE_INVALID', 'No password was given.')));
          return;
        }
        typed = key === '\u007f' || key === '\b' ? [...typed].slice(0, -1).join('') : typed + key;
      }
    };
    terminal.on('data', onData);
  });
}
