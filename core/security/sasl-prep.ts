/**
 * SASLprep (RFC 4013), the form in which user names and passwords are compared. The tables of RFC 3454 are
 * based on Unicode 3.2; here they are replaced by the properties of Unicode that Node.js has, which agree for today's
 * characters. Bidirectional text (its section 6) is not checked: that rule protects displayed text.
 */

// B.1: mapped to nothing.
const invisible = /[\u00ad\u1806\u200b-\u200d\u2060\ufeff]|\u034f|[\u180b-\u180d]|[\ufe00-\ufe0f]/gu;
// C.1.2: spaces other than ASCII's, mapped to it.
const otherSpaces = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu;
// C.2 to C.9: controls, private use, not characters, surrogates, marks of direction and format, tags.
const prohibited =
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u06dd\u070f\u180e\u2028\u2029\u200e\u200f\u202a-\u202e\u2061-\u2063\u206a-\u206f\ufff9-\ufffd\u2ff0-\u2ffb\u{e0001}\u{e0020}-\u{e007f}]|[\u0340\u0341]|[\u{1d173}-\u{1d17a}]/u;

/** Undefined for a text that may not be a user name or password. */
export function saslPrep(text: string): string | undefined {
  const mapped = text.replace(otherSpaces, ' ').replace(invisible, '');
  const prepared = mapped.normalize('NFKC');
  return prohibited.test(prepared) || prepared === '' ? undefined : prepared;
}
