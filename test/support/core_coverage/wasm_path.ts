// SPDX-License-Identifier: Apache-2.0
// Stands in for src/core/wasm_path.ts in a coverage run: every build of the core is the one that tells what it passed.
import { pathToFileURL } from 'node:url';

import type { CoreBuild } from '../../../src/core/load.ts';
import type * as replaced from '../../../src/core/wasm_path.ts';
import { oneOfNames } from '../../../src/util/options.ts';
import { repoPath } from '../repo.ts';

const BUILDS: readonly CoreBuild[] = ['release', 'debug', 'instrumented'];

export const BUILD = oneOfNames(...BUILDS);

/** The fuzzer needs what only its own core exports. */
export function coreUrl(build: CoreBuild = 'release'): URL {
  return pathToFileURL(repoPath(build === 'instrumented' ? 'build/nic.fuzz.wasm' : 'build/nic.coverage.wasm'));
}

// what is exported there and not here does not compile
export default { BUILD, coreUrl } satisfies typeof replaced;
