/**
 * Errors name options as programs and the configuration file do. The command replaces these names by its
 * flags.
 */
import { settings } from './settings.ts';

const flagOf = new Map<string, string>(settings.map(({ option, flag }) => [option, `--${flag}`]));

/** Replaces "the option port" by "--port", and the first `tlsCert` by `tlsCert (--tls-cert)`. */
export function withFlags(message: string): string {
  const seen = new Set<string>();
  return message
    .replaceAll(/the option (\w+)/g, (text, name: string) => flagOf.get(name) ?? text)
    .replaceAll(/(?<!['\w.-])[a-z]+[A-Z]\w*(?![\w'(]| in | \(--)/g, (name) => {
      const flag = flagOf.get(name);
      if (flag === undefined || seen.has(name)) return name;
      seen.add(name);
      return `${name} (${flag})`;
    });
}
