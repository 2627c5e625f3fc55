/** Timers that may be longer than setTimeout's 24.8 days, and never keep the process alive. */

export interface Timer {
  cancel(): void;
}

/** The source of the session directory's timers; tests bring their own. */
export interface Clock {
  /** A monotonic time of any origin. */
  nowMs(): number;
  after(ms: number, action: () => void): Timer;
}

const timeoutMsMax = 2_147_483_647;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(ms, action) {
    let timeout: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, timeoutMsMax);
      timeout = setTimeout(() => (leftMs > stepMs ? wait(leftMs - stepMs) : action()), stepMs);
      timeout.unref();
    };
    wait(ms);
    return { cancel: () => clearTimeout(timeout) };
  },
};
