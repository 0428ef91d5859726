// SPDX-License-Identifier: Apache-2.0
// Variants that a suite runs in: the card's two modes, which must not differ in behaviour, and the ways to its registers.
import { describe } from 'vitest';

import type { NicMode } from '../../../src/device/profile.ts';
import type { PathKind } from './card.ts';

const MODES: readonly NicMode[] = ['functional', 'timed'];
const PATHS: readonly PathKind[] = ['direct', 'vfio'];

/** Runs a suite once in each mode of the card. */
export function eachMode(body: (mode: NicMode) => void): void {
  describe.each(MODES)('in %s mode', (mode) => {
    body(mode);
  });
}

/** Runs a suite once for each way to the registers: the card's own port, and the regions of vfio-pci. */
export function eachPath(body: (path: PathKind) => void): void {
  describe.each(PATHS)('by %s access', (path) => {
    body(path);
  });
}

/** Runs a suite on the PF (0) and on a VF (2). */
export function eachFunction(body: (fn: number) => void): void {
  describe.each([
    ['the PF', 0],
    ['a VF', 2],
  ] as const)('of %s', (_name, fn) => {
    body(fn);
  });
}
