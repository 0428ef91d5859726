// SPDX-License-Identifier: Apache-2.0
// The card against the reference model: random register accesses, legal and not, in random order. Every read has to be
// what the model allows, and so has every message.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Block, ConfigRegister } from '../../src/reference/function.ts';
import { Lockstep, type LockstepOptions } from './support/lockstep.ts';

/** More runs for a long search: VIRTFN_REFERENCE_RUNS=20000. */
const RUNS = process.env.VIRTFN_REFERENCE_RUNS;

type Step =
  | { readonly kind: 'read'; readonly block: Block; readonly offset: number; readonly size: 1 | 2 | 4 }
  | {
      readonly kind: 'write';
      readonly block: Block;
      readonly offset: number;
      readonly size: 1 | 2 | 4;
      readonly value: number;
    }
  | { readonly kind: 'config'; readonly register: ConfigRegister; readonly value: number }
  | { readonly kind: 'link'; readonly isUp: boolean }
  | { readonly kind: 'settle' }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'interrupts'; readonly vector: number; readonly isMasked: boolean }
  | { readonly kind: 'kick'; readonly queue: number }
  | { readonly kind: 'negotiate'; readonly low: number; readonly high: number; readonly isRunning: boolean }
  | {
      readonly kind: 'queue';
      readonly queue: number;
      readonly size: number;
      readonly vector: number;
      /** Address register, and what is added to it. */
      readonly misaligned: readonly [number, number];
      /** A write behind queue_enable. */
      readonly after: readonly [number, number];
    };

const size = fc.constantFrom(1 as const, 2 as const, 4 as const);
const value = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 7, 0xb, 0xf, 0x10, 0x80, 0x100, 0xff, 0xffff, 0x8000, 0xffff_ffff, 0x1000, 0x1_0001),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const align = (offset: number, bytes: number): number => offset - (offset % bytes);

/** Offsets of fields, with their natural widths: most drivers' accesses. */
const NATURAL: readonly (readonly [number, 1 | 2 | 4])[] = [
  [0, 4], [4, 4], [8, 4], [12, 4], [16, 2], [18, 2], [20, 1], [21, 1], [22, 2], [24, 2], [26, 2], [28, 2], [30, 2],
  [32, 4], [36, 4], [40, 4], [44, 4], [48, 4], [52, 4], [56, 2], [58, 2], [60, 2], [62, 2],
]; // prettier-ignore

const place: fc.Arbitrary<{ block: Block; offset: number; size: 1 | 2 | 4 }> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(...NATURAL)
      .map(([offset, bytes]) => ({ block: 'common' as const, offset, size: bytes })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat({ max: 0x47 }), size)
      .map(([at, bytes]) => ({ block: 'common' as const, offset: align(at, bytes), size: bytes })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat({ max: 0x1f }), size)
      .map(([at, bytes]) => ({ block: 'device' as const, offset: align(at, bytes), size: bytes })),
  },
  { weight: 1, arbitrary: size.map((bytes) => ({ block: 'isr' as const, offset: 0, size: bytes })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat({ max: 0x90 }), fc.oneof({ weight: 4, arbitrary: fc.constant(4 as const) }, size))
      .map(([at, bytes]) => ({ block: 'msix-table' as const, offset: align(at, bytes), size: bytes })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat({ max: 7 }), size)
      .map(([at, bytes]) => ({ block: 'msix-pba' as const, offset: align(at, bytes), size: bytes })),
  },
);

function step(isPf: boolean): fc.Arbitrary<Step> {
  const config = fc.oneof(
    fc.constantFrom(0x0002, 0x0006, 0x0006, 0x0000).map((bits) => ({ register: 'command' as const, value: bits })),
    fc.constantFrom(0, 0x8000, 0xc000, 0x4000).map((bits) => ({ register: 'msix-control' as const, value: bits })),
    fc.constantFrom(0x2810, 0xa810).map((bits) => ({ register: 'device-control' as const, value: bits })),
    ...(isPf ? [] : [fc.constantFrom(9, 9, 1, 0).map((bits) => ({ register: 'sriov-control' as const, value: bits }))]),
  );
  return fc.oneof(
    { weight: 12, arbitrary: place.map((at) => ({ kind: 'read' as const, ...at })) },
    {
      weight: 12,
      arbitrary: fc
        .tuple(place, value)
        .map(([at, bits]) => ({ kind: 'write' as const, ...at, value: (bits & (2 ** (8 * at.size) - 1)) >>> 0 })),
    },
    { weight: 2, arbitrary: config.map((what) => ({ kind: 'config' as const, ...what })) },
    { weight: 3, arbitrary: fc.boolean().map((isUp) => ({ kind: 'link' as const, isUp })) },
    { weight: 1, arbitrary: fc.constant({ kind: 'settle' as const }) },
    { weight: 4, arbitrary: fc.constant({ kind: 'sweep' as const }) },
    {
      weight: 2,
      arbitrary: fc.constant({ kind: 'read' as const, block: 'isr' as const, offset: 0, size: 1 as const }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'reset' as const }) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.nat({ max: 4 }), fc.boolean())
        .map(([vector, isMasked]) => ({ kind: 'interrupts' as const, vector, isMasked })),
    },
    { weight: 1, arbitrary: fc.nat({ max: 6 }).map((queue) => ({ kind: 'kick' as const, queue })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.constantFrom(0x30878028, 0x10000, 0x20000, 0x40000, 1, 0),
          fc.constantFrom(0x113, 0x333, 0x101, 0x301, 1, 0),
          fc.boolean(),
        )
        .map(([low, high, isRunning]) => ({ kind: 'negotiate' as const, low, high, isRunning })),
    },
    {
      weight: 4,
      arbitrary: fc
        .record({
          queue: fc.nat({ max: 6 }),
          size: fc.constantFrom(1, 2, 16, 256, 512),
          vector: fc.nat({ max: 8 }),
          misaligned: fc.tuple(fc.constantFrom(32, 40, 48), fc.constantFrom(0, 0, 1, 2, 4, 8)),
          after: fc.tuple(
            fc.constantFrom(24, 26, 28, 32, 36, 40, 44, 48, 52, 58),
            fc.constantFrom(0, 1, 2, 4, 0x40, 0x4000),
          ),
        })
        .map((one) => ({ kind: 'queue' as const, ...one })),
    },
  );
}

