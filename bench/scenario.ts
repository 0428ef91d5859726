// SPDX-License-Identifier: Apache-2.0
// What a benchmark is, for who writes one and for who runs it.

/** A prepared scenario. */
export interface Scenario {
  /** Operations that one call does. */
  readonly operations: number;
  /** What one operation is. */
  readonly unit: string;
  readonly run: () => number;
  /** True if a result of run() is right. */
  readonly check: (result: number) => boolean;
}
