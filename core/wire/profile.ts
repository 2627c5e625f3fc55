/**
 * What core/wire is built for. The broker and the tests use it as it stands: it reads and writes all versions of MQTT,
 * checks all that the specification demands, and says in a sentence what was wrong. The client library for pages
 * speaks MQTT 5 alone, with a broker that the page has chosen, and every byte of it is downloaded: it is bundled with
 * `profile-page.ts` in place of this file (scripts/build-client.mjs), and the minifier leaves out whatever the
 * constants there make unreachable. So `if (isStrict)` stands before a check that a page does without. What a page
 * cannot read ends its connection all the same.
 */
import type { ProtocolVersion } from './packets.ts';

/** Whether to check what can be read but is not allowed, and to say why a packet is refused. */
export const isStrict: boolean = true;

/** Whether `version` is `least` or later: 4 has the return codes of MQTT 3.1.1, 5 has properties. */
export function isAtLeast(version: ProtocolVersion, least: ProtocolVersion): boolean {
  return version >= least;
}
