// SPDX-License-Identifier: Apache-2.0
// The model of the common configuration against values written down from virtio 1.4 §4.1.4.3, §2.1 and §2.2.
import { beforeEach, describe, expect, it } from 'vitest';

import { CommonModel } from '../../src/reference/common.ts';

const FEATURES = (1n << 5n) | (1n << 16n) | (1n << 17n) | (1n << 22n) | (1n << 32n) | (1n << 40n) | (1n << 41n);
let model: CommonModel;

/** What a read must answer in the bits that are settled, and those bits. */
function read(offset: number, size: number): [value: number, mask: number] {
  model.read(offset, size);
  return [(model.value & model.valueMask) >>> 0, model.valueMask];
}

function negotiate(low: number, high: number): void {
  model.write(20, 1, 3);
  model.write(8, 4, 0);
  model.write(12, 4, low);
  model.write(8, 4, 1);
  model.write(12, 4, high);
  model.write(20, 1, 0xb);
}

beforeEach(() => {
  model = new CommonModel({
    queues: 3,
    maxQueueSize: () => 256,
    offeredFeatures: FEATURES,
    vectors: 4,
    adminQueueIndex: 3,
  });
});

describe('feature registers', () => {
  it('show the word that is selected, and nothing beyond the last', () => {
    model.write(0, 4, 0);
    expect(read(4, 4)).toEqual([0x0043_0020, 0xffffffff]);
    model.write(0, 4, 1);
    expect(read(4, 4)).toEqual([0x0301, 0xffffffff]);
    for (const select of [2, 3, 4, 0xffffffff]) {
      model.write(0, 4, select);
      expect(read(4, 4)).toEqual([0, 0xffffffff]);
      expect(read(0, 4)).toEqual([select, 0xffffffff]);
    }
  });

  it('give back driver_feature of each word; bits that were not offered may be missing', () => {
    model.write(8, 4, 1);
    model.write(12, 4, 0x8000_0001);
    expect(read(12, 4)).toEqual([1, 0x7fff_ffff]);
    model.write(8, 4, 0);
    expect(read(12, 4)).toEqual([0, 0xffffffff]);
  });

  it('keep driver_feature once FEATURES_OK stands', () => {
    negotiate(0x10020, 1);
    model.write(8, 4, 0);
    model.write(12, 4, 0);
    expect(read(12, 4)).toEqual([0x10020, 0xffffffff]);
  });
});

describe('device_status', () => {
  it('takes a set that is offered and complete', () => {
    negotiate(0x430020, 0x301);
    expect(read(20, 1)).toEqual([0xb, 0xff]);
    model.write(20, 1, 0xf);
    expect(read(20, 1)).toEqual([0xf, 0xff]);
  });

  it.each([
    ['a bit that is not offered', 0x1, 1],
    ['MQ without CTRL_VQ', 0x40_0000, 1],
  ])('refuses %s', (_, low, high) => {
    negotiate(low, high);
    expect(read(20, 1)).toEqual([3, 0xff]);
    expect(model.featuresOk()).toBe(false);
  });

  it('leaves open what becomes of a driver without VERSION_1, until a read shows it', () => {
    negotiate(0x20, 0);
    expect(read(20, 1)).toEqual([3, 0xf7]);
    expect(model.featuresOk()).toBeUndefined();
    model.learn(20, 1, 0xb);
    expect(read(20, 1)).toEqual([0xb, 0xff]);
    expect(model.featuresOk()).toBe(true);
  });

  it('leaves open what a cleared bit does, and DRIVER_OK before FEATURES_OK', () => {
    model.write(20, 1, 3);
    model.write(20, 1, 1);
    expect(read(20, 1)).toEqual([1, 0xfd]);
    model.write(20, 1, 0);
    model.write(20, 1, 7);
    expect(read(20, 1)).toEqual([3, 0xfb]);
  });

  it('is 0 after a reset, and so is everything that the driver wrote', () => {
    negotiate(0x430020, 0x301);
    model.write(22, 2, 1);
    model.write(24, 2, 16);
    model.write(28, 2, 1);
    model.write(16, 2, 2);
    model.write(20, 1, 0);
    for (const [offset, size] of [
      [0, 4],
      [8, 4],
      [12, 4],
      [20, 1],
      [22, 2],
    ] as const) {
      // prettier-ignore
      expect(read(offset, size)[0]).toBe(0);
    }
    expect(read(16, 2)).toEqual([0xffff, 0xffff]);
    model.write(22, 2, 1);
    expect(read(24, 2)).toEqual([256, 0xffff]);
    expect(read(28, 2)).toEqual([0, 0xffff]);
  });
});

