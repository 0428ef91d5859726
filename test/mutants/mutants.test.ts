// SPDX-License-Identifier: Apache-2.0
// Planted bugs, which a fuzzer has to find: each is one replacement in the sources, changes the module, leaves a card that
// drivers bring up, and shows in its witness. Compiling them takes minutes and is done with VIRTFN_MUTANTS=1.
import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, it } from 'vitest';

import type { CreateOptions } from '../../src/device/nic.ts';
import { Machine } from '../../src/machine/machine.ts';
import { frame, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';
import { buildMutants, mutate, MUTANTS, ORIGINAL, type Mutant } from './build.mjs';
import { WITNESSES } from './witnesses.ts';

const FEWEST = 27;
const HALF_AN_HOUR = 1_800_000;

const numberOf = ({ id }: Pick<Mutant, 'id'>): string => id.split('-')[0]!;
const fileOf = (id: string): string => repoPath(`build/mutants/${id}.wasm`);
const named = MUTANTS.map((mutant) => [mutant.id, mutant] as const);

/** What a witness sees; a card that traps or a program that gives up is an outcome as well. */
function observe(mutant: Mutant, core: CreateOptions): string {
  try {
    return WITNESSES[numberOf(mutant)]!.run(core);
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

/** A PF and a VF under their drivers; a frame goes out of the VF and one comes in. */
function boot(mode: 'functional' | 'timed', core: CreateOptions): string {
  const machine = new Machine({ mode, totalVfs: 1 }, core);
  const sent: number[] = [];
  machine.nic.onFrame((bytes) => sent.push(bytes.length));
  const received: number[] = [];
  const driver = machine.startModern(1, { onReceive: (_bytes, _offset, length) => received.push(length) });
  driver.send(frame(STRANGER, macOf(1), 80));
  machine.settle();
  machine.nic.receiveFrame(frame(macOf(1), STRANGER, 90));
  machine.settle();
  driver.poll();
  return `out ${sent.join()}, in ${received.join()}`;
}

describe('planted bugs', () => {
  it('are enough, numbered in order, each with a witness', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(FEWEST);
    expect(MUTANTS.map(numberOf)).toEqual(MUTANTS.map((_, i) => `M${String(i + 1).padStart(2, '0')}`));
    expect(Object.keys(WITNESSES).toSorted()).toEqual(MUTANTS.map(numberOf));
  });

  it.each(named)('%s replaces a text that stands in its file once', (_, mutant) => {
    expect(mutate(mutant)).not.toBe(readRepoFile(mutant.file));
  });

  it.each(named)('%s names its oracles, and how a driver gets there', (_, { oracle, why }) => {
    expect(oracle.join(' ')).toMatch(/^O(?:[1-9]|1[0-3])(?: O(?:[1-9]|1[0-3]))*$/);
    expect(why).toMatch(/ Reach(?: \([^)]+\))?: .+\.$/);
  });

  it.each(named)('the witness of %s is content with the card', (_, mutant) => {
    expect(observe(mutant, {})).toBe(WITNESSES[numberOf(mutant)]!.right);
  });
});

describe.skipIf(process.env['VIRTFN_MUTANTS'] !== '1')('compiled', () => {
  const coreOf = (id: string): CreateOptions => ({ module: new WebAssembly.Module(readFileSync(fileOf(id))) });

  beforeAll(() => buildMutants([ORIGINAL, ...MUTANTS], { folder: repoPath('build/mutants') }), HALF_AN_HOUR);

  it.each(named)('%s differs from the core without it', (id) => {
    expect(readFileSync(fileOf(id)).equals(readFileSync(fileOf(ORIGINAL.id)))).toBe(false);
  });

  it.each(named)('%s boots', (id) => {
    for (const mode of ['functional', 'timed'] as const) expect(boot(mode, coreOf(id))).toBe('out 80, in 90');
  });

  it.each(named)('%s is seen by its witness', (id, mutant) => {
    const seen = observe(mutant, coreOf(id));
    console.log(`${id}: ${seen}`);
    expect(seen).not.toBe(WITNESSES[numberOf(mutant)]!.right);
  });
});
