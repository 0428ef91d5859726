// SPDX-License-Identifier: Apache-2.0
// The receive queue: buffers, packets over several of them, impossible lengths.
import { describe, expect, it } from 'vitest';

import { RxQueue, type RxQueueOptions } from '../../src/guest/net_queues.ts';
import { LEGACY_FRAMING, MODERN_FRAMING, counting, lengths, queueRing, zeroes } from '../support/net_rings.ts';

function receive(options: Partial<RxQueueOptions> = {}, size = 4) {
  const parts = queueRing(size);
  const layout = { ...MODERN_FRAMING, isMergeable: false, bufferBytes: 112, ...options };
  const queue = new RxQueue(parts.ring, parts.memory, parts.doorbell, layout);
  const frames: number[][] = [];
  queue.onReceive = (bytes, offset, length) => frames.push([...bytes.subarray(offset, offset + length)]);
  queue.fill();
  return { ...parts, queue, frames };
}

/** A 12-byte header with num_buffers. */
const header = (buffers = 1) => [...zeroes(10), buffers & 0xff, buffers >>> 8];

describe('receive', () => {
  it('every descriptor gets a buffer, and the device is told', () => {
    const { device, notified } = receive();

    expect(device.takeAll().map(lengths)).toEqual([[112], [112], [112], [112]]);
    expect(notified).toEqual([1]);
  });

  it('legacy buffers have the header in a descriptor of its own', () => {
    const { device, queue, frames } = receive({ ...LEGACY_FRAMING, bufferBytes: 110 });
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

describe('a device that means no good', () => {
  it('DRV-08: returns every buffer in the moment in which it gets it: the interrupt ends all the same', () => {
    const { device, queue, memory, ring } = receive();
    const flooded = new RxQueue(
      ring,
      memory,
      {
        notify: () => {
          for (const chain of device.takeAll()) device.answer(chain, [...header(), 1]);
        },
      },
      { ...MODERN_FRAMING, isMergeable: false, bufferBytes: 112 },
    );
    for (const chain of device.takeAll()) device.answer(chain, [...header(), 1]);

    expect(() => flooded.onUsed()).toThrow(expect.objectContaining({ code: 'DEVICE_FLOOD' }));
    expect(queue.frames).toBe(0);
  });

  it.each(['onUsed', 'poll'] as const)(
    'DRV-09: interrupts for each of them within the notification: %s() ends',
    (way) => {
      const { device, memory, ring } = receive();
      let depth = 0;
      let deepest = 0;
      const answerAll = (): void => {
        for (const chain of device.takeAll()) device.answer(chain, [...header(), 1]);
      };
      const notify = (): void => {
        answerAll();
        deepest = Math.max(deepest, ++depth);
        flooded.onUsed();
        depth--;
      };
      const flooded: RxQueue = new RxQueue(
        ring,
        memory,
        { notify },
        { ...MODERN_FRAMING, isMergeable: false, bufferBytes: 112 },
      );
      answerAll();

      expect(() => flooded[way]()).toThrow(expect.objectContaining({ code: 'DEVICE_FLOOD' }));
      expect(deepest).toBe(1); // the handler is not entered again
      expect(flooded.frames).toBe(256 * 4); // rounds, a ring of four each
    },
  );

  it('what comes while poll() fills the ring is delivered by it, since its interrupt was not', () => {
    const { device, memory, ring } = receive();
    let late = 1;
    const notify = (): void => {
      if (late-- > 0) device.answer(device.take()!, [...header(), 2]);
      queue.onUsed();
    };
    const queue: RxQueue = new RxQueue(
      ring,
      memory,
      { notify },
      { ...MODERN_FRAMING, isMergeable: false, bufferBytes: 112 },
    );
    for (const chain of device.takeAll()) device.answer(chain, [...header(), 1]);

    expect(queue.poll()).toBe(4 + 1);
  });
});
