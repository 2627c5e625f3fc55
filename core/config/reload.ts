/**
 * Reloads a running configuration. Changed options and limits whose `reload` is 'live' are applied; the others need a
 * restart. Each thread has one configuration object, which is changed in place: its users see the new value when they next
 * read it.
 */
import { isDeepStrictEqual } from 'node:util';
import { type LimitName, limitNames, limitRanges, type Reload } from './limits.ts';
import { type OptionName, optionRules } from './option-rules.ts';
import type { BrokerConfig } from './options.ts';
import { checkTogether } from './resolve.ts';

export interface ConfigChange {
  /** The name of an option, or `limits.` and the name of a limit. */
  readonly name: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly reload: Reload;
}

/** Values derived from other options have no name of their own. */
type ConfigName = Exclude<keyof BrokerConfig & OptionName, 'limits'>;

/** A TLS file can be replaced by another one: only whether there is one counts. */
export const tlsFiles: readonly ConfigName[] = ['tlsCertificates', 'clientCa', 'clientCrl', 'pskFile'];

export function changesOf(running: BrokerConfig, read: BrokerConfig): readonly ConfigChange[] {
  const names = Object.keys(running).filter((name) => name !== 'limits' && Object.hasOwn(optionRules, name));
  const options = (names as ConfigName[]).map((name): ConfigChange => {
    const [before, after] = [running[name], read[name]];
    const isOneAppearing = tlsFiles.includes(name) && isGiven(before) !== isGiven(after);
    return { name, before, after, reload: isOneAppearing ? 'restart' : optionRules[name].reload };
  });
  const limits = limitNames.map((name): ConfigChange => {
    const [before, after] = [running.limits[name], read.limits[name]];
    return { name: `${limitPrefix}${name}`, before, after, reload: limitRanges[name].reload };
  });
  return [...options, ...limits].filter(({ before, after }) => !isDeepStrictEqual(before, after));
}

/**
 * The running configuration with the live changes applied. Errors: CONFIG_INVALID if they contradict options that need a
 * restart.
 */
export function withLive(running: BrokerConfig, changes: readonly ConfigChange[]): BrokerConfig {
  const next = { ...running, limits: { ...running.limits } };
  for (const change of changes) if (change.reload === 'live') set(next, change);
  checkTogether(next);
  return next;
}

/** Copies the values of one configuration into another. */
export function takeOver(running: BrokerConfig, next: BrokerConfig): void {
  const { limits, ...options } = next;
  Object.assign(running.limits, limits);
  Object.assign(running, options);
}

const limitPrefix = 'limits.';

function set(config: BrokerConfig, { name, after }: ConfigChange): void {
  const limit = name.startsWith(limitPrefix) ? (name.slice(limitPrefix.length) as LimitName) : undefined;
  Object.assign(limit === undefined ? config : config.limits, { [limit ?? name]: after });
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}
