// SPDX-License-Identifier: Apache-2.0
// Transmit and receive queues: framing of the header, full rings, packets over several buffers, impossible lengths.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RxQueue, TxQueue, type RxQueueOptions, type TxQueueOptions } from '../../src/guest/net_queues.ts';
import { SplitRing } from '../../src/guest/split_ring.ts';
import { PlainMemory } from '../support/plain_memory.ts';
import { RingDevice, type Chain } from '../support/ring_device.ts';

const MODERN = { headerBytes: 12, hasSeparateHeader: false };
const LEGACY = { headerBytes: 10, hasSeparateHeader: true };
const error = (code: string) => expect.objectContaining({ code });
const counting = (length: number, from = 1) => Uint8Array.from({ length }, (_, i) => from + i);
const zeroes = (count: number) => new Array<number>(count).fill(0);
const lengths = (chain: Chain | null) => chain?.segments.map((segment) => segment.length);

function queueRing(size: number) {
  const memory = new PlainMemory();
  const ring = new SplitRing(memory, { queue: 1, size, layout: 'modern' });
  const notified: number[] = [];
  return {
    memory,
    ring,
    notified,
    device: new RingDevice(memory, ring),
    doorbell: { notify: (q: number) => notified.push(q) },
  };
}

function transmit(options: Partial<TxQueueOptions> = {}, size = 4) {
  const parts = queueRing(size);
  const queue = new TxQueue(parts.ring, parts.memory, parts.doorbell, { ...MODERN, maxFrameBytes: 1518, ...options });
  return { ...parts, queue };
}

function receive(options: Partial<RxQueueOptions> = {}, size = 4) {
  const parts = queueRing(size);
  const layout = { ...MODERN, isMergeable: false, bufferBytes: 112, ...options };
  const queue = new RxQueue(parts.ring, parts.memory, parts.doorbell, layout);
  const frames: number[][] = [];
  queue.onReceive = (bytes, offset, length) => frames.push([...bytes.subarray(offset, offset + length)]);
  queue.fill();
  return { ...parts, queue, frames };
}

/** A 12-byte header with num_buffers. */
const header = (buffers = 1) => [...zeroes(10), buffers & 0xff, buffers >>> 8];

describe('transmit', () => {
  it('a modern frame follows its zero header of 12 bytes in one descriptor', () => {
    const { queue, device, notified } = transmit();

    queue.send(counting(60));

    const chain = device.take()!;
    expect(lengths(chain)).toEqual([72]);
    expect(device.read(chain)).toEqual([...zeroes(12), ...counting(60)]);
    expect(notified).toEqual([1]);
  });

  it('a legacy frame has its header of 10 bytes in a descriptor of its own', () => {
    const { queue, device } = transmit(LEGACY);

    queue.send(counting(60));

    const chain = device.take()!;
    expect(lengths(chain)).toEqual([10, 60]);
    expect(device.read(chain)).toEqual([...zeroes(10), ...counting(60)]);
  });

  it('a full ring refuses, asks for an interrupt, and calls onSpace when there is room', () => {
    const { queue, device } = transmit();
    let calls = 0;
    queue.onSpace = () => calls++;
    const isSent = [1, 2, 3, 4, 5].map(() => queue.send(counting(60)));
    const whileFull = device.availFlags;

    device.complete(device.take()!.head, 0);
    queue.onUsed();

    expect(isSent).toEqual([true, true, true, true, false]);
    expect([whileFull, device.availFlags]).toEqual([0, 1]);
    expect([calls, queue.refused, queue.completed]).toEqual([1, 1, 1]);
    expect(queue.send(counting(60))).toBe(true);
  });

  it('an interrupt of someone else does not lose the one that a full ring waits for', () => {
    const { queue, device } = transmit();
    while (queue.send(counting(60)));

    queue.onUsed();

    expect(device.availFlags).toBe(0);
  });

  it('used buffers are taken back on send, without interrupts', () => {
    const { queue, device } = transmit();
    for (let i = 0; i < 100; i++) {
      expect(queue.send(counting(60, i))).toBe(true);
      device.complete(device.take()!.head, 0);
      expect(device.availFlags).toBe(1);
    }

    expect([queue.frames, queue.bytes, queue.refused]).toEqual([100, 6000, 0]);
  });

  it('enqueue() shows nothing to the device until flush()', () => {
    const { queue, device, notified } = transmit();
    queue.enqueue(counting(60));
    queue.enqueue(counting(61));
    const before = device.availIdx;

    queue.flush();

    expect([before, device.availIdx, notified.length]).toEqual([0, 2, 1]);
  });

  it('a frame written in place is sent from there', () => {
    const { queue, device, memory } = transmit();

    memory.u8.set(counting(14), queue.reserve());
    queue.commit(14);
    queue.flush();

    expect(device.read(device.take()!)).toEqual([...zeroes(12), ...counting(14)]);
  });

  it.each([0, 1519])('a frame of %i bytes is refused and takes no descriptor', (length) => {
    const { queue, ring } = transmit();

    expect(() => queue.send(new Uint8Array(length))).toThrow(error('FRAME_LENGTH'));
    expect(ring.freeCount).toBe(4);
  });

  it('frames in flight keep their bytes, whatever order they complete in', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { maxLength: 60 }), fc.constantFrom(MODERN, LEGACY), (picks, framing) => {
        const { queue, device } = transmit(framing, 8);
        const inFlight: { chain: Chain; id: number }[] = [];
        picks.forEach((pick, id) => {
          if (queue.send(counting(14, id))) inFlight.push({ chain: device.take()!, id });
          const [done] = inFlight.splice(pick % inFlight.length, pick > 3 ? 1 : 0);
          if (done !== undefined) device.complete(done.chain.head, 0);
          for (const { chain, id: sent } of inFlight) {
            expect(device.read(chain)).toEqual([...zeroes(framing.headerBytes), ...counting(14, sent)]);
          }
        });
      }),
    );
  });
});

