// SPDX-License-Identifier: Apache-2.0
// Every case of the corpus as a test of its own, by one path, in both modes, on the build of the core with asserts.
import { describe, expect, it } from 'vitest';

import { GROUPS } from '../../../src/villain/cases/corpus.ts';
import type { PathDriver } from '../../../src/villain/path.ts';
import { runCase } from '../../../src/villain/runner.ts';

export function corpusSuite(driver: PathDriver): void {
  describe.each(['timed', 'functional'] as const)(`${driver.name}, %s`, (mode) => {
    describe.each(GROUPS)('$letter $title', ({ cases }) => {
      it.each(cases.map((one) => [`${one.id} a driver ${one.act}`, one] as const))('%s', (_title, one) => {
        const { verdict, detail } = runCase(one, driver, { mode, build: 'debug' });

        expect({ verdict, detail }).toEqual({ verdict: expect.stringMatching(/^(PASS|REJECT|SKIP)$/), detail });
      });
    });
  });
}
