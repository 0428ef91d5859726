// SPDX-License-Identifier: Apache-2.0
// Plans: known before they are executed, executed as a whole or not at all; and the accounts of the vector pool, kept by a
// model beside any sequence of provisioning, enabling and disabling.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createNic, type Nic } from '../../src/device/nic.ts';
import { Machine } from '../../src/machine/machine.ts';
import { readProvisionFile } from '../../src/provisioning/file.ts';
import { executePlan, machineTarget, makePlan, planText, type ProvisionTarget } from '../../src/provisioning/plan.ts';
import { FileProblems } from '../../src/util/problems.ts';

const VFS = 6;

function machine(options = {}): Machine {
  return new Machine({ mode: 'functional', totalVfs: VFS, onDemandFunctions: 2, numVfs: 0, ...options });
}

const planFor = (target: ProvisionTarget, file: object) =>
  makePlan(target, readProvisionFile(JSON.stringify(file), target.nic.config));

const everything = (nic: Nic): unknown =>
  Array.from({ length: nic.functions() }, (_, fn) => [nic.provisioned(fn), nic.isPresent(fn)]);

describe('a plan', () => {
  it('is what has to change, and nothing changes by making it', () => {
    const target = machineTarget(machine());
    const { nic } = target;
    const before = nic.digest();

    const plan = planFor(target, {
      functions: [{ vfs: '1-3', mtu: 1400 }, { vf: 4 }, { vf: 5, vectors: 3 }, { onDemand: 1, vlan: 3 }],
      numVfs: 4,
    });

    expect(nic.digest()).toBe(before);
    expect(planText(plan, nic)).toEqual([
      'VF 5: vectors 4 -> 3',
      'VF 1 to VF 3: mtu 1500 -> 1400',
      'function on demand 1: vlan 0 -> 3',
      'enable 4 VFs',
    ]);
    executePlan(target, plan);
    expect(nic.provisioned(2).mtu).toBe(1400);
    expect(target.numVfs()).toBe(4);
    expect(planFor(target, { functions: [{ vfs: '1-3', mtu: 1400 }] })).toEqual([]);
  });

  it('takes VFs away for what cannot change while they are there, and leaves them for vectors', () => {
    const bench = machine({ numVfs: 4 });
    const target = machineTarget(bench);

    expect(planText(planFor(target, { functions: [{ vf: 2, mtu: 1400 }] }), bench.nic)).toEqual([
      'disable 4 VFs',
      'VF 2: mtu 1500 -> 1400',
      'enable 4 VFs',
    ]);
    expect(planText(planFor(target, { functions: [{ vf: 2, vectors: 3 }] }), bench.nic)).toHaveLength(1);
    expect(planText(planFor(target, { functions: [{ vf: 5, mtu: 1400 }] }), bench.nic)).toHaveLength(1);
    expect(planText(planFor(target, { numVfs: 0 }), bench.nic)).toEqual(['disable 4 VFs']);
  });

  it('lets VFs give vectors back before others take them', () => {
    const bench = machine({ vfVectors: 4, vfVectorPool: 4 * VFS });
    const target = machineTarget(bench);

    executePlan(
      target,
      planFor(target, {
        functions: [
          { vf: 1, vectors: 8 },
          { vfs: '2-3', vectors: 2 },
        ],
      }),
    );

    expect([1, 2, 3].map((vf) => bench.nic.provisioned(vf).vectors)).toEqual([8, 2, 2]);
    expect(bench.nic.vfVectorsInUse()).toBe(4 * VFS);
  });

  it('is not made for what the card does not have; every reason is given and nothing changes', () => {
    const bench = machine({ numVfs: 2 });
    const target = machineTarget(bench);
    const before = bench.nic.digest();

    let paths: string[] = [];
    try {
      planFor(target, {
        functions: [
          { vf: 1, vectors: 32 },
          { vf: 2, mac: '02:76:66:00:00:05' },
          { vf: 3, mac: '02:76:66:00:00:00' },
        ],
      });
    } catch (error) {
      if (error instanceof FileProblems) paths = error.problems.map(({ path }) => path);
    }

    expect(paths.sort()).toEqual(['/functions', '/functions/1/mac', '/functions/2/mac']);
    expect(bench.nic.digest()).toBe(before);
  });

  it('never takes a VF from its driver, nor changes a function on demand that is there', () => {
    const bench = machine({ numVfs: 3 });
    const target = machineTarget(bench);
    bench.startModern(2);
    bench.nic.createFunction(VFS + 1, 1);
    const before = bench.nic.digest();
    const busy = expect.objectContaining({ code: 'EBUSY' }) as unknown;

    expect(() => planFor(target, { functions: [{ vf: 1, mtu: 1400 }] })).toThrow(busy);
    expect(() => planFor(target, { numVfs: 5 })).toThrow(busy);
    expect(() => planFor(target, { functions: [{ onDemand: 1, mtu: 1400 }] })).toThrow(busy);
    expect(bench.nic.digest()).toBe(before);
  });

  it('is taken back when a step fails, the card is as before', () => {
    const bench = machine({ numVfs: 4 });
    const target = machineTarget(bench);
    bench.startModern(3); // its vectors are in use
    const before = [everything(bench.nic), bench.nic.digest()];
    const plan = planFor(target, {
      functions: [
        { vfs: '1-4', vectors: 2 },
        { vf: 6, vlan: 9 },
      ],
    });

    expect(() => executePlan(target, plan)).toThrow(expect.objectContaining({ code: 'EBUSY' }));

    expect(everything(bench.nic)).toEqual(before[0]);
    expect(bench.nic.vfVectorsInUse()).toBe(4 * VFS);
  });

  it('is taken back when the VFs cannot be enabled', () => {
    const bench = machine({ numVfs: 4 });
    const inner = machineTarget(bench);
    let isBroken = true;
    const target: ProvisionTarget = {
      ...inner,
      setNumVfs(count) {
        if (count === 5 && isBroken) throw new Error('no room on the bus');
        inner.setNumVfs(count);
      },
    };
    const before = everything(bench.nic);
    const file = {
      functions: [
        { vfs: '1-6', mtu: 2000 },
        { onDemand: 2, trust: false },
      ],
      numVfs: 5,
    };

    expect(() => executePlan(target, planFor(target, file))).toThrow('no room on the bus');
    expect(everything(bench.nic)).toEqual(before);
    isBroken = false;
    executePlan(target, planFor(target, file));
    expect(everything(bench.nic)).not.toEqual(before);
  });

  it('is executed by every file to the same end, whatever was before', () => {
    const profile = fc.record(
      { mtu: fc.constantFrom(1000, 2000), vectors: fc.integer({ min: 2, max: 6 }), vlan: fc.nat(2) },
      { requiredKeys: [] },
    );
    const file = fc.record({
      functions: fc.array(fc.tuple(fc.integer({ min: 1, max: VFS }), profile)),
      numVfs: fc.nat(VFS),
    });
    fc.assert(
      fc.property(fc.array(file, { maxLength: 4 }), file, (earlier, last) => {
        const apply = (target: ProvisionTarget, { functions, numVfs }: typeof last): boolean => {
          const entries = [...new Map(functions)].map(([vf, fields]) => ({ vf, ...fields }));
          try {
            executePlan(target, planFor(target, { functions: entries, numVfs }));
            return true;
          } catch (error) {
            expect(error).toBeInstanceOf(FileProblems); // the pool alone can say no
            return false;
          }
        };
        const used = machineTarget(machine());
        for (const each of earlier) {
          const before = everything(used.nic);
          if (!apply(used, each)) expect(everything(used.nic)).toEqual(before);
        }
        const wanted = new Map(last.functions);
        if (!apply(used, last)) return;
        expect(used.numVfs()).toBe(last.numVfs);
        for (const [vf, fields] of wanted) {
          expect(used.nic.provisioned(vf)).toEqual(createNic({ totalVfs: VFS }).completeProfile(vf, fields));
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the pool of vectors', () => {
  interface Model {
    vectors: number[];
    vlans: number[];
    numVfs: number;
  }
  /** Takes a step; returns the error that came of it, and the one that should have. */
  type Step = (nic: Nic, model: Model) => readonly [got: string, expected: string];
  const NO_ERRORS = ['', ''] as const;
  const POOL = 20;
  const SRIOV = 0x140;
  const vfOf = fc.integer({ min: 1, max: VFS });
  const sumOf = (vectors: readonly number[]): number => vectors.reduce((all, each) => all + each, 0);
  const steps: fc.Arbitrary<Step> = fc.oneof(
    fc
      .tuple(vfOf, fc.integer({ min: 2, max: 9 }), fc.constantFrom(0, 3))
      .map(([vf, vectors, vlan]): Step => (nic, model) => {
        const isFixed = vf <= model.numVfs && model.vlans[vf - 1] !== vlan;
        const sum = sumOf(model.vectors) - model.vectors[vf - 1]! + vectors;
        const expected = isFixed ? 'EBUSY' : sum > POOL ? 'ENOSPC' : '';
        let got = '';
        try {
          nic.provision(vf, { vectors, vlan });
        } catch (error) {
          got = (error as { code: string }).code;
        }
        if (expected === '') {
          model.vectors[vf - 1] = vectors;
          model.vlans[vf - 1] = vlan;
        }
        return [got, expected];
      }),
    fc.nat(VFS).map((count): Step => (nic, model) => {
      nic.configWrite(0, SRIOV + 0x08, 2, 0);
      nic.configWrite(0, SRIOV + 0x10, 2, count);
      if (count > 0) nic.configWrite(0, SRIOV + 0x08, 2, 0x9);
      model.numVfs = count;
      return NO_ERRORS;
    }),
    fc.constant<Step>((nic, model) => {
      nic.configWrite(0, 0x5c, 2, 0x8000); // function level reset of the PF
      model.numVfs = 0;
      return NO_ERRORS;
    }),
    fc.constant<Step>((nic) => {
      nic.restore(nic.snapshot());
      return NO_ERRORS;
    }),
  );

  it('is accounted for exactly, and each VF that is there has the table that it was given', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 40 }), (sequence) => {
        const nic = createNic({
          mode: 'functional',
          totalVfs: VFS,
          vfVectors: 3,
          vfVectorPool: POOL,
          windowBytes: 4096,
        });
        const model: Model = {
          vectors: Array.from({ length: VFS }, () => 3),
          vlans: Array.from({ length: VFS }, () => 0),
          numVfs: 0,
        };
        for (const step of sequence) {
          const [got, expected] = step(nic, model);
          expect(got).toBe(expected);
          expect(nic.vfVectorsInUse()).toBe(sumOf(model.vectors));
          for (let vf = 1; vf <= VFS; vf++) {
            expect(nic.provisioned(vf).vectors).toBe(model.vectors[vf - 1]);
            expect(nic.isPresent(vf)).toBe(vf <= model.numVfs);
            if (vf <= model.numVfs) expect((nic.configRead(vf, 0x4a, 2) & 0x7ff) + 1).toBe(model.vectors[vf - 1]);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('1,024 VFs', () => {
  it('are planned, provisioned and enabled as their file says', () => {
    const bench = machine({ totalVfs: 1024, onDemandFunctions: 0 });
    const target = machineTarget(bench);
    const functions = Array.from({ length: 1024 }, (_, i) => ({ vf: i + 1, mtu: 1000 + i, vlan: 1 + (i % 4000) }));

    executePlan(target, planFor(target, { functions, numVfs: 1024 }));

    for (const vf of [1, 2, 511, 1024]) {
      expect(bench.nic.read(vf, 2, 0x200a, 2)).toBe(999 + vf);
      expect(bench.nic.configRead(vf, 0x2c, 2)).toBe(0x1af4);
    }
  });
});
