// SPDX-License-Identifier: Apache-2.0
// The baselines in C, compiled where a compiler is there.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What came out: figures of the program, null where it could not be built, and a line for people. */
export interface Baseline {
  readonly figures: unknown;
  readonly text: string;
}

/** Compiles bench/baseline/NAME.c into a folder: the program, or why there is none. */
export function compileBaseline(name: string, folder: string): { program: string } | { problem: string } {
  const program = join(folder, name);
  const source = `bench/baseline/${name}.c`;
  const built = spawnSync('gcc', ['-O2', '-std=gnu11', '-o', program, source], { encoding: 'utf8' });
  if (built.error !== undefined) return { problem: 'skipped, there is no gcc here' };
  return built.status === 0 ? { program } : { problem: `gcc failed: ${built.stderr}` };
}

export function registerDispatchBaseline(): Baseline {
  const folder = mkdtempSync(join(tmpdir(), 'virtfn-bench-'));
  try {
    const compiled = compileBaseline('register_dispatch', folder);
    if ('problem' in compiled) return { figures: null, text: `C baseline: ${compiled.problem}` };
    const run = spawnSync(compiled.program, { encoding: 'utf8' });
    const figures: unknown = JSON.parse(run.stdout);
    return { figures, text: `C baseline: ${run.stdout.trim().replaceAll(/\s+/g, ' ')}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
