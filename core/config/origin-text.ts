/**
 * Origins of web pages as text. Two are equal if scheme, host and port are (RFC 6454, 4 and 5), regardless of case and of
 * a default port.
 */

// Scheme, host and port, and nothing else.
const originForm = /^[a-z][a-z\d+.-]*:\/\/[^/?#@\\\s]+$/i;

/** The canonical text of an origin, as browsers send it; undefined if `text` is not an origin. */
export function serialisedOrigin(text: string): string | undefined {
  if (!originForm.test(text) || !URL.canParse(text)) return undefined;
  const { origin } = new URL(text);
  return origin === 'null' ? undefined : origin; // pages of such a scheme have no origin
}
