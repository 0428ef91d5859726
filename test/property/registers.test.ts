// SPDX-License-Identifier: Apache-2.0
// Random register and configuration writes: the debug core never traps, work always ends, and a reset brings the cold
// register image back, whatever was written before.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Nic } from '../../src/device/nic.ts';
import { RawCard } from '../support/raw_card.ts';
import { R } from '../support/registers.ts';

const VF = 1;
const BARS = [
  { bar: 2, bytes: 0x4000 },
  { bar: 4, bytes: 0x1000 },
];

interface Write {
  readonly space: 'bar2' | 'bar4' | 'config';
  readonly offset: number;
  readonly size: number;
  readonly value: number;
}

const value = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 0xf, 0xff, 0xffff, 0x8000, 0xffff_ffff, 0x10000),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const size = fc.constantFrom(1, 2, 4);
/** Mostly where registers are. */
const bar2 = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 0x3f }) },
  { weight: 2, arbitrary: fc.integer({ min: 0x3000, max: 0x3040 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0x2000, max: 0x2020 }) },
  { weight: 1, arbitrary: fc.nat({ max: 0x3fff }) },
);
const bar4 = fc.oneof(fc.nat({ max: 0x7f }), fc.integer({ min: 0x800, max: 0x80f }), fc.nat({ max: 0xfff }));

function write(withConfig: boolean): fc.Arbitrary<Write> {
  const make = (space: Write['space'], offset: fc.Arbitrary<number>): fc.Arbitrary<Write> =>
    fc.tuple(offset, size, value).map(([at, bytes, bits]) => ({
      space,
      offset: at - (at % bytes),
      size: bytes,
      value: bits % 2 ** (8 * bytes),
    }));
  const config = make('config', fc.oneof(fc.nat({ max: 0x17f }), fc.nat({ max: 0xfff })));
  const bars = [
    { weight: 6, arbitrary: make('bar2', bar2) },
    { weight: 2, arbitrary: make('bar4', bar4) },
  ];
  return withConfig ? fc.oneof(...bars, { weight: 3, arbitrary: config }) : fc.oneof(...bars);
}

function apply(nic: Nic, fn: number, { space, offset, size: bytes, value: bits }: Write): void {
  if (space === 'config') nic.configWrite(fn, offset, bytes, bits);
  else nic.write(fn, space === 'bar2' ? 2 : 4, offset, bytes, bits);
}

/** Every configuration word. */
function configImage(nic: Nic, fn: number): number[] {
  return Array.from({ length: 1024 }, (_, i) => nic.configRead(fn, 4 * i, 4));
}

/** Every word of both BARs, and the registers of every queue; config_generation, which only counts up, left out. */
function barImage(nic: Nic, fn: number, queues: number): number[] {
  const words = BARS.flatMap(({ bar, bytes }) =>
    Array.from({ length: bytes / 4 }, (_, i) => nic.read(fn, bar, 4 * i, 4)),
  );
  words[R.DEVICE_STATUS / 4]! &= ~0xff00;
  for (let queue = 0; queue < queues; queue++) {
    nic.write(fn, 2, R.QUEUE_SELECT, 2, queue);
    for (let at: number = R.QUEUE_SIZE; at < 0x3c; at += 2) words.push(nic.read(fn, 2, at, 2));
  }
  for (let word = 0; word < 4; word++) {
    for (const select of [R.DEVICE_FEATURE_SELECT, R.DRIVER_FEATURE_SELECT]) {
      nic.write(fn, 2, select, 4, word);
      words.push(nic.read(fn, 2, select + 4, 4));
    }
  }
  return words;
}

/** What an FLR leaves of the PF (PCIe 6.0 §6.6.2) as after power-on: payload, Link Control, target speed, ARI hierarchy. */
function coolLink(nic: Nic): void {
  nic.configWrite(0, 0x5c, 2, 0x2810);
  nic.configWrite(0, 0x64, 2, 0);
  nic.configWrite(0, 0x84, 2, 3);
  nic.configWrite(0, 0x148, 2, 0);
}

const modes = ['functional', 'timed'] as const;

