// SPDX-License-Identifier: Apache-2.0
// What can be fuzzed, as the engine sees it: an input goes in, coverage, a trace hash and perhaps a violation come out.

/** What an execution broke: the oracle's id (O1 to O13) and one sentence. */
export interface Violation {
  readonly oracle: string;
  readonly message: string;
}

/** Something that can be fuzzed: runs one input, always from the same state. */
export interface FuzzTarget {
  readonly name: string;
  /** One byte for each point of the code or behaviour: not 0 if the last runs since clearCoverage() reached it. */
  readonly coverage: Uint8Array;
  clearCoverage(): void;
  /** Runs the input; null: nothing was wrong. Same input, same result and same trace hash. */
  run(input: Uint8Array): Violation | null;
  /** Hash of what the last run did, as far as an outside observer could see. */
  traceHash(): string;
  /** Inputs to begin with. */
  seeds(): Uint8Array[];
  /** A changed copy that knows the structure of inputs; `other` is another corpus entry to splice with. `random` gives a uint32. */
  mutate(input: Uint8Array, other: Uint8Array, random: () => number): Uint8Array;
  /** The input as lines that a person reads. */
  describe(input: Uint8Array): string[];
  /** Gives back what the target holds. */
  release?(): void;
}
