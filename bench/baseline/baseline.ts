// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the C baseline of register dispatch where a compiler is there.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCE = 'bench/baseline/register_dispatch.c';

/** What came out: figures of the program, null where it could not be built, and a line for people. */
export interface Baseline {
  readonly figures: unknown;
  readonly text: string;
}

export function registerDispatchBaseline(): Baseline {
  const folder = mkdtempSync(join(tmpdir(), 'virtfn-bench-'));
  try {
    const program = join(folder, 'register_dispatch');
    const built = spawnSync('gcc', ['-O2', '-std=c11', '-o', program, SOURCE], { encoding: 'utf8' });
    if (built.error !== undefined) return { figures: null, text: 'C baseline: skipped, there is no gcc here' };
    if (built.status !== 0) return { figures: null, text: `C baseline: gcc failed: ${built.stderr}` };
    const run = spawnSync(program, { encoding: 'utf8' });
    const figures: unknown = JSON.parse(run.stdout);
    return { figures, text: `C baseline: ${run.stdout.trim().replaceAll(/\s+/g, ' ')}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
