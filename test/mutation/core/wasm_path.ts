// SPDX-License-Identifier: Apache-2.0
// Stands in for src/core/wasm_path.ts where mutants are judged: every build of the core is the one with all mutants.
import { pathToFileURL } from 'node:url';

import type { CoreBuild } from '../../../src/core/load.ts';
import type * as replaced from '../../../src/core/wasm_path.ts';
import { oneOfNames } from '../../../src/util/options.ts';
import { repoPath } from '../../support/repo.ts';

const BUILDS: readonly CoreBuild[] = ['release', 'debug', 'instrumented'];

export const BUILD = oneOfNames(...BUILDS);

/** The fuzzer needs what only its own core exports, which has no mutants. */
export function coreUrl(build: CoreBuild = 'release'): URL {
  return pathToFileURL(repoPath(build === 'instrumented' ? 'build/nic.fuzz.wasm' : 'build/nic.mutation.wasm'));
}

// what is exported there and not here does not compile
export default { BUILD, coreUrl } satisfies typeof replaced;
