// SPDX-License-Identifier: Apache-2.0
// What the fuzzer drives: something that runs an input and says what it broke. The card is one target, the drivers and the
// servers are others; a program that embeds the card can bring its own.

/** What an execution broke: the oracle's id (docs/fuzzing.md, O1..O13) and one sentence. */
export interface Violation {
  readonly oracle: string;
  readonly message: string;
}

/** Something that can be fuzzed: runs one input, always from the same state. */
export interface FuzzTarget {
  readonly name: string;
  /** Runs the input; null: nothing was wrong. Same input, same result and same trace hash. */
  run(input: Uint8Array): Violation | null;
  /** As run(), with the questions that are too slow for every run; their answer says more than that of run(). */
  check(input: Uint8Array): Violation | null;
  /** Points of the code or behaviour that the runs since the last call were the first to reach. */
  collectNew(): number;
  /** Hash of what the last run did, as far as an outside observer could see. */
  traceHash(): string;
  /** Inputs to begin with. */
  seeds(): Uint8Array[];
  /**
   * A changed copy that knows the structure of inputs; `other` is another corpus entry to splice with. The bytes are good
   * until the next call.
   */
  mutate(input: Uint8Array, other: Uint8Array, random: () => number): Uint8Array;
  /** Smaller versions of an input to try, the most promising first. */
  shrink(input: Uint8Array): Iterable<Uint8Array>;
  /** The input as lines that a person reads. */
  describe(input: Uint8Array): string[];
  /** Gives up what the target holds. */
  release?(): void;
}
