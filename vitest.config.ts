// SPDX-License-Identifier: Apache-2.0
// How the tests run. The global setup compiles the core where its sources are newer than build/.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global_setup.ts'],
    testTimeout: 30_000,
  },
});
