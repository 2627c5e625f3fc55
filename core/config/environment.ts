// Reads the variables of the environment. An empty one counts as absent, as container files often leave
// them; one that is not ours is not looked at, since others begin with the same letters.

import type { OptionValues } from './option-rules.ts';
import { optionFromText } from './resolve.ts';
import { configFileVariable, settings } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The options that the environment gives. Throws CONFIG_INVALID with the name of the variable. */
export function readEnvironment(environment: Environment): OptionValues {
  const options: OptionValues = {};
  for (const { option, variable } of settings) {
    const text = variable === undefined ? undefined : environment[variable];
    if (variable === undefined || text === undefined || text === '') continue;
    options[option] = optionFromText(option, text, shownName(variable, text), 'CONFIG_INVALID');
  }
  return options;
}

/** The path of the configuration file that the environment gives, if it gives one. */
export function configFileOf(environment: Environment): string | undefined {
  return environment[configFileVariable] || undefined;
}

/** Kubernetes sets RALLYMQ_PORT to a URL in every pod beside a service of the name rallymq. */
function shownName(variable: string, text: string): string {
  const fromKubernetes = /^(tcp|udp):\/\//.test(text);
  return fromKubernetes ? `${variable} (set by Kubernetes unless enableServiceLinks is false)` : variable;
}
