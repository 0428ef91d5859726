// SPDX-License-Identifier: Apache-2.0
// The model of a whole function: structures beside the common configuration, switches of configuration space, resets.
import { beforeEach, describe, expect, it } from 'vitest';

import { ReferenceFunction, type Block } from '../../src/reference/function.ts';

const MAC = Uint8Array.of(0x02, 0x11, 0x22, 0x33, 0x44, 0x55);
let fn: ReferenceFunction;

function make(isPf: boolean): ReferenceFunction {
  return new ReferenceFunction({
    isPf,
    queues: 5,
    maxQueueSize: () => 256,
    offeredFeatures: (1n << 3n) | (1n << 5n) | (1n << 16n) | (1n << 17n) | (1n << 22n) | (1n << 32n),
    vectors: 6,
    adminQueueIndex: null,
    mac: MAC,
    mtu: 1500,
    pairs: 2,
  });
}

/** The settled bits of a read, and which they are. */
function read(block: Block, offset: number, size: number): [value: number, mask: number] {
  const { value, mask } = fn.read(block, offset, size);
  return [(value & mask) >>> 0, mask];
}

function run(low: number): void {
  fn.write('common', 20, 1, 3);
  fn.write('common', 8, 4, 0);
  fn.write('common', 12, 4, low);
  fn.write('common', 8, 4, 1);
  fn.write('common', 12, 4, 1);
  fn.write('common', 20, 1, 0xb);
  fn.write('common', 20, 1, 0xf);
}

beforeEach(() => {
  fn = make(true);
  fn.configWrite('command', 6);
});

describe('device configuration', () => {
  it('is readable before negotiation', () => {
    expect(read('device', 0, 4)).toEqual([0x33221102, 0xffffffff]);
    expect(read('device', 4, 4)).toEqual([0x0001_5544, 0x0001_ffff]);
    expect(read('device', 8, 4)).toEqual([0x05dc_0002, 0xffffffff]);
    expect(read('device', 12, 4)[1]).toBe(0);
  });

  it('has the fields of negotiated features afterwards', () => {
    run(1 << 5);
    expect(read('device', 0, 4)).toEqual([0x33221102, 0xffffffff]);
    expect(read('device', 8, 4)[1]).toBe(0);
  });

  it('does not change by writes', () => {
    fn.write('device', 0, 4, 0xffffffff);
    expect(read('device', 0, 4)).toEqual([0x33221102, 0xffffffff]);
  });

  it('follows the link, with generation and notification', () => {
    run((1 << 5) | (1 << 16));
    expect(read('isr', 0, 1)).toEqual([0, 0xff]);
    fn.setLink(false);
    expect(read('device', 6, 2)).toEqual([0, 1]);
    expect(read('common', 21, 1)[1]).toBe(0);
    expect(read('isr', 0, 1)).toEqual([2, 0xff]);
    expect(read('isr', 0, 1)).toEqual([0, 0xff]);
  });
});

describe('MSI-X', () => {
  it('has a table that begins masked, in whole dwords', () => {
    expect([0, 4, 8, 12].map((at) => read('msix-table', at, 4)[0])).toEqual([0, 0, 0, 1]);
    for (const at of [0, 4, 8, 12]) fn.write('msix-table', at, 4, 0xffffffff);
    expect([0, 4, 8, 12].map((at) => read('msix-table', at, 4)[0])).toEqual([0xfffffffc, 0xffffffff, 0xffffffff, 1]);
    fn.write('msix-table', 8, 1, 0);
    expect(read('msix-table', 8, 4)[1]).toBe(0);
    expect(read('msix-table', 96, 4)[1]).toBe(0);
  });

  it('holds a configuration change in the pending bits until it is unmasked', () => {
    run(1 << 16);
    fn.write('common', 16, 2, 1);
    fn.configWrite('msix-control', 0x8000);
    fn.setLink(false);
    expect(read('msix-pba', 0, 4)).toEqual([2, 0x3f]);
    fn.write('msix-pba', 0, 4, 0);
    expect(read('msix-pba', 0, 4)).toEqual([2, 0x3f]);
    fn.write('msix-table', 28, 4, 0);
    expect(read('msix-pba', 0, 4)).toEqual([0, 0x3f]);
    expect(fn.msix.lost()).toEqual(['message of vector 1 never came']);
    expect(fn.message(1)).toBeNull();
  });

  it('has no message behind a reset that is done', () => {
    run(1 << 16);
    fn.write('common', 16, 2, 1);
    fn.configWrite('msix-control', 0x8000);
    fn.write('msix-table', 28, 4, 0);
    fn.write('common', 20, 1, 0);
    fn.settle();
    expect(fn.message(1)).toBe('message of vector 1 after a reset, before the driver has begun again');
  });
});

