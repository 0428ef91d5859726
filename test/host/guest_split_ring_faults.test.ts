// SPDX-License-Identifier: Apache-2.0
// A device that lies in the used ring is found out before an index or a length of its making is used.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { DeviceFaultError } from '../../src/guest/device_fault.ts';
import { SplitRing, type SplitRingOptions } from '../../src/guest/split_ring.ts';
import { PlainMemory } from '../support/plain_memory.ts';
import { RingDevice } from '../support/ring_device.ts';

function add(ring: SplitRing, lengths: readonly number[]): number {
  for (const length of lengths) ring.push(0x1000, length, true);
  return ring.commit();
}

/** A ring of 8 with two chains in flight: head 0 takes 100 bytes, heads 1 and 2 together 30. */
function setup(options: Partial<SplitRingOptions> = {}) {
  const memory = new PlainMemory();
  const ring = new SplitRing(memory, { queue: 1, size: 8, layout: 'modern', ...options });
  const device = new RingDevice(memory, ring);
  add(ring, [100]);
  add(ring, [10, 20]);
  ring.publish();
  return { memory, ring, device };
}

describe('a lying device', () => {
  it.each([8, 9, 0x1_0000, 0xffff_ffff])('used id %i out of range is a fault', (id) => {
    const { ring, device } = setup();
    device.complete(id, 0);

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_ID' }));
  });

  it.each([2, 3, 7])('used id %i, which heads no chain in flight, is a fault', (id) => {
    const { ring, device } = setup();
    device.complete(id, 0);

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_ID' }));
  });

  it('an id returned twice is a fault', () => {
    const { ring, device } = setup();
    device.complete(0, 1);
    device.complete(0, 1);

    const taken = ring.takeUsed();

    expect(taken).toBe(0);
    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_ID' }));
  });

  it.each([
    [0, 101],
    [1, 31],
    [0, 0xffff_ffff],
  ])('chain %i with a used length of %i, more than it takes, is a fault', (head, length) => {
    const { ring, device } = setup();
    device.complete(head, length);

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_LENGTH' }));
  });

  it.each([
    [0, 100],
    [1, 30],
  ])('chain %i filled to its last byte is none', (head, length) => {
    const { ring, device } = setup();
    device.complete(head, length);

    expect(ring.takeUsed()).toBe(head);
    expect(ring.usedLength).toBe(length);
  });

  it('lengths are left unchecked where the driver says so', () => {
    const { ring, device } = setup({ checksUsedLength: false });
    device.complete(0, 9999);

    expect(ring.takeUsed()).toBe(0);
  });

  it.each([3, 9, 0x8000, 0xffff])('a used index of %i with two chains in flight is a fault', (idx) => {
    const { ring, device } = setup();
    device.usedIdx = idx;

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_INDEX' }));
  });

  it('the message names queue and value', () => {
    const { ring, device } = setup();
    device.complete(0xabc, 0);

    expect(() => ring.takeUsed()).toThrow(/queue 1: used id 0xabc/);
  });

  it('a fault does not go away by asking again', () => {
    const { ring, device } = setup();
    device.complete(9, 0);

    expect(() => ring.takeUsed()).toThrow(DeviceFaultError);
    expect(() => ring.takeUsed()).toThrow(DeviceFaultError);
  });

  it('whatever stands in the shared memory, the driver returns its own chains or throws DeviceFaultError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 70, maxLength: 70 }), fc.nat(255), (noise, fill) => {
        const { memory, ring } = setup();
        const used = memory.offset(ring.deviceIova);
        memory.u8.set(noise, used);
        // The descriptor table is the device's to scribble on as well.
        memory.u8.fill(fill, memory.offset(ring.descriptorIova), memory.offset(ring.descriptorIova) + 128);

        try {
          for (let head = ring.takeUsed(); head >= 0; head = ring.takeUsed()) {
            expect([0, 1]).toContain(head);
            expect(ring.usedLength).toBeLessThanOrEqual(100);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceFaultError);
        }

        expect(ring.freeCount).toBeLessThanOrEqual(8);
        while (ring.freeCount > 0) expect(add(ring, [1])).toBeGreaterThanOrEqual(0);
        expect(add(ring, [1])).toBe(-1);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a ring and what it was told', () => {
  it('DRV-06: returns a chain that it was not told of: a fault', () => {
    const { ring, device } = setup();
    add(ring, [50]); // head 3, not published

    device.complete(3, 0);

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_ID' }));
  });

  it('DRV-06: returns more chains than it was told of: a fault', () => {
    const { ring, device } = setup();
    add(ring, [50]);
    device.usedIdx = 3;

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_INDEX' }));
  });

  it('DRV-07: a ring with a fault takes and returns nothing until it is cleared, even if the id becomes right', () => {
    const { ring, device } = setup();
    device.complete(0, 1);
    device.complete(0, 1);
    expect(ring.takeUsed()).toBe(0);
    expect(() => ring.takeUsed()).toThrow(DeviceFaultError);

    expect(add(ring, [10])).toBe(-1);
    expect(() => ring.takeUsed()).toThrow(DeviceFaultError);

    ring.clear();
    expect(add(ring, [10])).toBe(0);
    expect(ring.takeUsed()).toBe(-1);
  });
});
