// SPDX-License-Identifier: Apache-2.0
// How the tests with a kernel of User Mode Linux run: one after the other, since what they leave is looked for.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/uml/**/*.uml.ts'],
    globalSetup: ['test/support/global_setup.ts'],
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 120_000,
  },
});
