/**
 * A promise that also rejects, with the signal's reason, when `signal` aborts. The function that `start` returns is
 * called when the promise has settled, whatever the outcome.
 */
export async function abortable<Value>(
  signal: AbortSignal | undefined,
  start: (resolve: (value: Value) => void, reject: (error: unknown) => void) => (() => void) | undefined,
): Promise<Value> {
  signal?.throwIfAborted();
  let abort!: () => void;
  let end: (() => void) | undefined;
  try {
    return await new Promise<Value>((resolve, reject) => {
      abort = () => reject(signal?.reason);
      signal?.addEventListener('abort', abort);
      end = start(resolve, reject);
    });
  } finally {
    signal?.removeEventListener('abort', abort);
    end?.();
  }
}
