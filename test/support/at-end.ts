/**
 * What a test has opened is closed in the reverse order: node:test runs its after hooks in the order in which they were
 * made, and a page that is still open while its broker stops is answered with 503.
 */

/** What a test, or a program that is not one, does when it ends. */
export interface Ends {
  after(end: () => void | Promise<void>): void;
}

type Step = () => unknown;

const stepsOf = new WeakMap<Ends, Step[]>();

/** Runs and awaits `step` when the test has ended, before the steps that were given earlier. */
export function atEnd(test: Ends, step: Step): void {
  const known = stepsOf.get(test);
  if (known !== undefined) {
    known.push(step);
    return;
  }
  const steps = [step];
  stepsOf.set(test, steps);
  test.after(async () => {
    const faults: unknown[] = [];
    for (let next = steps.pop(); next !== undefined; next = steps.pop()) {
      try {
        await next();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length > 0) throw faults[0];
  });
}
