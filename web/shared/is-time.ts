/** A date can be no further from 1970, and a page that formats another one throws. */
const timeMsMax = 8.64e15;

/** Milliseconds since 1970, as any client may have published them. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= timeMsMax;
}
