/**
 * What a soak does and checks, by name, so that parts of it can be left out: `--without shares,wills`.
 *
 * What is known to be broken in the broker is left out unless it is asked for with `--with`. An entry goes from
 * `knownBroken` in the commit that mends the broker.
 */
export const switches = {
  wills: 'clients have wills, with delay 0 and more; each is published once or not at all',
  'will-order': 'a will comes behind what its connection published and before what its client sends next',
  'takeover-order': 'what a new connection sends comes behind what the old one of its client sent',
  shares: 'shared subscriptions with members that come and go',
  'share-loss': 'no shared message is lost, or dropped, while a member has room',
  retained: 'retained messages are set, replaced and cleared',
  storms: 'many connections at once for one client identifier',
  hasty: 'connections that are given up before their CONNACK',
  dashes: 'CONNECT, PUBLISH, DISCONNECT and the end of the stream in one go',
  slow: 'readers that stop, and answers that are held back',
  tight: 'rounds with bounds so small that messages are dropped: each must be counted',
  delays: 'lanes that are handed over late, at random; needs the addon with faults',
  crashes: "a worker's thread throws, and is started again",
  terminate: "a worker's thread is ended from outside",
} as const;
export type Switch = keyof typeof switches;

/** Left out unless asked for, and why. */
export const knownBroken: Partial<Record<Switch, string>> = {};

export type Switches = ReadonlySet<Switch>;

export function isSwitch(name: string): name is Switch {
  return Object.hasOwn(switches, name);
}

/** What is on: all but the known broken and `without`, and what `with` asks for. */
export function switchesOf(asked: readonly Switch[], without: readonly Switch[]): Switches {
  const names = Object.keys(switches) as Switch[];
  return new Set(
    names.filter(
      (name) => (knownBroken[name] === undefined || asked.includes(name)) && !without.includes(name),
    ),
  );
}
