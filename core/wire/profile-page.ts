/** What `profile.ts` is in the client library for pages: MQTT 5 alone, and no check that a page does without. */
import type * as whole from './profile.ts';

export const isStrict: typeof whole.isStrict = false;

export const isAtLeast: typeof whole.isAtLeast = () => true;
