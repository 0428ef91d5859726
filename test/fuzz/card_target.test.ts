// SPDX-License-Identifier: Apache-2.0
// The card's targets: seeds and mutations of them find nothing, the same input does the same, the card is put back, and what
// the oracles say of a card with a planted fault is what was planted.
import { describe, expect, it } from 'vitest';

import { CardTarget, CARD_TARGETS } from '../../src/fuzz/card_target.ts';
import { Fuzzer, minimise } from '../../src/fuzz/engine.ts';
import { decodeProgram, encodeProgram, OP_BYTES, type OperationFields } from '../../src/fuzz/program.ts';
import type { FuzzTarget } from '../../src/fuzz/target.ts';
import { Random } from '../../src/util/random.ts';
import { fuzzLoop } from './support/loop.ts';

/** More for a long search: VIRTFN_FUZZ_EXECUTIONS=1000000. */
const EXECUTIONS = Number(process.env['VIRTFN_FUZZ_EXECUTIONS'] ?? 4000);

describe.each(CARD_TARGETS)('target %s', (name) => {
  it('finds nothing in its seeds, and nothing in what becomes of them', () => {
    const { finding, points } = fuzzLoop(new CardTarget(name), 7, EXECUTIONS);

    expect(finding).toEqual([]);
    expect(points).toBeGreaterThan(name === 'regs' ? 300 : 1200);
  });

  it('does the same with the same input, whatever was run before', () => {
    const target = new CardTarget(name);
    const { corpus } = fuzzLoop(target, 3, 500);
    const hashOf = (one: FuzzTarget, input: Uint8Array): string => {
      one.run(input);
      return one.traceHash();
    };

    const first = corpus.map((input) => hashOf(target, input));
    const fresh = new CardTarget(name);
    const again = corpus.toReversed().map((input) => hashOf(fresh, input));

    expect(again.toReversed()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(corpus.length / 4);
  });

  it('takes any bytes as an input', () => {
    const target = new CardTarget(name);
    const random = new Random(99);
    const inputs = Array.from({ length: 150 }, (_, i) => Uint8Array.from({ length: 5 * i }, () => random.below(256)));

    expect(inputs.map((input) => target.check(input))).toEqual(inputs.map(() => null));
  });
});

// What hardware does as well, and the oracles have to know.
describe('a good card is not blamed', () => {
  const CONFIG = { fn: 0, a: 0 } as const;
  it.each<[why: string, target: string, operations: OperationFields[]]>([
    [
      'for ARI Capable Hierarchy, which an FLR leaves (PCIe 6.0 §9.3.3.3.5)',
      'regs',
      [{ name: 'configWrite', ...CONFIG, offset: 0x148, value: 0x19 }],
    ],
    [
      'for VFs that go when the PF comes back from D3hot (§5.3.1.4)',
      'regs',
      [
        { name: 'configWrite', ...CONFIG, offset: 0x44, value: 3 },
        { name: 'configWrite', ...CONFIG, offset: 0x44, value: 0 },
      ],
    ],
    [
      'for waiting for a completion that is lost, with Completion Timeout Disable (§2.8)',
      'rings',
      [
        { name: 'configWrite', ...CONFIG, offset: 0x7c, value: 0x10 },
        { name: 'readFault', a: 2, b: 1 },
        { name: 'transmit', fn: 0, a: 1, offset: 60 },
      ],
    ],
  ])('%s', (_, target, operations) => {
    const subject = new CardTarget(target as 'regs');

    expect(subject.check(encodeProgram(operations))).toBeNull();
    expect(subject.check(encodeProgram(operations, true))).toBeNull();
  });
});

describe('programs', () => {
  it('are what they were after encoding and decoding', () => {
    const operations: OperationFields[] = [
      { name: 'mmioWrite', fn: 2, a: 1, b: 2, offset: 0x16, value: 3 },
      { name: 'transmit', fn: 255, a: 255, b: 255, offset: 0xffffffff, value: 0xffffffff, value2: 0xffffffff },
    ];

    const { isTimed, operations: decoded } = decodeProgram(encodeProgram(operations, true));

    expect(isTimed).toBe(true);
    expect(decoded).toMatchObject(operations);
  });

  it('are described in words, one line for each operation', () => {
    const target = new CardTarget('regs');
    const input = encodeProgram([
      { name: 'mmioWrite', fn: 1, a: 0, b: 2, offset: 0x14, value: 0 },
      { name: 'descriptor', fn: 0, b: 3, a: 2, offset: 0x80000002, value: 16, value2: 2 },
    ]);

    expect(target.describe(input)).toEqual([
      'mode functional',
      'VF 1: write 1 of device_status = 0x0',
      'PF: admin descriptor 2 = the virtio BAR, 16 bytes, WRITE, next 0',
    ]);
  });
});

describe('the engine', () => {
  /** Breaks its rule where an input has the operations a and b, in this order. */
  function picky(): FuzzTarget {
    const seen = new Set<string>();
    let fresh = 0;
    const names = (input: Uint8Array): string[] => decodeProgram(input).operations.map(({ name }) => name);
    const card = new CardTarget('regs');
    return {
      name: 'picky',
      traceHash: () => '',
      seeds: () => card.seeds(),
      describe: names,
      mutate: (input, other, random) => card.mutate(input, other, random),
      shrink: (input) => card.shrink(input),
      collectNew: () => {
        const found = fresh;
        fresh = 0;
        return found;
      },
      run(input) {
        const all = names(input);
        for (const name of all) if (!seen.has(name)) fresh += seen.add(name).size > 0 ? 1 : 0;
        const at = all.indexOf('flr');
        const isBroken = at >= 0 && all.indexOf('vfEnable', at) > at;
        return isBroken ? { oracle: 'O1', message: `reset ${at} before VF Enable` } : null;
      },
      check(input) {
        return this.run(input);
      },
    };
  }

  it('finds a rule that two operations break, once, and makes the input as small as it goes', () => {
    const target = picky();
    const fuzzer = new Fuzzer(target, { seed: 1 });

    for (let batch = 0; batch < 20; batch++) fuzzer.step();

    expect(fuzzer.findings.map(({ oracle }) => oracle)).toEqual(['O1']);
    const small = minimise(target, fuzzer.findings[0]!.input, 'O1');
    expect(target.describe(small)).toEqual(['flr', 'vfEnable']);
    expect(small.subarray(OP_BYTES).filter((byte) => byte !== 0)).toHaveLength(2);
  });

  it('gives the same inputs in the same order for the same seed', () => {
    const digests = [5, 5, 6].map((seed) => {
      const fuzzer = new Fuzzer(new CardTarget('rings'), { seed });
      for (let batch = 0; batch < 4; batch++) fuzzer.step();
      return fuzzer.corpus.map((input) => Buffer.from(input).toString('hex')).join(' ');
    });

    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
  });
});

// inputs that broke a rule, as they were made small
describe('an input that was a finding', () => {
  it.each([
    [
      'CARD-08 buffers come that a frame in work still has',
      'rings',
      '000000000000000000000000000000000e0007000000000000000000000000000e000700000000000000004000000000110000000000000000000000000000000e00070000000000000000400000000011000000dc0500000000000000000000',
    ],
    [
      'a VF is reset that the PF took away on its way out of D3hot',
      'admin',
      '00000000000000000000000000000000010000004400000017000000000000000100000044000000000000000000000012010000000000000000000000000000',
    ],
  ] as const)('%s', (_, target, input) => {
    expect(new CardTarget(target).check(Buffer.from(input, 'hex'))).toBeNull();
  });
});
