// SPDX-License-Identifier: Apache-2.0
// The transmit queue: framing of the header, full rings, lengths that cannot be sent.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { TxQueue, type TxQueueOptions } from '../../src/guest/net_queues.ts';
import { LEGACY_FRAMING, MODERN_FRAMING, counting, lengths, queueRing, zeroes } from '../support/net_rings.ts';
import type { Chain } from '../support/ring_device.ts';

const error = (code: string) => expect.objectContaining({ code });

function transmit(options: Partial<TxQueueOptions> = {}, size = 4) {
  const parts = queueRing(size);
  const queue = new TxQueue(parts.ring, parts.memory, parts.doorbell, {
    ...MODERN_FRAMING,
    maxFrameBytes: 1518,
    ...options,
  });
  return { ...parts, queue };
}

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
    const { queue, device } = transmit(LEGACY_FRAMING);

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
      fc.property(
        fc.array(fc.nat(7), { maxLength: 60 }),
        fc.constantFrom(MODERN_FRAMING, LEGACY_FRAMING),
        (picks, framing) => {
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
        },
      ),
    );
  });
});
