// SPDX-License-Identifier: Apache-2.0
// Types of build.mjs.

/** A planted bug of the core. */
export interface Mutant {
  /** M01-..., the name of its module. */
  readonly id: string;
  readonly class: string;
  /** Source file, from the top of the repository. */
  readonly file: string;
  /** Text that stands in the file exactly once, and what takes its place. */
  readonly find: string;
  readonly replace: string;
  /** Oracles that should name it, O1 to O13, the likeliest first. */
  readonly oracle: readonly string[];
  /** What goes wrong, and which actions of a driver reach it. */
  readonly why: string;
}

export interface BuildOptions {
  readonly outFile: string;
  /** Further arguments of asc. */
  readonly ascArguments?: readonly string[];
  /** Environment of asc. Default that of the caller. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export declare const MUTANTS: readonly Mutant[];
export declare const ORIGINAL: { readonly id: 'original' };
export declare function mutate(mutant: Mutant): string;
export declare function buildMutant(mutant: Mutant | typeof ORIGINAL, options: BuildOptions): Promise<boolean>;
export declare function buildMutants(
  mutants: readonly (Mutant | typeof ORIGINAL)[],
  options: {
    readonly folder: string;
    readonly ascArguments?: readonly string[];
    readonly onBuilt?: (mutant: Mutant | typeof ORIGINAL, isNew: boolean) => void;
  },
): Promise<void>;
