// SPDX-License-Identifier: Apache-2.0
// How the guest tests run: one after the other, since each brings virtual machines of its own.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/guests/**/*.guest.ts'],
    globalSetup: ['test/guests/support/global_setup.ts'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
