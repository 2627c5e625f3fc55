import { isStrict } from './profile.ts';

/** The rules for topic names and topic filters (sections 4.7 and 4.8.2). */

/** Of a string of MQTT (section 1.5.4). */
const stringBytesMax = 65_535;
const sharePrefix = '$share/';
/**
 * [MQTT-4.8.2-1] [MQTT-4.8.2-2]: behind `$share/`, a share name of at least one character, `/` and a filter.
 * [MQTT-4.7.1-1] [v3 MQTT-4.7.1-2]: `#` is a level, the last.
 * [MQTT-4.7.1-2] [v3 MQTT-4.7.1-3]: `+` is a level.
 */
const validFilter = /^(?!\$share\/(?![^/+#]+\/.))(([^+#/]*|\+)\/)*([^+#/]*|[+#])$/s;

/** Whether messages can be published to `topic`. */
export function isValidTopicName(topic: string): boolean {
  // [MQTT-4.7.0-1] [v3 MQTT-4.7.1-1]
  return isTopicText(topic) && !/[+#]/.test(topic);
}

/**
 * Whether `topic` is closed to clients: below $SYS, which belongs to the broker except for the topics of
 * mosquitto bridges, or below $share, which has no subscribers.
 */
export function isReservedTopic(topic: string): boolean {
  return /^\$(SYS(?!\/broker\/connection\/[^/]*\/state$)|share)(\/|$)/.test(topic);
}

/** The levels of a topic name or topic filter. */
export function levelCount(topic: string): number {
  return topic.split('/').length;
}

/** Whether a topic filter, of a shared subscription too, has wildcards. */
export function hasWildcards(filter: string): boolean {
  return /[+#]/.test(filter);
}

/** Whether `filter` can be subscribed to; of a shared subscription both the share name and its filter. */
export function isValidTopicFilter(filter: string): boolean {
  return isTopicText(filter) && validFilter.test(filter);
}

export function isSharedFilter(filter: string): boolean {
  return filter.startsWith(sharePrefix);
}

/** The topic filter that decides what matches: of a shared filter without `$share/{shareName}/`. */
export function unsharedFilter(filter: string): string {
  return filter.replace(/^\$share\/[^/]*\//, '');
}

/**
 * Whether a message published to `topic` belongs to a subscription to `filter`, both valid and the filter
 * not a shared one. It goes level by level and remembers nothing: the oracle of the tries, and the matcher
 * of a client with few subscriptions.
 */
export function topicMatchesFilter(topic: string, filter: string): boolean {
  // [MQTT-4.7.2-1]
  if (topic[0] === '$' && /^[+#]/.test(filter)) return false;
  const topicLevels = topic.split('/');
  const filterLevels = filter.split('/');
  for (const [index, level] of filterLevels.entries()) {
    // `#` matches any number of levels, none included: `a/#` matches `a`.
    if (level === '#') return true;
    if (index >= topicLevels.length) return false;
    // [MQTT-4.7.3-4]: compared as they are, nothing is normalised.
    if (level !== '+' && level !== topicLevels[index]) return false;
  }
  return topicLevels.length === filterLevels.length;
}

/** Whether `text` has more bytes than a string of MQTT may have: a prefix may make it so. */
export function isTooLong(text: string): boolean {
  // At most three bytes for each UTF-16 unit, so that short ones need no encoding.
  return text.length * 3 > stringBytesMax && new TextEncoder().encode(text).length > stringBytesMax;
}

function isTopicText(text: string): boolean {
  // [MQTT-4.7.3-1] [MQTT-4.7.3-2]; a lone surrogate (Cs) has no encoding.
  if (!/^[^\0\p{Cs}]+$/u.test(text)) return false;
  // [MQTT-4.7.3-3]
  return !isStrict || !isTooLong(text);
}
