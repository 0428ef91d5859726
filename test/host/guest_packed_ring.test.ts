// SPDX-License-Identifier: Apache-2.0
// The driver's side of a packed ring against the bytes of virtio 1.4 §2.8: what it writes, when, and what it believes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { PackedRing, type PackedRingOptions } from '../../src/guest/packed_ring.ts';
import { makeRing } from '../../src/guest/ring_formats.ts';
import { PlainMemory } from '../support/plain_memory.ts';

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const AVAIL = 0x80;
const USED = 0x8000;

/** A device that looks at the bytes. */
class Device {
  readonly memory: PlainMemory;
  readonly ring: PackedRing;
  private slot = 0;
  private wrap = true;
  private usedSlot = 0;
  private usedWrap = true;

  constructor(memory: PlainMemory, ring: PackedRing) {
    this.memory = memory;
    this.ring = ring;
  }

  at(slot: number): { iova: number; length: number; id: number; flags: number } {
    const { view } = this.memory;
    const at = this.memory.offset(this.ring.descriptorIova) + 16 * slot;
    return {
      iova: Number(view.getBigUint64(at, true)),
      length: view.getUint32(at + 8, true),
      id: view.getUint16(at + 12, true),
      flags: view.getUint16(at + 14, true),
    };
  }

  /** The next list that is available: id and descriptors; null where there is none. */
  take(): { id: number; parts: { iova: number; length: number; flags: number }[] } | null {
    const parts: { iova: number; length: number; flags: number }[] = [];
    for (;;) {
      const { id, flags, iova, length } = this.at(this.slot);
      if ((flags & (AVAIL | USED)) !== (this.wrap ? AVAIL : USED)) {
        if (parts.length > 0) throw new Error('a list that ends in the air');
        return null;
      }
      parts.push({ iova, length, flags: flags & ~(AVAIL | USED) });
      if (++this.slot === this.ring.size) {
        this.slot = 0;
        this.wrap = !this.wrap;
      }
      if ((flags & NEXT) === 0) return { id, parts };
    }
  }

  /** Returns a buffer that took `count` descriptors. */
  use(id: number, count: number, length: number, flags = length > 0 ? WRITE : 0): void {
    const { view } = this.memory;
    const at = this.memory.offset(this.ring.descriptorIova) + 16 * this.usedSlot;
    view.setUint32(at + 8, length, true);
    view.setUint16(at + 12, id, true);
    view.setUint16(at + 14, flags | (this.usedWrap ? AVAIL | USED : 0), true);
    this.usedSlot += count;
    if (this.usedSlot >= this.ring.size) {
      this.usedSlot -= this.ring.size;
      this.usedWrap = !this.usedWrap;
    }
  }

  private words(iova: number): [number, number] {
    const at = this.memory.offset(iova);
    return [this.memory.view.getUint16(at, true), this.memory.view.getUint16(at + 2, true)];
  }

  /** off_wrap and flags of the driver's structure. */
  get driverEvent(): [number, number] {
    return this.words(this.ring.driverIova);
  }

  setEvent(offWrap: number, flags: number): void {
    const at = this.memory.offset(this.ring.deviceIova);
    this.memory.view.setUint16(at, offWrap, true);
    this.memory.view.setUint16(at + 2, flags, true);
  }
}

function setup(options: Partial<PackedRingOptions> = {}) {
  const memory = new PlainMemory();
  const ring = new PackedRing(memory, { queue: 3, size: 8, ...options });
  return { memory, ring, device: new Device(memory, ring) };
}

function add(ring: PackedRing, ...lengths: readonly number[]): number {
  for (const length of lengths) ring.push(0x5_0000_1000, length, true);
  return ring.commit();
}

