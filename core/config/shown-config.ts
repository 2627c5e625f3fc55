/** The configuration as operators see it: with paths of files, without secrets. */
import type { BrokerConfig } from './options.ts';

/** A URL may contain a secret for its server. */
const withheld = 'withheld';

export function shownOptions(options: Omit<BrokerConfig, 'limits'>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, shownValue(value)]));
}

export function shownValue(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[a-z]+:\/\//i.test(value) || !URL.canParse(value)) return value;
  const url = new URL(value);
  if (url.username === '' && url.password === '' && url.search === '') return value;
  if (url.username !== '') url.username = withheld;
  if (url.password !== '') url.password = withheld;
  if (url.search !== '') url.search = withheld;
  return url.href;
}
