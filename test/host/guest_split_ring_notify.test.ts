// SPDX-License-Identifier: Apache-2.0
// When the driver of a split ring notifies the device, and how it asks for interrupts: virtio 1.4 §2.7.7 and §2.7.10.
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

describe('notifications', () => {
  it('without event index the device is notified unless used flags hold NO_NOTIFY', () => {
    const { ring, device } = setup();

    add(ring, 0);
    const wanted = ring.publish();
    device.usedFlags = 1;
    add(ring, 0);

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
      add(ring, 0);
      return ring.publish();
    });

    expect(wanted).toEqual([false, false, true, false]);
  });

  it('a notification of the next chain is wanted by flags of 0, or by avail_event at the available index', () => {
    const byFlags = setup();
    const byEvent = setup({ hasEventIdx: true });
    const before = [byFlags.ring.wantsNotification(), byEvent.ring.wantsNotification()];

    byFlags.device.usedFlags = 1;
    byEvent.device.availEvent = 1;
    const without = [byFlags.ring.wantsNotification(), byEvent.ring.wantsNotification()];
    for (const { ring } of [byFlags, byEvent]) {
      add(ring, 0);
      ring.publish();
    }

    expect([before, without]).toEqual([
      [true, true],
      [false, false],
    ]);
    expect([byFlags.ring.wantsNotification(), byEvent.ring.wantsNotification()]).toEqual([false, true]);
  });

  it('a batch that contains avail_event notifies once', () => {
    const { ring, device } = setup({ hasEventIdx: true });
    device.availEvent = 1;

    for (let i = 0; i < 3; i++) add(ring, 0);

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
    add(ring, 0, 1, true);
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
    add(ring, 0, 1, true);
    ring.publish();
    ring.disableInterrupts();

    device.complete(0, 0);

    expect(ring.enableInterrupts()).toBe(true);
  });
});
