// The command line of `rallymq`: the requested action, and the resulting configuration. A flag
// overrides the environment, that overrides the file, and that overrides the defaults.

import { isatty } from 'node:tty';
import { parseArgs } from 'node:util';
import { BrokerError } from '../broker-error.ts';
import { valueGiven } from './arguments.ts';
import { configFileOf, type Environment, readEnvironment } from './environment.ts';
import { readConfigFile } from './file.ts';
import { nearestName } from './nearest-name.ts';
import type { OptionValues } from './option-rules.ts';
import { type BrokerConfig, commandDataDirectory, type LogFormat } from './options.ts';
import { optionFromText, resolveConfig } from './resolve.ts';
import { type Setting, settings } from './settings.ts';

/** The log is for people if standard error is a terminal. A closed terminal changes nothing. */
const commandLogFormat: LogFormat = isatty(2) ? 'text' : 'json';

/** The requested action. */
export type CommandLine =
  | { readonly action: 'help' }
  | { readonly action: 'version' }
  | {
      readonly action: 'start';
      readonly config: BrokerConfig;
      /** The path as given, or undefined if no file was read. */
      readonly configFile: string | undefined;
    };

/**
 * Reads the arguments after `rallymq`, the environment and the file that they name. Throws a BrokerError:
 * FLAG_UNKNOWN, FLAG_VALUE_INVALID, CONFIG_INVALID, CONFIG_FILE_UNREADABLE, OPEN_WITHOUT_AUTHENTICATION.
 */
export function readCommandLine(args: readonly string[], environment: Environment): CommandLine {
  const flags = tokenize(args);
  // A request for help is answered even if other arguments are wrong.
  const asked = flags.find(({ name }) => name === 'help' || name === 'version');
  if (asked) return { action: asked.name === 'help' ? 'help' : 'version' };
  if (args[0] === 'help') return { action: 'help' };
  const { options, configFile = configFileOf(environment) } = readFlags(flags);
  const fromFile = configFile === undefined ? {} : readConfigFile(configFile);
  const defaults = { dataDirectory: commandDataDirectory, logFormat: commandLogFormat };
  const given = { ...defaults, ...fromFile, ...readEnvironment(environment), ...options };
  const config = resolveConfig(given, 'info');
  return { action: 'start', config, configFile };
}

interface Flag {
  /** Without dashes; the long name if there is also a short one. */
  readonly name: string;
  /** As typed. */
  readonly shown: string;
  readonly value: string | undefined;
}

/** The first argument that is not a flag names a command other than the broker. */
export const commandNames = [
  'check-config',
  'passwd',
  'ban',
  'dev-cert',
  'token',
  'api-key',
  'pub',
  'sub',
  'top',
  'trace',
  'drain',
  'store',
] as const;

const flagNames = [...settings.map(({ flag }) => flag), 'config', 'no-tcp', 'help', 'version'];

const parsedOptions = {
  ...Object.fromEntries(
    settings.map(({ flag, placeholder }) => [flag, { type: placeholder ? 'string' : 'boolean' } as const]),
  ),
  config: { type: 'string' },
  'no-tcp': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

/** Not strict: the tokens contain everything, and the errors are ours. */
function tokenize(args: readonly string[]): Flag[] {
  const { tokens } = parseArgs({ args: [...args], options: parsedOptions, strict: false, tokens: true });
  return tokens.flatMap((token) => {
    if (token.kind === 'option-terminator') return [];
    if (token.kind === 'positional') return [{ name: '', shown: token.value, value: undefined }];
    return [{ name: token.name, shown: token.rawName, value: valueGiven(token) }];
  });
}

function readFlags(flags: readonly Flag[]): { options: OptionValues; configFile?: string } {
  const options: OptionValues = {};
  let configFile: string | undefined;
  for (const flag of flags) {
    const setting = settings.find((candidate) => candidate.flag === flag.name);
    if (setting) options[setting.option] = settingValue(setting, flag);
    else if (flag.name === 'config') configFile = textOf(flag, 'FILE');
    else if (flag.name === 'no-tcp') options.tcpPort = noTcp(flag, flags);
    else throw unknownFlag(flag);
  }
  return configFile === undefined ? { options } : { options, configFile };
}

function settingValue(setting: Setting, flag: Flag): unknown {
  if (setting.placeholder === undefined) return withoutValue(flag);
  return optionFromText(setting.option, textOf(flag, setting.placeholder), flag.shown, 'FLAG_VALUE_INVALID');
}

function textOf({ shown, value }: Flag, placeholder: string): string {
  if (value) return value;
  throw new BrokerError('FLAG_VALUE_INVALID', `${shown} has no value: give ${shown} ${placeholder}.`);
}

function withoutValue({ shown, value }: Flag): true {
  if (value === undefined) return true;
  throw new BrokerError('FLAG_VALUE_INVALID', `${shown} takes no value: give it alone, or leave it out.`);
}

function noTcp(flag: Flag, flags: readonly Flag[]): false {
  withoutValue(flag);
  if (!flags.some(({ name }) => name === 'tcp-port')) return false;
  throw new BrokerError(
    'FLAG_VALUE_INVALID',
    '--tcp-port and --no-tcp exclude each other: give one of them.',
  );
}

/** Flags of other brokers. */
const foreignFlags: Readonly<Record<string, string>> = { c: 'config', p: 'port' };

function unknownFlag({ name, shown }: Flag): BrokerError {
  if (name === '') return unknownCommand(shown);
  const nearest = foreignFlags[name] ?? nearestName(name, flagNames);
  const advice = nearest === undefined ? 'see rallymq --help.' : `did you mean --${nearest}?`;
  return new BrokerError('FLAG_UNKNOWN', `${shown} is not a flag of rallymq: ${advice}`);
}

function unknownCommand(shown: string): BrokerError {
  if (shown === 'start')
    return new BrokerError('FLAG_UNKNOWN', "'start' is not a command: rallymq alone starts the broker.");
  if (/\.(json|conf|ya?ml|toml)$/.test(shown))
    return new BrokerError(
      'FLAG_UNKNOWN',
      `'${shown}' is not a command: give a configuration file as --config ${shown}.`,
    );
  const command = nearestName(shown, commandNames) ?? commandNames.find((name) => shown.startsWith(name));
  const advice = command === undefined ? 'see rallymq --help.' : `did you mean rallymq ${command}?`;
  return new BrokerError('FLAG_UNKNOWN', `'${shown}' is neither a flag nor a command: ${advice}`);
}
