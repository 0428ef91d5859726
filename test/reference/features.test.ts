// SPDX-License-Identifier: Apache-2.0
// Which sets of features a device takes: virtio 1.4 §2.2, §5.1.3.1 and §6.2.
import { describe, expect, it } from 'vitest';

import { acceptance } from '../../src/reference/features.ts';

const set = (...bits: number[]): bigint => bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
const ALL = set(0, 1, 7, 8, 9, 11, 17, 18, 22, 23, 32, 33, 36, 57, 60);

describe('acceptance of features', () => {
  it.each([
    ['everything', ALL],
    ['nothing but the bus', set(32, 33, 36)],
    ['ECN with one of two', set(1, 8, 9, 32, 33, 36)],
  ])('yes: %s', (_, wanted) => {
    expect(acceptance(ALL, wanted)).toBe('yes');
  });

  it.each([
    ['a bit that is not offered', set(5, 32, 33, 36)],
    ['a bit of the third word', set(32, 33, 36, 64)],
    ['TSO4 without CSUM', set(11, 32, 33, 36)],
    ['ECN without TSO', set(1, 9, 32, 33, 36)],
    ['MQ without CTRL_VQ', set(22, 32, 33, 36)],
  ])('no: %s', (_, wanted) => {
    expect(acceptance(ALL, wanted)).toBe('no');
  });

  it.each([
    ['VERSION_1', set(17, 33, 36)],
    ['ACCESS_PLATFORM', set(17, 32, 36)],
    ['ORDER_PLATFORM', set(17, 32, 33)],
  ])('open: without %s', (_, wanted) => {
    expect(acceptance(ALL, wanted)).toBe('open');
  });

  it('what is not offered cannot be insisted on', () => {
    expect(acceptance(set(17, 32), set(32))).toBe('yes');
  });
});