describe('switches of configuration space', () => {
  it('a PF without memory decode answers nothing', () => {
    fn.configWrite('command', 4);
    for (const block of ['common', 'isr', 'device', 'msix-table', 'msix-pba'] as const) {
      expect(read(block, 0, 4)).toEqual([0xffffffff, 0xffffffff]);
    }
    fn.write('common', 0, 4, 7);
    fn.configWrite('command', 6);
    expect(read('common', 0, 4)).toEqual([0, 0xffffffff]);
  });

  it('a VF answers by VF Enable and VF Memory Space Enable', () => {
    fn = make(false);
    fn.write('common', 0, 4, 7);
    fn.configWrite('sriov-control', 1);
    expect(read('common', 0, 4)).toEqual([0xffffffff, 0xffffffff]);
    fn.configWrite('sriov-control', 9);
    expect(read('common', 0, 4)).toEqual([7, 0xffffffff]);
    fn.configWrite('sriov-control', 0);
    fn.configWrite('sriov-control', 9);
    expect(read('common', 0, 4)).toEqual([0, 0xffffffff]);
  });

  it('a function level reset brings everything back', () => {
    run(1 << 16);
    fn.write('msix-table', 28, 4, 0);
    fn.configWrite('device-control', 0x8000);
    expect(read('common', 20, 1)).toEqual([0xff, 0xff]);
    fn.configWrite('command', 2);
    expect(read('common', 20, 1)).toEqual([0, 0xff]);
    expect(read('msix-table', 28, 4)).toEqual([1, 0xffffffff]);
  });
});

describe('a device at work', () => {
  const enableQueue = (): void => fn.write('common', 28, 2, 1);

  beforeEach(() => {
    run(1 << 16);
    enableQueue();
  });

  it('may raise DEVICE_NEEDS_RESET and interrupts by itself, and stays stopped', () => {
    expect(read('common', 20, 1)).toEqual([0xf, 0xbf]);
    expect(read('isr', 0, 1)).toEqual([0, 0xfc]);
    expect(read('msix-pba', 0, 4)[1]).toBe(0);
    expect(fn.check('common', 20, 1, 0x4f)).toBeNull();
    expect(read('common', 20, 1)).toEqual([0x4f, 0xff]);
  });

  it('signals a used buffer in ISR without MSI-X, by its vector with it', () => {
    fn.write('common', 26, 2, 2);
    fn.signalQueue(0);
    expect(fn.read('isr', 0, 1).value).toBe(1);
    fn.configWrite('msix-control', 0x8000);
    fn.signalQueue(0);
    expect(fn.msix.pending(2)).toBe(true);
    fn.needsReset();
    expect(read('common', 20, 1)).toEqual([0x4f, 0xff]);
    expect(fn.read('isr', 0, 1).value).toBe(2);
  });
});

it('check() names the place, and takes over what the card chose', () => {
  expect(fn.check('common', 18, 2, 4)).toBe('common+0x12, 2 bytes: 0x4, expected 0x5 in bits 0xffff');
  fn.write('common', 20, 1, 3);
  fn.write('common', 20, 1, 1);
  expect(fn.check('common', 20, 1, 3)).toBeNull();
  expect(fn.check('common', 20, 1, 1)).toMatch(/^common\+0x14/);
});
