// SPDX-License-Identifier: Apache-2.0
// The driver's side of a split ring against the bytes of virtio 1.4 §2.7.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { SplitRing, type SplitRingOptions } from '../../src/guest/split_ring.ts';
import { PlainMemory } from '../support/plain_memory.ts';
import { RingDevice } from '../support/ring_device.ts';

function setup(options: Partial<SplitRingOptions> = {}) {
  const memory = new PlainMemory();
  const ring = new SplitRing(memory, { queue: 3, size: 8, layout: 'modern', ...options });
  return { memory, ring, device: new RingDevice(memory, ring) };
}

/** A chain of one buffer. */
function add(ring: SplitRing, iova: number, length = 1, isWritable = false): number {
  ring.push(iova, length, isWritable);
  return ring.commit();
}

describe('split ring layout', () => {
  it('the three parts of a modern ring are aligned to 16, 2 and 4', () => {
    const { ring } = setup();

    expect(ring.descriptorIova % 16).toBe(0);
    expect(ring.driverIova % 2).toBe(0);
    expect(ring.deviceIova % 4).toBe(0);
  });

  it('a legacy ring of 256 puts available at 4096 and used at 8192 of a page-aligned block', () => {
    const { ring } = setup({ layout: 'legacy', size: 256 });

    expect(ring.descriptorIova % 4096).toBe(0);
    expect(ring.driverIova - ring.descriptorIova).toBe(4096);
    expect(ring.deviceIova - ring.descriptorIova).toBe(8192); // 4096 + 6 + 512, rounded up
  });

  it.each([0, 3, 12, 65536])('a size of %i is refused', (size) => {
    expect(() => setup({ size })).toThrow(expect.objectContaining({ code: 'RING_SIZE' }));
  });

  it('a descriptor holds address, length, flags and next little-endian', () => {
    const { memory, ring } = setup();

    ring.push(0x12_3456_789a, 10, true);
    ring.push(0x1_0000_0001, 1500, true);
    ring.commit();

    const at = memory.offset(ring.descriptorIova);
    expect([...memory.u8.subarray(at, at + 32)]).toEqual([
      0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 10, 0, 0, 0, 3, 0, 1, 0, 0x01, 0, 0, 0, 0x01, 0, 0, 0, 0xdc, 0x05, 0, 0, 2,
      0, 0, 0,
    ]);
  });
});

