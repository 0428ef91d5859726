// SPDX-License-Identifier: Apache-2.0
// Runs once before the tests: the core in build/ is brought up to date, so `npm test` needs no build step before it.
// VIRTFN_PREBUILT=1 takes build/ as it is.
import { execFileSync } from 'node:child_process';

import { repoPath } from './repo.ts';

export default function setup(): void {
  if (process.env['VIRTFN_PREBUILT'] === '1') return;
  execFileSync(process.execPath, [repoPath('.ci/build.mjs'), 'core', 'fuzz'], { stdio: 'inherit' });
}
