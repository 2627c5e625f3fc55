/** Replaces `profile.ts` in the client library for pages: MQTT 5 only, without the checks that a page does not need. */
import type * as whole from './profile.ts';

export const isStrict: typeof whole.isStrict = false;

export const isAtLeast: typeof whole.isAtLeast = () => true;
