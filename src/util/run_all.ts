// SPDX-License-Identifier: Apache-2.0
// Steps that clean up: one that fails does not keep the others from being done.

/** Does every step, in order; throws the first error at the end. */
export function runAll(...steps: readonly (() => void)[]): void {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