describe('what a driver writes', () => {
  it('the areas are aligned to 16, 4 and 4', () => {
    const { ring } = setup();

    expect([ring.descriptorIova % 16, ring.driverIova % 4, ring.deviceIova % 4]).toEqual([0, 0, 0]);
  });

  it.each([0, 32769])('a size of %i is refused', (size) => {
    expect(() => setup({ size })).toThrow(expect.objectContaining({ code: 'RING_SIZE' }));
  });

  it('a descriptor is address, length, id and flags, little-endian; AVAIL in the first round', () => {
    const { memory, ring } = setup();
    ring.push(0x12_3456_789a, 1500, true);
    ring.commit();
    ring.publish();

    const at = memory.offset(ring.descriptorIova);
    expect([...memory.u8.subarray(at, at + 16)]).toEqual([
      0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0xdc, 0x05, 0, 0, 0, 0, 0x82, 0,
    ]);
  });

  it('nothing shows before publish(), whatever stands behind the first head', () => {
    const { ring, device } = setup();
    add(ring, 1);
    add(ring, 2, 3);
    expect(device.at(0).flags).toBe(0);

    ring.publish();

    expect([device.take(), device.take(), device.take()]).toEqual([
      { id: 0, parts: [{ iova: 0x5_0000_1000, length: 1, flags: WRITE }] },
      {
        id: 1,
        parts: [
          { iova: 0x5_0000_1000, length: 2, flags: WRITE | NEXT },
          { iova: 0x5_0000_1000, length: 3, flags: WRITE },
        ],
      },
      null,
    ]);
  });

  it('a table is named by one descriptor, and only WRITE stands in its entries', () => {
    const { memory, ring, device } = setup({ hasIndirect: true });
    const table = memory.alloc(32, 16);
    ring.writeTableEntry(table, 0, 0x5_0000_2000, 20, false);
    ring.writeTableEntry(table, 1, 0x5_0000_3000, 30, true);
    ring.addTable(table, 2, 30);
    ring.publish();

    expect(device.take()).toEqual({ id: 0, parts: [{ iova: memory.iova(table), length: 32, flags: INDIRECT }] });
    expect([...memory.u8.subarray(table + 8, table + 16)]).toEqual([20, 0, 0, 0, 0, 0, 0, 0]);
    expect([...memory.u8.subarray(table + 24, table + 32)]).toEqual([30, 0, 0, 0, 0, 0, WRITE, 0]);
  });

  it('a table without the feature becomes descriptors of the ring', () => {
    const { memory, ring, device } = setup();
    const table = memory.alloc(32, 16);
    ring.writeTableEntry(table, 0, 0x5_0000_2000, 20, false);
    ring.writeTableEntry(table, 1, 0x5_0000_3000, 30, true);
    ring.addTable(table, 2, 30);
    ring.publish();

    expect(device.take()?.parts).toEqual([
      { iova: 0x5_0000_2000, length: 20, flags: NEXT },
      { iova: 0x5_0000_3000, length: 30, flags: WRITE },
    ]);
  });

  it('fixed pairs have even ids and two descriptors', () => {
    const { ring, device } = setup({ size: 4 });
    for (const id of [0, 2]) ring.fixPair(id, 0x1000 + id, 10, 0x2000 + id, 100, false);

    expect([ring.addFixedPair(50), ring.addFixedPair(60), ring.addFixedPair(70)]).toEqual([0, 2, -1]);
    ring.publish();

    expect([device.take(), device.take()].map((one) => one?.parts.map(({ iova, length }) => [iova, length]))).toEqual([
      [
        [0x1000, 10],
        [0x2000, 50],
      ],
      [
        [0x1002, 10],
        [0x2002, 60],
      ],
    ]);
  });
});

describe('rounds', () => {
  it.each([1, 2, 3, 8, 100])('buffers of any length go round a ring of %i, and come back', (size) => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: Math.min(size, 5) }), { minLength: 30, maxLength: 60 }),
        (counts) => {
          const { ring, device } = setup({ size });
          for (const count of counts) {
            const id = add(ring, ...Array.from({ length: count }, () => 10));
            ring.publish();
            expect(device.take()).toMatchObject({ id, parts: { length: count } });
            device.use(id, count, 10 * count);
            expect([ring.hasUsed(), ring.takeUsed(), ring.usedLength, ring.takeUsed()]).toEqual([
              true,
              id,
              10 * count,
              -1,
            ]);
          }
          expect([ring.freeCount, ring.inFlight]).toEqual([size, 0]);
        },
      ),
      { seed: 3, numRuns: 20 },
    );
  });

  it('takes as many descriptors as there are, and no more', () => {
    const { ring } = setup({ size: 3 });

    expect([add(ring, 1, 1), add(ring, 1, 1), add(ring, 1), add(ring, 1)]).toEqual([0, -1, 1, -1]);
    expect([ring.freeCount, ring.inFlight]).toEqual([0, 2]);
  });
});

