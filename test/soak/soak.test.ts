// SPDX-License-Identifier: Apache-2.0
// A short soak: the same faults each time, as many as there are kinds of them.
import { afterAll, beforeAll, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { soak } from './soak.ts';

const FAULTS = 12;

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram(['koffi']);
});
afterAll(() => program.remove());

it(
  'no function is lost while everything outside goes and comes back',
  async () => {
    const summary = await soak({ program: program.file, seed: 1, isOver: (faults) => faults >= FAULTS });

    expect(summary.failures).toEqual([]);
    expect(Object.values(summary.faults).reduce((sum, times) => sum + times, 0)).toBe(FAULTS);
    expect(summary.losses).toBeGreaterThanOrEqual(FAULTS);
    expect(summary.frames).toBeGreaterThanOrEqual(2 * FAULTS);
  },
  FAULTS * PATIENCE_MS,
);
