/** Something that whoever runs the suite can put right: the message says what to do. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
