// SPDX-License-Identifier: Apache-2.0
// Random sequences of all lifecycle operations on one card, against a reference of its own: the same answers, the same
// calls asleep, the same states, and nothing left over when all is taken down. VIRTFN_LIFECYCLE_SEQUENCES sets how many.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { LifecycleWorld } from './support/lifecycle_world.ts';
import { allCommands, SIZES } from './support/lifecycle_commands.ts';
import { FunctionReference } from './support/function_reference.ts';

const SEQUENCES = Number(process.env['VIRTFN_LIFECYCLE_SEQUENCES'] ?? 500);

describe('random sequences of lifecycle operations', () => {
  it(
    `${SEQUENCES} of them: answers, states and leaks`,
    () => {
      let world: LifecycleWorld | null = null;
      let operations = 0;
      fc.assert(
        fc.property(fc.commands(allCommands(), { maxCommands: 40, size: 'max' }), (commands) => {
          const real = (world ??= new LifecycleWorld(SIZES));
          try {
            fc.modelRun(() => ({ model: new FunctionReference(SIZES), real }), commands);
            operations += real.operations;
            real.takeDown();
          } catch (error) {
            world = null; // what failed may have left anything behind
            throw error;
          }
        }),
        { numRuns: SEQUENCES },
      );
      expect(operations).toBeGreaterThan(SEQUENCES);
    },
    60_000 + SEQUENCES * 50,
  );
});
