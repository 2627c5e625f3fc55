/** A token, or a grant, says something that cannot be understood: as a whole it gives nothing. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}
