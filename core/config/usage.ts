// The help text of the command `rallymq`.

import type { commandNames } from './command-line.ts';
import { configFileVariable, settings } from './settings.ts';

interface Line {
  readonly flag: string;
  readonly help: string;
  readonly variable?: string | undefined;
}

const lines: readonly Line[] = [
  { flag: '--config FILE', help: 'JSON file with options and limits', variable: configFileVariable },
  ...settings.map(({ flag, placeholder, help, variable }) => ({
    flag: placeholder === undefined ? `--${flag}` : `--${flag} ${placeholder}`,
    help,
    variable,
  })),
  { flag: '--no-tcp', help: 'listen on no TCP port', variable: 'RALLYMQ_TCP_PORT=none' },
  { flag: '-h, --help', help: 'show this text' },
  { flag: '-v, --version', help: 'show the version' },
];

const commands: Readonly<Record<(typeof commandNames)[number], string>> = {
  'check-config': 'reports errors and weak settings of a configuration',
  passwd: 'sets the password of a user in a password file',
  ban: 'lists, adds and lifts bans in a ban file',
  'dev-cert': 'makes a test certificate for TLS',
  token: 'prints a test token (JWT)',
  'api-key': 'manages the keys of the HTTP API and the dashboard',
  pub: 'publishes a message',
  sub: 'prints messages as they arrive',
  top: 'shows the figures of a running broker',
  trace: 'shows what happens to a client or a topic',
  drain: 'disconnects the clients of a running broker and stops it',
  store: 'checks, copies, exports and compacts a data directory',
};

/** The output of `rallymq --help`, with a line break at the end. */
export function usage(): string {
  const width = Math.max(...lines.map(({ flag }) => flag.length));
  const shown = lines.flatMap(({ flag, help, variable }) => {
    const first = `  ${flag.padEnd(width)}  ${help}`;
    return variable === undefined ? [first] : [first, `  ${' '.repeat(width)}    or ${variable}`];
  });
  return [
    'Usage: rallymq [flags]',
    '       rallymq COMMAND',
    '',
    'Starts RallyMQ, an MQTT broker for the web. The commands, each with its own --help:',
    '',
    ...Object.entries(commands).map(([name, help]) => `  rallymq ${name.padEnd(12)}  ${help}`),
    '',
    'Flags of the broker:',
    '',
    ...shown,
    '',
    'A flag overrides the environment, which overrides the file, which overrides the default.',
    '',
  ].join('\n');
}
