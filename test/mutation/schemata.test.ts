// SPDX-License-Identifier: Apache-2.0
// The module with all mutants does what the core does while none is switched on, and what each mutant says while it is.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readRepoFile, repoPath } from '../support/repo.ts';
import type { Mutant } from './mutants.ts';
import { mutateCore } from './schemata.ts';

const CORE = `// A core
import { START } from './abi/numbers.ts';

export function below(a: u32, b: u32): bool {
  return a < b;
}

export function sum(from: u32, to: u32): u32 {
  let total: u32;
  total = START;
  for (let at = from; at < to; at++) {
    if (at == 3) continue;
    total += at;
  }
  return total;
}

export function keep(value: u32): u32 {
  store<u32>(64, 0);
  store<u32>(64, value);
  return load<u32>(64);
}
`;

type Core = Record<'below' | 'sum' | 'keep', (...numbers: number[]) => number>;

const folder = mkdtempSync(join(tmpdir(), 'virtfn-schemata-'));
const active = new WebAssembly.Global({ value: 'i32', mutable: true }, 0);
const fuel = new WebAssembly.Global({ value: 'i32', mutable: true }, 1000);
const passed: number[] = [];
let mutants: readonly Mutant[];
let core: Core;

beforeAll(() => {
  const put = (name: string, text: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  put('source/index.ts', CORE);
  put('source/abi/numbers.ts', 'export const START = 10;\n');
  for (const file of ['fuzz/mutation.ts', 'abi/fuzz_memory.ts'])
    put(`source/${file}`, readRepoFile(`assembly/${file}`));
  const mutated = mutateCore(join(folder, 'source'));
  for (const [name, text] of mutated.texts) put(`assembly/${name}`, text);
  mutants = mutated.mutants;
  const asc = repoPath('node_modules/assemblyscript/bin/asc.js');
  const options = ['--runtime', 'stub', '--importMemory', '-O', '--noAssert', '--use', 'abort='];
  execFileSync(process.execPath, [asc, 'assembly/index.ts', ...options, '--outFile', 'core.wasm'], { cwd: folder });
  const memory = new WebAssembly.Memory({ initial: 16 });
  const imports = {
    env: { memory },
    mutation: { ACTIVE: active, FUEL: fuel, passed: (site: number) => passed.push(site) },
  };
  const module = new WebAssembly.Module(readFileSync(join(folder, 'core.wasm')));
  core = new WebAssembly.Instance(module, imports).exports as Core;
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What `call` gives while the mutant is switched on. */
function meet<T>(text: string, replacement: string, call: () => T): T {
  const found = mutants.filter((mutant) => mutant.text === text && mutant.replacement === replacement);
  expect(found).toHaveLength(1);
  active.value = found[0]!.number;
  try {
    return call();
  } finally {
    active.value = 0;
    fuel.value = 1000;
  }
}

describe('a module with all mutants', () => {
  it('is the core while none is switched on', () => {
    expect([core.below(1, 2), core.below(2, 2), core.sum(0, 5), core.keep(7)]).toEqual([1, 0, 10 + 0 + 1 + 2 + 4, 7]);
  });

  it('compares as the mutant does', () => {
    expect(meet('a < b', 'a <= b', () => [core.below(1, 2), core.below(2, 2), core.below(3, 2)])).toEqual([1, 1, 0]);
    expect(meet('a < b', 'a >= b', () => [core.below(1, 2), core.below(2, 2), core.below(3, 2)])).toEqual([0, 1, 1]);
  });

  it('moves a constant, leaves a guard and a statement out, returns at once', () => {
    expect(meet('START', 'START + 1', () => core.sum(0, 5))).toBe(18);
    expect(meet('if (at == 3) continue;', '', () => core.sum(0, 5))).toBe(20);
    expect(meet('total += at;', '', () => core.sum(0, 5))).toBe(10);
    expect(meet('total += at;', 'total -= at;', () => core.sum(0, 5))).toBe(3);
    expect(meet('total = START;', '', () => core.sum(0, 5))).toBe(7);
    expect(meet('sum', 'return 0;', () => core.sum(0, 5))).toBe(0);
    expect(meet('store<u32>(64, value);', '', () => core.keep(7))).toBe(0);
  });

  it('ends a mutant without end when its fuel is used up', () => {
    expect(() => meet('at < to', 'at >= to', () => core.sum(5, 0))).toThrow(WebAssembly.RuntimeError);
  });

  it('reports each site once each time it is asked to, and changes nothing', () => {
    const ofBelow = [...new Set(mutants.filter((mutant) => mutant.function === 'below').map(({ site }) => site))];
    for (const asked of [-1, -2]) {
      active.value = asked;
      passed.length = 0;

      expect([core.below(1, 2), core.below(2, 2)]).toEqual([1, 0]);
      expect(passed.toSorted((a, b) => a - b)).toEqual(ofBelow);
    }
    active.value = 0;
  });
});