/** Every register that can be read without a side effect, and both halves of what has one. */
function sweep(pair: Lockstep): string | null {
  for (const [offset, bytes] of NATURAL) {
    const fault = pair.read('common', offset, bytes);
    if (fault !== null) return fault;
  }
  for (const block of ['device', 'msix-table'] as const) {
    for (let offset = 0; offset < (block === 'device' ? 12 : 0x40); offset += 4) {
      const fault = pair.read(block, offset, 4);
      if (fault !== null) return fault;
    }
  }
  return pair.read('msix-pba', 0, 4);
}

function apply(pair: Lockstep, one: Step): string | null {
  switch (one.kind) {
    case 'read':
      return pair.read(one.block, one.offset, one.size);
    case 'write':
      pair.write(one.block, one.offset, one.size, one.value);
      return null;
    case 'config':
      pair.configWrite(one.register, one.value);
      return null;
    case 'link':
      pair.setLink(one.isUp);
      return null;
    case 'settle':
      return pair.settle();
    case 'sweep':
      return sweep(pair);
    case 'reset':
      pair.write('common', 20, 1, 0);
      return null;
    case 'interrupts':
      pair.configWrite('command', 6);
      pair.configWrite('msix-control', 0x8000);
      pair.write('common', 16, 2, one.vector);
      pair.write('msix-table', 16 * one.vector + 12, 4, one.isMasked ? 1 : 0);
      return null;
    case 'kick':
      pair.kick(one.queue);
      return null;
    case 'negotiate':
      pair.write('common', 20, 1, 0);
      pair.write('common', 20, 1, 3);
      pair.write('common', 8, 4, 0);
      pair.write('common', 12, 4, one.low);
      pair.write('common', 8, 4, 1);
      pair.write('common', 12, 4, one.high);
      pair.write('common', 20, 1, 0xb);
      if (one.isRunning) pair.write('common', 20, 1, 0xf);
      return null;
    case 'queue':
      pair.write('common', 22, 2, one.queue);
      pair.write('common', 24, 2, one.size);
      pair.write('common', 26, 2, one.vector);
      for (const at of [32, 40, 48]) {
        pair.write('common', at, 4, 0x1000 * at + (at === one.misaligned[0] ? one.misaligned[1] : 0));
      }
      pair.write('common', 28, 2, 1);
      pair.write('common', one.after[0], one.after[0] >= 32 && one.after[0] < 58 ? 4 : 2, one.after[1]);
      return null;
  }
}

/** A driver at work, one change of the link behind a mask, and a reset. */
const EXAMPLE = {
  negotiate: { kind: 'negotiate', low: 0x10000, high: 1, isRunning: true },
  interrupts: { kind: 'interrupts', vector: 1, isMasked: true },
  link: { kind: 'link', isUp: false },
  reset: { kind: 'reset' },
} as const;

const variants: LockstepOptions[] = (['functional', 'timed'] as const).flatMap((mode) =>
  [true, false].flatMap((isPf) => (['nic', 'vfio'] as const).map((path) => ({ mode, isPf, path }))),
);

describe.each(variants)('$mode card, PF $isPf, by $path', (options) => {
  it.each([1, 2])('answers every access as the model allows, %i pairs', (pairs) => {
    const steps = fc.array(step(options.isPf), { minLength: 1, maxLength: 200, size: 'max' });
    // A sweep settles what the model leaves open, so half of the runs do without.
    fc.assert(
      fc.property(steps, fc.boolean(), (work, hasSweeps) => {
        const pair = new Lockstep({ ...options, pairs });
        for (const one of work) {
          expect(apply(pair, one)).toBeNull();
          if (hasSweeps) expect(sweep(pair)).toBeNull();
        }
        expect(pair.settle()).toBeNull();
      }),
      RUNS === undefined ? { numRuns: 20, seed: 10 * variants.indexOf(options) + pairs } : { numRuns: Number(RUNS) },
    );
  });
});

describe.each(variants)('$mode card, PF $isPf, by $path', (options) => {
  it('a notification that was pending before a device reset does not come after it (CARD-05)', () => {
    const pair = new Lockstep(options);
    for (const kind of ['negotiate', 'interrupts', 'link', 'reset'] as const) apply(pair, EXAMPLE[kind]);
    pair.settle(); // what was on its way has arrived
    pair.write('msix-table', 16 + 12, 4, 0);
    expect(pair.settle()).toBeNull();
  });
});