describe('receive', () => {
  it('every descriptor gets a buffer, and the device is told', () => {
    const { device, notified } = receive();

    expect(device.takeAll().map(lengths)).toEqual([[112], [112], [112], [112]]);
    expect(notified).toEqual([1]);
  });

  it('legacy buffers have the header in a descriptor of its own', () => {
    const { device, queue, frames } = receive({ ...LEGACY, bufferBytes: 110 });
    const chains = device.takeAll();

    device.answer(chains[1]!, [...zeroes(10), ...counting(60)]);
    queue.poll();

    expect(chains.map(lengths)).toEqual([
      [10, 100],
      [10, 100],
    ]);
    expect(frames).toEqual([[...counting(60)]]);
  });

  it('a frame is delivered without its header', () => {
    const { device, queue, frames } = receive();

    device.answer(device.takeAll()[2]!, [...header(), ...counting(64)]);
    queue.onUsed();

    expect(frames).toEqual([[...counting(64)]]);
    expect([queue.frames, queue.bytes]).toEqual([1, 64]);
  });

  it('buffers are posted again once more than half of the descriptors are free', () => {
    const { device, queue, notified } = receive();
    const chains = device.takeAll();
    const posted = chains.map((chain) => {
      device.answer(chain, [...header(), 1]);
      queue.poll();
      return device.takeAll().length;
    });

    expect(posted).toEqual([0, 0, 3, 0]);
    expect(notified).toEqual([1, 1]);
    expect(queue.ring.freeCount).toBe(1);
  });

  it('a large ring is filled up again after 33 packets', () => {
    const { device, queue } = receive({}, 256);
    const chains = device.takeAll();
    const posted = chains.slice(0, 34).map((chain) => {
      device.answer(chain, [...header(), 1]);
      queue.poll();
      return device.takeAll().length;
    });

    expect(posted.flatMap((count, i) => (count === 0 ? [] : [[i, count]]))).toEqual([[32, 33]]);
  });

  it('interrupts are off while polling and on afterwards', () => {
    const { device, queue } = receive();
    const seen: number[] = [];
    queue.onReceive = () => seen.push(device.availFlags);
    device.answer(device.take()!, [...header(), 1]);

    queue.onUsed();

    expect([...seen, device.availFlags]).toEqual([1, 0]);
  });

  it('a handler that polls again finds nothing new and its frame stays', () => {
    const { device, queue } = receive();
    const polled: number[] = [];
    const kept: number[] = [];
    queue.onReceive = (bytes, offset) => {
      polled.push(queue.poll());
      queue.onUsed();
      kept.push(bytes[offset]!);
    };
    const chains = device.takeAll();
    device.answer(chains[0]!, [...header(), 7]);
    device.answer(chains[1]!, [...header(), 8]);

    queue.poll();

    expect([polled, kept]).toEqual([
      [0, 0],
      [7, 8],
    ]);
  });

  it.each([0, 11, 12])('a used length of %i leaves no frame and is counted', (length) => {
    const { device, queue, frames } = receive();
    device.complete(device.take()!.head, length);

    queue.poll();

    expect([frames, queue.lengthErrors, queue.frames]).toEqual([[], 1, 0]);
  });
});

describe('receive with mergeable buffers', () => {
  const merge = () => receive({ isMergeable: true });

  it('a packet over three buffers arrives whole', () => {
    const { device, queue, frames } = merge();
    const chains = device.takeAll();

    device.answer(chains[2]!, [...header(3), ...counting(100)]);
    device.answer(chains[0]!, [...counting(112, 101)]);
    device.answer(chains[1]!, [...counting(5, 213)]);
    queue.poll();

    expect(frames).toEqual([[...counting(217)]]);
    expect([queue.merged, queue.ring.freeCount, device.takeAll().length]).toEqual([1, 0, 3]);
  });

  it('buffers stay single in a legacy framing too', () => {
    const { device } = receive({ headerBytes: 12, hasSeparateHeader: true, isMergeable: true });

    expect(device.takeAll().map(lengths)).toEqual([[112], [112], [112], [112]]);
  });

  it.each([
    { what: 'num_buffers of 0', buffers: 0, used: [20] },
    { what: 'buffers that do not come', buffers: 3, used: [112, 112] },
    { what: 'a first buffer shorter than the header', buffers: 2, used: [11, 10] },
    { what: 'more buffers than there are', buffers: 0xffff, used: [112, 112, 112, 112] },
  ])('$what: the packet is dropped and counted', ({ buffers, used }) => {
    const { device, queue, frames } = merge();
    const chains = device.takeAll();
    used.forEach((length, i) => {
      device.write(chains[i]!, header(buffers));
      device.complete(chains[i]!.head, length);
    });

    queue.poll();

    expect([frames, queue.lengthErrors]).toEqual([[], 1]);
    expect(queue.ring.inFlight).toBeGreaterThan(0);
  });
});
