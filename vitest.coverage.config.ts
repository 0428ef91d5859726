// SPDX-License-Identifier: Apache-2.0
// Line coverage of the core by the tests that ask the device: npm run coverage. They run on a core that reports what it
// passes; see test/support/core_coverage.
import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitest/config';

import { PATIENCE_MS } from './test/support/patience.ts';

export default defineConfig({
  resolve: {
    alias: [
      {
        find: /^.*\/wasm_path\.ts$/,
        replacement: fileURLToPath(new URL('test/support/core_coverage/wasm_path.ts', import.meta.url)),
      },
    ],
  },
  test: {
    include: [
      'test/conformance/**/*.test.ts',
      'test/embedding/*.test.ts',
      'test/property/*.test.ts',
      'test/timing/*.test.ts',
      'test/provisioning/*.test.ts',
      'test/iommufd/*.test.ts',
      'test/host/trace_*.test.ts',
      'test/host/bench_*.test.ts',
    ],
    // looks below the card's state, where this core keeps what it has passed
    exclude: ['test/conformance/pci/generator_state.test.ts'],
    globalSetup: ['test/support/core_coverage/report.ts'],
    setupFiles: ['test/support/core_coverage/setup.ts'],
    testTimeout: 2 * PATIENCE_MS,
    hookTimeout: 2 * PATIENCE_MS,
  },
});
