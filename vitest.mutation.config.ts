// SPDX-License-Identifier: Apache-2.0
// The tests on the core with all its mutants, one of them switched on: to see by hand what `npm run mutation` judges.
//   node .ci/build.mjs mutation; VIRTFN_MUTANT=17 npx vitest run --config vitest.mutation.config.ts test/conformance
import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitest/config';

import { PATIENCE_MS } from './test/support/patience.ts';

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

export default defineConfig({
  resolve: { alias: [{ find: /^.*\/wasm_path\.ts$/, replacement: pathOf('test/mutation/core/wasm_path.ts') }] },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/mutation/core/setup.ts'],
    testTimeout: 2 * PATIENCE_MS,
    hookTimeout: 2 * PATIENCE_MS,
  },
});
