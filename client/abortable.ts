/** A promise that also rejects, with the signal's reason, when `signal` aborts. */
export async function abortable<Value>(
  signal: AbortSignal | undefined,
  start: (resolve: (value: Value) => void, reject: (error: unknown) => void) => void,
): Promise<Value> {
  signal?.throwIfAborted();
  let abort!: () => void;
  try {
    return await new Promise<Value>((resolve, reject) => {
      abort = () => reject(signal?.reason);
      signal?.addEventListener('abort', abort);
      start(resolve, reject);
    });
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