describe('what a driver believes', () => {
  it('without WRITE in the used descriptor nothing was written', () => {
    const { ring, device } = setup();
    add(ring, 100);
    ring.publish();
    device.use(0, 1, 50, 0);

    expect([ring.takeUsed(), ring.usedLength]).toEqual([0, 0]);
  });

  it.each([1, 7, 8, 0xffff])('id %i, which is not in flight, is a fault', (id) => {
    const { ring, device } = setup();
    add(ring, 100);
    ring.publish();
    device.use(id, 1, 0);

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_ID' }));
    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_ID' }));
    expect([ring.freeCount, ring.hasUsed()]).toEqual([0, false]);
    ring.clear();
    expect(add(ring, 1)).toBe(0);
  });

  it('an id that the device was not told of is a fault', () => {
    const { ring, device } = setup();
    add(ring, 100);
    device.use(0, 1, 0);

    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_ID' }));
  });

  it.each([
    [101, true],
    [100, false],
  ])('a used length of %i of a buffer of 100: fault %s', (length, isFault) => {
    const { ring, device } = setup();
    add(ring, 60, 40);
    ring.publish();
    device.use(0, 2, length);

    if (isFault) expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_LENGTH' }));
    else expect(ring.takeUsed()).toBe(0);
  });
});

describe('notifications', () => {
  it.each([
    ['ENABLE', 0, true],
    ['DISABLE', 1, false],
    ['the reserved value', 3, true],
    ['DESC, not negotiated', 2, true],
  ])('of the device, flags %s', (_, flags, wanted) => {
    const { ring, device } = setup();
    device.setEvent(0x8005, flags);
    add(ring, 1);

    expect([ring.publish(), ring.wantsNotification(), ring.publish()]).toEqual([wanted, wanted, false]);
  });

  it('with EVENT_IDX the descriptor of the event has to be among those that become available', () => {
    const { ring, device } = setup({ hasEventIdx: true, size: 4 });
    // off_wrap of descriptors 0, 1, 2, ...: wrap counter 1 in bit 15 in the first round
    const places = [0x8000, 0x8001, 0x8002, 0x8003, 0, 1, 2, 3, 0x8000];
    for (let n = 0; n < 8; n++) {
      for (const [k, event] of places.slice(0, 8).entries()) {
        if (k < n - 3 || k > n) continue; // a device asks for one that comes, or has just come
        device.setEvent(event, 2);
        expect(ring.wantsNotification()).toBe(k === n);
      }
      device.setEvent(places[n]!, 2);
      const id = add(ring, 1);
      expect(ring.publish()).toBe(true);
      device.use(id, 1, 0);
      ring.takeUsed();
    }
    device.setEvent(places[1]!, 2);
    add(ring, 1);
    expect(ring.publish()).toBe(false);
  });

  it('the driver asks with DESC and the next used descriptor, or with ENABLE; DISABLE is DISABLE', () => {
    const withEvent = setup({ hasEventIdx: true, size: 2 });
    const without = setup({ size: 2 });
    const seen = [withEvent, without].map(({ ring, device }) => {
      const words = [device.driverEvent];
      for (let n = 0; n < 3; n++) {
        add(ring, 1);
        ring.publish();
        device.use(0, 1, 0);
        ring.disableInterrupts();
        words.push([0, device.driverEvent[1]]);
        ring.takeUsed();
        expect(ring.enableInterrupts()).toBe(false);
        words.push(device.driverEvent);
      }
      return words.map(([offWrap, flags]) => [flags === 2 ? offWrap : 0, flags]);
    });

    expect(seen[0]).toEqual([
      [0x8000, 2],
      [0, 1],
      [0x8001, 2],
      [0, 1],
      [0, 2],
      [0, 1],
      [1, 2],
    ]);
    expect(seen[1]!.map(([, flags]) => flags)).toEqual([0, 1, 0, 1, 0, 1, 0]);
  });

  it('enableInterrupts() tells of what came meanwhile', () => {
    const { ring, device } = setup();
    add(ring, 1);
    ring.publish();
    ring.disableInterrupts();
    device.use(0, 1, 0);

    expect(ring.enableInterrupts()).toBe(true);
  });
});

describe('the choice', () => {
  it('VIRTIO_F_RING_PACKED (34) among the features makes a packed ring', () => {
    const request = { queue: 0, size: 8, layout: 'modern', indirectEntries: 0, checksUsedLength: true } as const;

    expect(makeRing(new PlainMemory(), { ...request, features: [34] })).toBeInstanceOf(PackedRing);
    expect(makeRing(new PlainMemory(), { ...request, features: [28, 29] })).not.toBeInstanceOf(PackedRing);
  });
});