describe('making buffers available', () => {
  it('nothing is visible before publish()', () => {
    const { ring, device } = setup();

    add(ring, 0x5_0000_1000, 64, false);
    const before = device.availIdx;
    ring.publish();

    expect(before).toBe(0);
    expect(device.availIdx).toBe(1);
    expect(device.take()).toEqual({
      head: 0,
      isIndirect: false,
      segments: [{ iova: 0x5_0000_1000, length: 64, isWritable: false }],
    });
  });

  it('a pushed chain keeps order and directions', () => {
    const { ring, device } = setup();

    ring.push(0x1000, 24, false);
    ring.push(0x2000, 1, false);
    ring.push(0x3000, 8, true);
    ring.push(0x4000, 4, true);
    ring.commit();
    ring.publish();

    expect(device.take()?.segments).toEqual([
      { iova: 0x1000, length: 24, isWritable: false },
      { iova: 0x2000, length: 1, isWritable: false },
      { iova: 0x3000, length: 8, isWritable: true },
      { iova: 0x4000, length: 4, isWritable: true },
    ]);
    expect(ring.freeCount).toBe(4);
  });

  it('with indirect entries a chain takes one descriptor, a single buffer stays direct', () => {
    const { ring, device } = setup({ indirectEntries: 4 });

    for (let i = 0; i < 3; i++) ring.push(0x1000 * (i + 1), 16, i > 0);
    ring.commit();
    ring.push(0x9000, 16, true);
    ring.commit();
    ring.publish();

    const [first, second] = device.takeAll();
    expect(first).toMatchObject({ isIndirect: true, segments: [{ iova: 0x1000 }, { iova: 0x2000 }, { iova: 0x3000 }] });
    expect(first?.segments.map((segment) => segment.isWritable)).toEqual([false, true, true]);
    expect(second).toMatchObject({ isIndirect: false });
    expect(ring.freeCount).toBe(6);
  });

  it('a chain longer than the indirect table uses ring descriptors', () => {
    const { ring, device } = setup({ indirectEntries: 2 });

    for (let i = 0; i < 3; i++) ring.push(0x1000 * (i + 1), 16, false);
    ring.commit();
    ring.publish();

    expect(device.take()).toMatchObject({ isIndirect: false, segments: [{}, {}, {}] });
  });

  it('a table of the caller takes one descriptor, as often as it is made available', () => {
    const { ring, device, memory } = setup({ hasIndirect: true });
    const table = memory.alloc(48, 16);
    ring.writeTableEntry(table, 0, 0x12_0000_1000, 24, false, false);
    ring.writeTableEntry(table, 1, 0x2000, 8, true, false);
    ring.writeTableEntry(table, 2, 0x3000, 1, true, true);

    ring.addTable(table, 3, 9);
    ring.addTable(table, 3, 9);
    ring.publish();

    const at = memory.u32.subarray(table >>> 2, (table >>> 2) + 12);
    // address in halves, length, flags (NEXT 1, WRITE 2) and next
    expect([...at]).toEqual([0x1000, 0x12, 24, 0x1_0001, 0x2000, 0, 8, 0x2_0003, 0x3000, 0, 1, 2]);
    const segments = [
      { iova: 0x12_0000_1000, length: 24, isWritable: false },
      { iova: 0x2000, length: 8, isWritable: true },
      { iova: 0x3000, length: 1, isWritable: true },
    ];
    expect(device.takeAll()).toEqual([0, 1].map((head) => ({ head, isIndirect: true, segments })));
    expect(ring.freeCount).toBe(6);
  });

  it('without VIRTIO_F_INDIRECT_DESC the parts of a table take a descriptor each', () => {
    const { ring, device, memory } = setup({ size: 4 });
    const table = memory.alloc(32, 16);
    ring.writeTableEntry(table, 0, 0x12_0000_1000, 24, false, false);
    ring.writeTableEntry(table, 1, 0x2000, 8, true, true);

    const heads = [ring.addTable(table, 2, 8), ring.addTable(table, 2, 8), ring.addTable(table, 2, 8)];
    ring.publish();
    const [chain] = device.takeAll();
    device.complete(0, 9);

    expect(heads).toEqual([0, 2, -1]);
    expect(chain).toEqual({
      head: 0,
      isIndirect: false,
      segments: [
        { iova: 0x12_0000_1000, length: 24, isWritable: false },
        { iova: 0x2000, length: 8, isWritable: true },
      ],
    });
    expect(() => ring.takeUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_USED_LENGTH' }));
  });

  it('fixed buffers are posted with their address and the length of the moment', () => {
    const { ring, device } = setup({ size: 2 });
    ring.fix(0, 0x5_0000_1000, 100, false);
    ring.fix(1, 0x5_0000_2000, 100, false);

    const heads = [ring.addFixed(60), ring.addFixed(61), ring.addFixed(62)];
    ring.publish();

    expect(heads).toEqual([0, 1, -1]);
    expect(device.takeAll().map((chain) => chain.segments)).toEqual([
      [{ iova: 0x5_0000_1000, length: 60, isWritable: false }],
      [{ iova: 0x5_0000_2000, length: 61, isWritable: false }],
    ]);
  });

  it('fixed pairs stay together in any order of completion', () => {
    const { ring, device } = setup();
    for (let head = 0; head < 8; head += 2) ring.fixPair(head, 0x1000 + head, 10, 0x2000 + head, 100, true);
    const orders = [
      [0, 1, 2, 3],
      [3, 1, 0, 2],
      [2, 3, 1, 0],
    ];

    for (const order of orders) {
      const heads = [60, 61, 62, 63].map((length) => ring.addFixedPair(length));
      const isRefused = ring.addFixedPair(64) === -1;
      ring.publish();
      const chains = device.takeAll();

      expect(isRefused).toBe(true);
      expect(heads.toSorted()).toEqual([0, 2, 4, 6]);
      chains.forEach(({ head, segments }, i) => {
        expect(segments).toEqual([
          { iova: 0x1000 + head, length: 10, isWritable: true },
          { iova: 0x2000 + head, length: 60 + i, isWritable: true },
        ]);
      });
      for (const i of order) device.complete(chains[i]!.head, 110);
      for (const i of order) expect(ring.takeUsed()).toBe(chains[i]!.head);
    }
  });

  it('a full ring refuses and keeps what it has', () => {
    const { ring, device } = setup({ size: 4 });
    const added = [0, 1, 2, 3, 4].map(() => add(ring, 0x1000));

    ring.push(0x1000, 1, false);
    const committed = ring.commit();
    ring.publish();

    expect(added).toEqual([0, 1, 2, 3, -1]);
    expect(committed).toBe(-1);
    expect(device.takeAll()).toHaveLength(4);
  });

  it('a readable buffer behind a writable one is the program’s mistake', () => {
    const { ring } = setup();
    ring.push(0x1000, 1, true);

    expect(() => ring.push(0x2000, 1, false)).toThrow(expect.objectContaining({ code: 'RING_CHAIN' }));
  });
});

/** Adds a batch, completes it in reverse and takes it back. */
function runBatch(ring: SplitRing, device: RingDevice, batch: number): void {
  const heads = Array.from({ length: batch }, () => add(ring, 0x1000, 4, true));
  ring.publish();
  const chains = device.takeAll();
  expect(chains.map((chain) => chain.head)).toEqual(heads);
  for (const chain of chains.toReversed()) device.complete(chain.head, 4);
  expect(heads.map(() => ring.takeUsed())).toEqual(heads.toReversed());
}

describe('ring indices', () => {
  it('give every chain back in any mixture of batches, completed out of order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        (batches, hasEventIdx) => {
          const { ring, device } = setup({ hasEventIdx });
          for (const batch of batches) runBatch(ring, device, batch);

          expect(ring.takeUsed()).toBe(-1);
          expect([ring.freeCount, ring.inFlight]).toEqual([8, 0]);
          expect(device.availIdx).toBe(batches.reduce((sum, batch) => sum + batch, 0));
        },
      ),
    );
  });

  it.each([false, true])('run on through 65536, event index %s', (hasEventIdx) => {
    const { ring, device } = setup({ hasEventIdx });

    for (let added = 0; added < 65_541; added += 7) runBatch(ring, device, 7);

    expect(device.availIdx).toBe(5); // 9363 batches of 7 are 65541
    expect(device.usedIdx).toBe(5);
    expect(ring.freeCount).toBe(8);
  });

  it('clear() starts over in the same memory', () => {
    const { ring, memory } = setup();
    add(ring, 0);
    add(ring, 0);
    ring.publish();
    const used = memory.used;

    ring.clear();
    const device = new RingDevice(memory, ring);
    add(ring, 0x77, 2, true);
    ring.publish();
    const chains = device.takeAll();

    expect(chains).toEqual([{ head: 0, isIndirect: false, segments: [{ iova: 0x77, length: 2, isWritable: true }] }]);
    expect(memory.used).toBe(used);
  });
});
