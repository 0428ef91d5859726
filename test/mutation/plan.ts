// SPDX-License-Identifier: Apache-2.0
// Which mutants are judged, in which order, and what is known beforehand: equivalent ones, and those that must stay killed.
import { matchesGlob } from 'node:path';

import { Random } from '../../src/util/random.ts';
import type { Mutant } from './mutants.ts';

/** A mutant that no test can tell from the core. */
export interface Equivalent {
  readonly id: string;
  /** Where, and what: for the reader. */
  readonly mutant: string;
  readonly reason: string;
}

/** A kind of fault that was a blind spot once. */
export interface KilledKind {
  readonly kind: string;
  /** Mutants of it, by id, with where they are and what they do. */
  readonly mutants: Readonly<Record<string, string>>;
}

/** Throws where a list names a mutant that does not exist (any more). */
export function checkIds(list: string, ids: Iterable<string>, mutants: readonly Mutant[]): void {
  const known = new Set(mutants.map(({ id }) => id));
  const gone = [...ids].filter((id) => !known.has(id));
  if (gone.length === 0) return;
  throw new Error(
    `${list} names ${gone.join(', ')}, and no such mutant exists; the line has changed: take the entry out, or give it the id that npm run mutation -- --list shows now`,
  );
}

export interface Choice {
  readonly seed: number;
  readonly sample: number | undefined;
  readonly files: string | undefined;
  readonly ids: ReadonlySet<string> | undefined;
}

/** Mutants to be judged, in the order of the seed: a sample is the beginning of it. */
export function choose(mutants: readonly Mutant[], { seed, sample, files, ids }: Choice): Mutant[] {
  const wanted = mutants.filter(
    ({ id, file }) => (ids === undefined || ids.has(id)) && (files === undefined || isIn(file, files)),
  );
  return new Random(seed).shuffle(wanted).slice(0, sample ?? Infinity);
}

function isIn(file: string, glob: string): boolean {
  return (
    (glob.includes('*') && matchesGlob(file, glob)) ||
    file === glob ||
    file.startsWith(glob.endsWith('/') ? glob : `${glob}/`)
  );
}
