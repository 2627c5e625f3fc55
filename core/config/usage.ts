// The help text of the command `rallymq`.

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

/** What `rallymq --help` prints, with a line break at the end. */
export function usage(): string {
  const width = Math.max(...lines.map(({ flag }) => flag.length));
  const shown = lines.flatMap(({ flag, help, variable }) => {
    const first = `  ${flag.padEnd(width)}  ${help}`;
    return variable === undefined ? [first] : [first, `  ${' '.repeat(width)}    or ${variable}`];
  });
  return [
    'Usage: rallymq [flags]',
    '       rallymq check-config [flags]',
    '       rallymq passwd FILE USER [--delete] [--batch]',
    '       rallymq ban FILE [KIND VALUE] [--minutes N] [--reason TEXT] [--delete]',
    '       rallymq dev-cert [--out FOLDER] [NAME...]',
    '       rallymq token --secret-file FILE --user NAME [flags]',
    '       rallymq api-key add|list|remove FILE [NAME] [--scopes LIST]',
    '       rallymq pub TOPIC [MESSAGE] [flags]',
    '       rallymq sub FILTER... [flags]',
    '       rallymq top [--once] [flags]',
    '       rallymq trace (--client ID | --topic FILTER | --address IP) [flags]',
    '       rallymq drain [flags]',
    '       rallymq store info|check|backup|restore|export|import|compact [flags]',
    '',
    'Starts RallyMQ, an MQTT broker for the web. The other commands: `check-config` reports errors and',
    'weak settings, `passwd` manages the password file, `ban` the bans, `api-key` the keys of the HTTP',
    'API; `dev-cert` makes a test certificate, `token` a test token; `pub` publishes a message, `sub` prints',
    'messages; `top` shows what a broker is doing, `trace` what happens to a client; `drain` empties a broker',
    'and stops it; `store` maintains the data directory. Each has its own --help.',
    '',
    ...shown,
    '',
    'A flag overrides the environment, which overrides the file, which overrides the default.',
    '',
  ].join('\n');
}
