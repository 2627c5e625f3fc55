/** A token or grant contains something that cannot be understood, which makes all of it invalid. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}
