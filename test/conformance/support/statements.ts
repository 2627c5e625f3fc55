/** The shape of the ledger: what each normative statement of a version says, and who can be asked about it. */

export interface ReasonedStatement {
  /** In the project's own words. */
  readonly text: string;
  /** Why no test of a server can show it. */
  readonly notTheServers: string;
}

/** By identifier: the statement, in the project's own words; one that is not the server's with the reason. */
export type Statements = Readonly<Record<`MQTT-${string}`, string | ReasonedStatement>>;

/** The identifiers at the beginning of a test's title: `[MQTT-3.1.2-3] [MQTT-3.1.2-4] …`. */
export function identifiersOf(title: string): string[] {
  const [start = ''] = /^(\[MQTT-[\d.]+-\d+\] )*/.exec(title) ?? [];
  return [...start.matchAll(/MQTT-[\d.]+-\d+/g)].map(([identifier]) => identifier);
}
