// SPDX-License-Identifier: Apache-2.0
// How the tests run. The global setup compiles the core where its sources are newer than build/.
import { defineConfig } from 'vitest/config';

import { PATIENCE_MS } from './test/support/patience.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global_setup.ts'],
    // Only what hangs is ended: no test may depend on the speed of the machine.
    testTimeout: 2 * PATIENCE_MS,
    hookTimeout: 2 * PATIENCE_MS,
  },
});