describe.each(modes)('random register writes, %s', (mode) => {
  it('on a VF: no trap, an end, and a cold function after FLR', () => {
    const cold = new RawCard({ mode, numVfs: 1, windowBytes: 1 << 16 });
    const config = configImage(cold.nic, VF);
    const bars = barImage(cold.nic, VF, 4);
    const card = new RawCard({ mode, numVfs: 1, windowBytes: 1 << 16 });
    fc.assert(
      fc.property(fc.array(write(true), { minLength: 1, maxLength: 60 }), (writes) => {
        for (const one of writes) apply(card.nic, VF, one);
        card.settle();
        card.nic.configWrite(VF, 0x5c, 2, 0x8000);
        card.settle();

        expect(configImage(card.nic, VF)).toEqual(config);
        expect(barImage(card.nic, VF, 4)).toEqual(bars);
      }),
      { seed: 21, numRuns: 40 },
    );
  });

  it('on a VF: writing 0 to device_status brings the virtio registers back', () => {
    const cold = new RawCard({ mode, numVfs: 1, windowBytes: 1 << 16 });
    const virtio = (card: RawCard): number[] => barImage(card.nic, VF, 4).filter((_, i) => i < 0x1000 || i >= 0x1400);
    const image = virtio(cold);
    const card = new RawCard({ mode, numVfs: 1, windowBytes: 1 << 16 });
    fc.assert(
      fc.property(fc.array(write(false), { minLength: 1, maxLength: 60 }), (writes) => {
        for (const one of writes) apply(card.nic, VF, one);
        card.settle();
        card.nic.write(VF, 2, R.DEVICE_STATUS, 1, 0);
        card.settle();

        expect(virtio(card)).toEqual(image);
      }),
      { seed: 22, numRuns: 40 },
    );
  });

  it('on the PF, SR-IOV controls included: no trap, an end, and a cold function after FLR', () => {
    const memoryOn = (card: RawCard): void => card.nic.configWrite(0, 4, 2, 2);
    const flr = (card: RawCard): void => {
      card.nic.configWrite(0, 0x5c, 2, 0x8000);
      card.settle();
      coolLink(card.nic);
    };
    const image = (card: RawCard): unknown => {
      const config = configImage(card.nic, 0);
      memoryOn(card);
      return [config, barImage(card.nic, 0, 5), [1, 2].map((fn) => card.nic.isPresent(fn))];
    };
    const cold = new RawCard({ mode, totalVfs: 2, windowBytes: 1 << 16 });
    flr(cold);
    const expected = image(cold);
    const card = new RawCard({ mode, totalVfs: 2, windowBytes: 1 << 16 });
    fc.assert(
      fc.property(fc.array(write(true), { minLength: 1, maxLength: 60 }), (writes) => {
        for (const one of writes) apply(card.nic, 0, one);
        card.settle();
        card.nic.configWrite(0, 0x44, 2, 0); // D0, should it be elsewhere
        flr(card);

        expect(image(card)).toEqual(expected);
      }),
      { seed: 23, numRuns: 40 },
    );
  });

  it('on one VF leaves the other, and the PF, as they were', () => {
    const card = new RawCard({ mode, numVfs: 2, windowBytes: 1 << 16 });
    const view = (): unknown => [0, 2].map((fn) => [configImage(card.nic, fn), barImage(card.nic, fn, 4)]);
    view(); // moves the selectors
    const before = view();
    fc.assert(
      fc.property(fc.array(write(true), { minLength: 1, maxLength: 60 }), (writes) => {
        for (const one of writes) apply(card.nic, VF, one);
        card.settle();

        expect(view()).toEqual(before);
      }),
      { seed: 24, numRuns: 20 },
    );
  });
});

describe('a PF after FLR', () => {
  it('equals one that was only just created', () => {
    const fresh = new RawCard({ mode: 'functional', totalVfs: 2 });
    const used = new RawCard({ mode: 'functional', numVfs: 2 });
    used.fn(0).start();
    used.fn(1).start();

    used.nic.configWrite(0, 0x5c, 2, 0x8000);
    used.settle();
    for (const { nic } of [fresh, used]) coolLink(nic);
    fresh.nic.configWrite(0, 4, 2, 0);
    for (const at of [0x18, 0x1c, 0x20, 0x24]) fresh.nic.configWrite(0, at, 4, 0);
    for (let at = 0x164; at < 0x17c; at += 4) fresh.nic.configWrite(0, at, 4, 0);

    expect(configImage(used.nic, 0)).toEqual(configImage(fresh.nic, 0));
  });
});
