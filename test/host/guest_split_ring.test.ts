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

describe('split ring layout', () => {
  it('the three parts of a modern ring are aligned to 16, 2 and 4', () => {
    const { ring } = setup();

    expect(ring.descIova % 16).toBe(0);
    expect(ring.availIova % 2).toBe(0);
    expect(ring.usedIova % 4).toBe(0);
  });

  it('a legacy ring of 256 puts available at 4096 and used at 8192 of a page-aligned block', () => {
    const { ring } = setup({ layout: 'legacy', size: 256 });

    expect(ring.descIova % 4096).toBe(0);
    expect(ring.availIova - ring.descIova).toBe(4096);
    expect(ring.usedIova - ring.descIova).toBe(8192); // 4096 + 6 + 512, rounded up
  });

  it.each([0, 3, 12, 65536])('a size of %i is refused', (size) => {
    expect(() => setup({ size })).toThrow(expect.objectContaining({ code: 'RING_SIZE' }));
  });

  it('a descriptor holds address, length, flags and next little-endian', () => {
    const { memory, ring } = setup();

    ring.addPair(0x12_3456_789a, 10, 0x1_0000_0001, 1500, true, 0);

    const at = memory.offset(ring.descIova);
    expect([...memory.u8.subarray(at, at + 32)]).toEqual([
      ...[0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 10, 0, 0, 0, 3, 0, 1, 0],
      ...[0x01, 0, 0, 0, 0x01, 0, 0, 0, 0xdc, 0x05, 0, 0, 2, 0, 0, 0],
    ]);
  });
});

describe('making buffers available', () => {
  it('nothing is visible before publish()', () => {
    const { ring, device } = setup();

    ring.addOne(0x5_0000_1000, 64, false, 1);
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
    ring.commit(0);
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
    ring.commit(0);
    ring.push(0x9000, 16, true);
    ring.commit(1);
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
    ring.commit(0);
    ring.publish();

    expect(device.take()).toMatchObject({ isIndirect: false, segments: [{}, {}, {}] });
  });

  it('a full ring refuses and keeps what it has', () => {
    const { ring, device } = setup({ size: 4 });
    const added = [0, 1, 2, 3, 4].map((token) => ring.addOne(0x1000, 1, false, token));

    ring.push(0x1000, 1, false);
    const isCommitted = ring.commit(5);
    ring.publish();

    expect(added).toEqual([true, true, true, true, false]);
    expect(isCommitted).toBe(false);
    expect(device.takeAll()).toHaveLength(4);
  });

  it('a readable buffer behind a writable one is the program’s mistake', () => {
    const { ring } = setup();
    ring.push(0x1000, 1, true);

    expect(() => ring.push(0x2000, 1, false)).toThrow(expect.objectContaining({ code: 'RING_CHAIN' }));
  });
});

describe('notifications', () => {
  it('without event index the device is notified unless used flags hold NO_NOTIFY', () => {
    const { ring, device } = setup();

    ring.addOne(0, 1, false, 0);
    const wanted = ring.publish();
    device.usedFlags = 1;
    ring.addOne(0, 1, false, 0);

    expect(wanted).toBe(true);
    expect(ring.publish()).toBe(false);
  });

  it('publish() with nothing new asks for no notification', () => {
    expect(setup().ring.publish()).toBe(false);
  });

  it('with event index the device is notified when the index moves over avail_event', () => {
    const { ring, device } = setup({ hasEventIdx: true });
    device.availEvent = 2;

    const wanted = [0, 1, 2, 3].map(() => {
      ring.addOne(0, 1, false, 0);
      return ring.publish();
    });

    expect(wanted).toEqual([false, false, true, false]);
  });

  it('a batch that contains avail_event notifies once', () => {
    const { ring, device } = setup({ hasEventIdx: true });
    device.availEvent = 1;

    for (let i = 0; i < 3; i++) ring.addOne(0, 1, false, 0);

    expect(ring.publish()).toBe(true);
  });

  it('interrupts are switched by the available flags without event index', () => {
    const { ring, device } = setup();

    ring.disableInterrupts();
    const off = device.availFlags;
    ring.enableInterrupts();

    expect([off, device.availFlags]).toEqual([1, 0]);
  });

  it('interrupts are switched by used_event with event index, and the flags stay 0', () => {
    const { ring, device } = setup({ hasEventIdx: true });
    ring.addOne(0, 1, true, 0);
    ring.publish();
    device.complete(0, 0);
    ring.takeUsed();
    const on = device.usedEvent;

    ring.disableInterrupts();
    const off = device.usedEvent;
    ring.enableInterrupts();

    expect([on, off, device.usedEvent]).toEqual([1, 0, 1]);
    expect(device.availFlags).toBe(0);
  });

  it('enableInterrupts() tells of elements that came while they were off', () => {
    const { ring, device } = setup();
    ring.addOne(0, 1, true, 0);
    ring.publish();
    ring.disableInterrupts();

    device.complete(0, 0);

    expect(ring.enableInterrupts()).toBe(true);
  });
});

/** Adds, completes in reverse and takes one batch; tokens count from `token`. */
function runBatch(ring: SplitRing, device: RingDevice, batch: number, token: number): void {
  for (let i = 0; i < batch; i++) ring.addOne(0x1000, 4, true, token + i);
  ring.publish();
  const chains = device.takeAll();
  if (chains.length !== batch) throw new Error(`the device sees ${chains.length} of ${batch} chains`);
  for (const chain of chains.toReversed()) device.complete(chain.head, 4);
  for (let expected = token + batch - 1; expected >= token; expected--) {
    if (!ring.takeUsed() || ring.usedToken !== expected) throw new Error(`token ${ring.usedToken}, not ${expected}`);
  }
}

describe('ring indices', () => {
  it('give every token back in any mixture of batches, completed out of order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        (batches, hasEventIdx) => {
          const { ring, device } = setup({ hasEventIdx });
          let token = 0;
          for (const batch of batches) {
            runBatch(ring, device, batch, token);
            token += batch;
          }

          expect(ring.takeUsed()).toBe(false);
          expect([ring.freeCount, ring.inFlight]).toEqual([8, 0]);
          expect(device.availIdx).toBe(token);
        },
      ),
    );
  });

  it.each([false, true])('run on through 65536, event index %s', (hasEventIdx) => {
    const { ring, device } = setup({ hasEventIdx });

    for (let token = 0; token < 65_541; token += 7) runBatch(ring, device, 7, token);

    expect(device.availIdx).toBe(5); // 9363 batches of 7 are 65541
    expect(device.usedIdx).toBe(5);
    expect(ring.freeCount).toBe(8);
  });

  it('clear() starts over in the same memory', () => {
    const { ring, memory } = setup();
    ring.addPair(0, 1, 0, 1, true, 7);
    ring.publish();
    const used = memory.used;

    ring.clear();
    const device = new RingDevice(memory, ring);
    ring.addOne(0x77, 2, true, 1);
    ring.publish();
    const chains = device.takeAll();

    expect(chains).toEqual([{ head: 0, isIndirect: false, segments: [{ iova: 0x77, length: 2, isWritable: true }] }]);
    expect(memory.used).toBe(used);
  });
});
