/** An error that the person who runs the suite can fix: the message says how. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
