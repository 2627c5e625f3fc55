// Reads the environment variables. An empty one counts as missing, since container files often set them so.

import { BrokerError } from '../broker-error.ts';
import { nearestName } from './nearest-name.ts';
import type { OptionValues } from './option-rules.ts';
import { optionFromText } from './resolve.ts';
import { configFileVariable, settings } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const prefix = 'RALLYMQ_';

/** For the commands that talk to a broker; the broker may be started with them set. */
const commandVariables = ['RALLYMQ_URL', 'RALLYMQ_API_KEY', 'RALLYMQ_PASSWORD'];

const knownVariables: readonly string[] = [
  configFileVariable,
  ...commandVariables,
  ...settings.flatMap(({ variable }) => variable ?? []),
];

/**
 * The options from the environment. Throws CONFIG_INVALID with the name of the variable, also for a variable
 * with a mistyped name, such as RALLYMQ_PROT.
 */
export function readEnvironment(environment: Environment): OptionValues {
  const options: OptionValues = {};
  for (const { option, variable } of settings) {
    const text = variable === undefined ? undefined : environment[variable];
    if (variable === undefined || text === undefined || text === '') continue;
    options[option] = optionFromText(option, text, shownName(variable, text), 'CONFIG_INVALID');
  }
  for (const name of unknownVariables(environment)) {
    const nearest = nearestVariable(name);
    if (nearest === undefined) continue;
    const message = `${name} is not a variable of rallymq: did you mean ${nearest}?`;
    throw new BrokerError('CONFIG_INVALID', message);
  }
  return options;
}

/** Variables with our prefix that the command does not know. */
export function unknownVariables(environment: Environment): string[] {
  return Object.entries(environment)
    .filter(([name, text]) => name.startsWith(prefix) && text !== '' && !knownVariables.includes(name))
    .filter(([name, text]) => !isOfKubernetes(name, text ?? ''))
    .map(([name]) => name)
    .sort();
}

/** The path of the configuration file, if the environment names one. */
export function configFileOf(environment: Environment): string | undefined {
  return environment[configFileVariable] || undefined;
}

function nearestVariable(name: string): string | undefined {
  const names = knownVariables.map((known) => known.slice(prefix.length));
  const nearest = nearestName(name.slice(prefix.length), names);
  return nearest === undefined ? undefined : prefix + nearest;
}

/** Kubernetes describes each service in every pod: the variables of a service whose name begins with rallymq are not ours. */
function isOfKubernetes(name: string, text: string): boolean {
  return /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)/.test(name) || isServiceUrl(text);
}

function isServiceUrl(text: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(text);
}

/** Kubernetes sets RALLYMQ_PORT to a URL in every pod if there is a service named rallymq. */
function shownName(variable: string, text: string): string {
  return isServiceUrl(text) ? `${variable} (set by Kubernetes unless enableServiceLinks is false)` : variable;
}
