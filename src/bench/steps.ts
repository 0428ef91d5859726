// SPDX-License-Identifier: Apache-2.0
// How a benchmark says how far it is.

/** Called after each step with how many are done, of how many. */
export type StepHandler = (done: number, total: number) => void;
