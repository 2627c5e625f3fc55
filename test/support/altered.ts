/** A token or cursor (base64url) of which one character is another one; not one of the last, whose bits may be unused. */
export const altered = (text: string): string => {
  const at = text.length - 5;
  return text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1);
};
