/**
 * Closes everything a test has opened in reverse order: node:test runs after hooks in order of registration, and a page
 * still open while its broker stops would get a 503.
 */

/** Runs steps when a test, or another program, ends. */
export interface Ends {
  after(end: () => void | Promise<void>): void;
}

type Step = () => unknown;

const stepsOf = new WeakMap<Ends, Step[]>();

/** Runs and awaits `step` when the test has ended, before the steps registered earlier. */
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
