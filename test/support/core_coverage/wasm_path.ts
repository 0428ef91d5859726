// SPDX-License-Identifier: Apache-2.0
// Stands in for src/core/wasm_path.ts in a coverage run: every build of the core is the one that tells what it passed.
import { pathToFileURL } from 'node:url';

import type { CoreBuild } from '../../../src/core/load.ts';
import { repoPath } from '../repo.ts';

/** The fuzzer needs what only its own core exports. */
export function coreUrl(build: CoreBuild = 'release'): URL {
  return pathToFileURL(repoPath(build === 'instrumented' ? 'build/nic.fuzz.wasm' : 'build/nic.coverage.wasm'));
}