describe('queue registers', () => {
  beforeEach(() => negotiate(0x430020, 0x301));

  it('have size 0 where there is no queue, and the largest after reset', () => {
    for (const [queue, size] of [
      [0, 256],
      [2, 256],
      [3, 256],
      [4, 0],
      [0xffff, 0],
    ] as const) {
      // prettier-ignore
      model.write(22, 2, queue);
      expect(read(24, 2)).toEqual([size, 0xffff]);
    }
  });

  it('take a size that is a power of two and not too large', () => {
    for (const [size, result] of [
      [128, 128],
      [0, 128],
      [3, 128],
      [512, 128],
      [1, 1],
      [256, 256],
    ] as const) {
      // prettier-ignore
      model.write(24, 2, size);
      expect(read(24, 2)).toEqual([result, 0xffff]);
    }
  });

  it('map vectors of the table, others become NO_VECTOR', () => {
    for (const at of [16, 26]) {
      for (const [vector, result] of [
        [0, 0],
        [3, 3],
        [4, 0xffff],
        [1, 1],
        [0xfffe, 0xffff],
      ] as const) {
        // prettier-ignore
        model.write(at, 2, vector);
        expect(read(at, 2)).toEqual([result, 0xffff]);
      }
    }
  });

  it('hold 64-bit addresses by halves, each for itself', () => {
    for (const at of [32, 40, 48]) {
      model.write(at + 4, 4, 0x89ab_cdef);
      expect(read(at, 4)).toEqual([0, 0xffffffff]);
      model.write(at, 4, 0x0123_4560);
      expect(read(at + 4, 4)).toEqual([0x89ab_cdef, 0xffffffff]);
      expect(read(at, 4)).toEqual([0x0123_4560, 0xffffffff]);
    }
  });

  it('stand still once the queue is enabled, and 0 does not disable it', () => {
    model.write(24, 2, 16);
    model.write(28, 2, 1);
    model.write(24, 2, 8);
    model.write(32, 4, 0x1000);
    model.write(28, 2, 0);
    expect(read(24, 2)).toEqual([16, 0xffff]);
    expect(read(32, 4)).toEqual([0, 0xffffffff]);
    expect(read(28, 2)).toEqual([1, 0xffff]);
  });

  it.each([
    [32, 8],
    [40, 1],
    [48, 2],
  ])('do not enable a ring whose part at %i is misaligned', (at, address) => {
    model.write(at, 4, address);
    model.write(28, 2, 1);
    expect(read(28, 2)).toEqual([0, 0xffff]);
  });

  it('go back to their defaults by queue_reset', () => {
    model.write(24, 2, 16);
    model.write(26, 2, 1);
    model.write(32, 4, 0x1000);
    model.write(28, 2, 1);
    model.write(58, 2, 1);
    expect([24, 26, 28, 58].map((at) => read(at, 2))).toEqual([256, 0xffff, 0, 0].map((value) => [value, 0xffff]));
    expect(read(32, 4)).toEqual([0, 0xffffffff]);
  });

  it('name the admin queue once it is negotiated', () => {
    expect(read(60, 4)).toEqual([0x0001_0003, 0xffffffff]);
    model.write(20, 1, 0);
    negotiate(0x20, 1);
    expect(read(60, 4)[1]).toBe(0);
  });
});

describe('accesses of other widths', () => {
  it('reads are the bytes of the fields', () => {
    expect(read(18, 2)).toEqual([3, 0xffff]);
    expect(read(16, 4)).toEqual([0x0003_ffff, 0xffffffff]);
    expect(read(19, 1)).toEqual([0, 0xff]);
    model.write(0, 4, 0x1234_5678);
    expect(read(1, 1)).toEqual([0x56, 0xff]);
    expect(read(2, 2)).toEqual([0x1234, 0xffff]);
  });

  it('writes act on the bytes they cover, field by field', () => {
    model.write(8, 4, 0x1111_1111);
    model.write(9, 1, 0x22);
    expect(read(8, 4)).toEqual([0x1111_2211, 0xffffffff]);
    model.write(20, 4, 0x0001_0003);
    expect(read(20, 4)).toEqual([0x0001_0003, 0xffffffff]);
    model.write(20, 4, 0x0002_0000);
    expect(read(20, 1)).toEqual([0, 0xff]);
    expect(read(22, 2)).toEqual([2, 0xffff]);
  });
});
