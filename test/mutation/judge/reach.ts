// SPDX-License-Identifier: Apache-2.0
// Which test passes which mutated place, how long it takes, and how many turns of loops it makes: from one run of all tests,
// kept in build/mutation/reach.jsonl as long as core and tests are the same.
import type { TestState } from './test_file.ts';

export interface ReachedTest {
  readonly name: string;
  readonly state: TestState;
  readonly ms: number;
  readonly fuel: number;
  /** Sites, by the number of their first mutant, as bits. */
  readonly sites: string;
}

export interface ReachedFile {
  readonly file: string;
  /** Of its own code, in which modules are made anew. */
  readonly collectMs: number;
  /** Why it is no judge: what fails without any mutant. */
  readonly failed: string | undefined;
  readonly tests: readonly ReachedTest[];
}

/** Tests of a file that can see a mutant. */
export interface TestGroup {
  readonly file: string;
  readonly tests: readonly string[];
  /** What they take without a mutant. */
  readonly ms: number;
  /** Turns of loops that the hungriest of them makes. */
  readonly fuel: number;
}

export function packSites(sites: Iterable<number>, most: number): string {
  const bits = Buffer.alloc((most >> 3) + 1);
  for (const site of sites) bits[site >> 3]! |= 1 << (site & 7);
  return bits.toString('base64');
}

export class ReachMap {
  readonly #files: readonly {
    readonly file: ReachedFile;
    readonly tests: readonly { test: ReachedTest; bits: Buffer }[];
  }[];

  constructor(files: readonly ReachedFile[]) {
    this.#files = files.map((file) => ({
      file,
      tests: file.tests
        .filter(({ state }) => state === 'passed')
        .map((test) => ({ test, bits: Buffer.from(test.sites, 'base64') })),
    }));
  }

  /** Tests that pass the site, the fastest files first. */
  groupsOf(site: number): TestGroup[] {
    return this.#files
      .map(({ file: { file, collectMs }, tests }) => {
        const seeing = tests.filter(({ bits }) => ((bits[site >> 3] ?? 0) & (1 << (site & 7))) !== 0);
        return {
          file,
          tests: seeing.map(({ test }) => test.name),
          ms: seeing.reduce((sum, { test }) => sum + test.ms, collectMs),
          fuel: seeing.reduce((most, { test }) => Math.max(most, test.fuel), 0),
        };
      })
      .filter(({ tests }) => tests.length > 0)
      .sort((a, b) => a.ms - b.ms);
  }
}
