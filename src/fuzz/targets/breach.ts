// SPDX-License-Identifier: Apache-2.0
// What an execution ends with when the code under attack did something that it never may.
export class Breach extends Error {
  /** Id of the oracle that saw it. */
  readonly oracle: string;
  constructor(message: string, oracle = 'O13') {
    super(message);
    this.oracle = oracle;
  }
}
