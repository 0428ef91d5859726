// SPDX-License-Identifier: Apache-2.0
// Cases for what the card does not have. They look whether it is still so: once a feature is offered, its cases are due.
import type { Bench } from '../bench.ts';
import type { Setup } from '../bench.ts';
import type { Case } from '../case.ts';
import { Misbehaviour } from '../verdict.ts';

/** What is missing, by its name, and whether it is there after all. */
export interface Missing {
  readonly what: string;
  readonly setup: Setup;
  isOffered(bench: Bench): boolean;
}

/** A feature bit that the bad function does not offer. */
export function missingFeature(what: string, bit: number): Missing {
  return { what, setup: 'net', isOffered: ({ bad }) => bad.hasOffered(bit) };
}

/** A case that waits for the card to grow. */
export function waiting(id: string, act: string, clause: string, { what, setup, isOffered }: Missing): Case {
  return {
    id,
    act,
    clause,
    allowed: [],
    setup,
    needs: (bench) => (isOffered(bench) ? null : `${what} is not offered`),
    run: () => {
      throw new Misbehaviour(`${what} is offered, and this case was not written yet`);
    },
  };
}
