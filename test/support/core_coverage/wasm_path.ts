// SPDX-License-Identifier: Apache-2.0
// Stands in for src/core/wasm_path.ts in a coverage run: every build of the core is the one that tells what it passed.
import { pathToFileURL } from 'node:url';

import { repoPath } from '../repo.ts';

const COVERAGE_CORE_URL = pathToFileURL(repoPath('build/nic.coverage.wasm'));

export const RELEASE_CORE_URL: URL = COVERAGE_CORE_URL;
export const DEBUG_CORE_URL: URL = COVERAGE_CORE_URL;
/** The fuzzer needs what only its own core exports. */
export const INSTRUMENTED_CORE_URL: URL = pathToFileURL(repoPath('build/nic.fuzz.wasm'));
