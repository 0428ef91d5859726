// SPDX-License-Identifier: Apache-2.0
// How a benchmark says how far it is.

/** Called after each step with how much is done, of how much. */
export type StepHandler = (done: number, total: number) => void;

/** Work in steps of unequal size: what is told is how much of the time is over, not how many steps are done. */
export class Steps {
  private readonly total: number;
  private readonly onStep: StepHandler;
  private done = 0;

  /** `total`: the sizes of all steps. */
  constructor(total: number, onStep: StepHandler) {
    this.total = total;
    this.onStep = onStep;
  }

  /** Does a step; a long one may say how far it is itself. */
  run<T>(size: number, work: (onPart: StepHandler) => T): T {
    const before = this.done;
    const result = work((done, total) => this.onStep(before + (size * done) / total, this.total));
    this.done += size;
    this.onStep(this.done, this.total);
    return result;
  }
}
