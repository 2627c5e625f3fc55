/**
 * The build profile of core/wire. The broker and the tests use this file: they read and write all versions of MQTT,
 * check everything that the specification requires, and explain errors in a sentence. The client library for pages
 * speaks MQTT 5 only, with a broker that the page has chosen, and every byte of it is downloaded: it is bundled with
 * `profile-page.ts` instead of this file (scripts/build-client.mjs), and the minifier removes the code that its
 * constants make unreachable. So `if (isStrict)` precedes a check that a page does not need. A packet that a page
 * cannot read ends its connection all the same.
 */
import type { ProtocolVersion } from './packets.ts';

/** Whether to check for readable but forbidden content, and to explain why a packet is refused. */
export const isStrict: boolean = true;

/** Whether `version` is `least` or later: 4 has the return codes of MQTT 3.1.1, 5 has properties. */
export function isAtLeast(version: ProtocolVersion, least: ProtocolVersion): boolean {
  return version >= least;
}
