// SPDX-License-Identifier: Apache-2.0
// The model of MSI-X against the rules of PCI Express Base §6.1.4: masked means pending, pending fires once.
import { beforeEach, describe, expect, it } from 'vitest';

import { MsixModel } from '../../src/reference/msix.ts';

let msix: MsixModel;

beforeEach(() => {
  msix = new MsixModel(3);
  msix.setControl(true, false);
  msix.setMask(1, false);
  msix.settle();
});

describe('a vector', () => {
  it('gives a message at once where it may', () => {
    expect(msix.signal(1)).toBe('message');
    expect(msix.pending(1)).toBe(false);
    expect(msix.lost()).toEqual(['message of vector 1 never came']);
    expect(msix.message(1)).toBeNull();
    expect(msix.lost()).toEqual([]);
  });

  it('is pending while masked, however often it is signalled, and fires once when unmasked', () => {
    msix.setMask(1, true);
    expect(msix.signal(1)).toBe('pending');
    expect(msix.signal(1)).toBe('pending');
    expect(msix.pending(1)).toBe(true);
    expect(msix.lost()).toEqual([]);
    msix.setMask(1, false);
    expect(msix.pending(1)).toBe(false);
    expect(msix.lost()).toEqual(['message of vector 1 never came']);
    expect(msix.message(1)).toBeNull();
    msix.setMask(1, true);
    msix.setMask(1, false);
    expect(msix.lost()).toEqual([]);
  });

  it('is held by the function mask likewise', () => {
    msix.setControl(true, true);
    expect(msix.signal(1)).toBe('pending');
    msix.setControl(true, false);
    expect(msix.lost()).toHaveLength(1);
  });

  it('begins masked', () => {
    expect(msix.signal(0)).toBe('pending');
  });

  it('is nothing without MSI-X, and NO_VECTOR never is one', () => {
    expect(msix.signal(0xffff)).toBe('nothing');
    expect(msix.signal(3)).toBe('nothing');
    msix.setControl(false, false);
    expect(msix.signal(1)).toBe('nothing');
  });

  it('is open where no message may leave, or nobody knows the mask bit', () => {
    msix.setBusMaster(false);
    expect(msix.signal(1)).toBe('open');
    expect(msix.pending(1)).toBeUndefined();
    msix.setBusMaster(true);
    msix.setMask(2, undefined);
    expect(msix.signal(2)).toBe('open');
    msix.learnPending(2, true);
    expect(msix.pending(2)).toBe(true);
  });
});

describe('a message', () => {
  it('is wrong while its vector is masked, MSI-X off, or bus mastering off', () => {
    const fault = (vector: number): string => `message of vector ${vector} while it was masked or MSI-X was off`;
    expect(msix.message(0)).toBe(fault(0));
    msix.setControl(true, true);
    msix.settle();
    expect(msix.message(1)).toBe(fault(1));
    msix.setControl(false, false);
    msix.settle();
    expect(msix.message(1)).toBe(fault(1));
    msix.setControl(true, false);
    msix.setBusMaster(false);
    msix.settle();
    expect(msix.message(1)).toBe(fault(1));
    expect(msix.message(9)).toBe('message of vector 9, the table has 3');
  });

  it('may still arrive behind a mask, until all is settled', () => {
    msix.setMask(1, true);
    expect(msix.message(1)).toBeNull();
    msix.settle();
    expect(msix.message(1)).not.toBeNull();
  });
});

describe('what cannot be known', () => {
  it('has no fate after a reset or a new mapping: nothing must come', () => {
    msix.signal(1);
    msix.signal(0);
    msix.withdraw();
    expect(msix.pending(0)).toBeUndefined();
    expect(msix.lost()).toEqual([]);
    msix.setMask(0, false);
    expect(msix.pending(0)).toBe(false);
    expect(msix.lost()).toEqual([]);
  });

  it('is whether a device that works by itself left something behind a mask', () => {
    msix.blurAll();
    expect([0, 1, 2].map((vector) => msix.pending(vector))).toEqual([undefined, false, undefined]);
  });

  it('is the fate of a pending bit while MSI-X is off', () => {
    msix.signal(0);
    msix.setControl(false, false);
    expect([0, 1].map((vector) => msix.pending(vector))).toEqual([undefined, false]);
  });
});

it('a function level reset masks all and forgets what was pending', () => {
  msix.setMask(1, true);
  msix.signal(1);
  msix.reset();
  expect(msix.pending(1)).toBe(false);
  msix.setControl(true, false);
  expect(msix.signal(1)).toBe('pending');
});
