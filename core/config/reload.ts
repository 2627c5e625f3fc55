/**
 * What becomes of a running configuration when it is read again. Of the options and limits that differ, those whose
 * `reload` is 'live' are taken over; the others need a restart. A thread has one configuration, which is changed where it
 * lies: whoever holds it sees the new value the next time it looks.
 */
import { isDeepStrictEqual } from 'node:util';
import { type LimitName, limitNames, limitRanges, type Reload } from './limits.ts';
import { type OptionName, optionRules } from './option-rules.ts';
import type { BrokerConfig } from './options.ts';
import { checkTogether } from './resolve.ts';

export interface ConfigChange {
  /** Of an option, or `limits.` and that of a limit. */
  readonly name: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly reload: Reload;
}

/** What follows from other options has no name of its own. */
type ConfigName = Exclude<keyof BrokerConfig & OptionName, 'limits'>;

/** A file of TLS can be replaced by another one; whether there is one says more than what is in it. */
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
 * The running configuration with those changes that are live. Errors: CONFIG_INVALID where they do not go together with
 * what needs a restart.
 */
export function withLive(running: BrokerConfig, changes: readonly ConfigChange[]): BrokerConfig {
  const next = { ...running, limits: { ...running.limits } };
  for (const change of changes) if (change.reload === 'live') set(next, change);
  checkTogether(next);
  return next;
}

/** Makes one configuration say what another one says. */
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
