// SPDX-License-Identifier: Apache-2.0
// A ring with both of its sides, for tests of network queues, and the byte patterns that they send.
import { SplitRing } from '../../src/guest/split_ring.ts';
import { PlainMemory } from './plain_memory.ts';
import { RingDevice, type Chain } from './ring_device.ts';

export const MODERN_FRAMING = { headerBytes: 12, hasSeparateHeader: false };
export const LEGACY_FRAMING = { headerBytes: 10, hasSeparateHeader: true };

/** `length` bytes that count up from `from`. */
export function counting(length: number, from = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => from + i);
}

export function zeroes(count: number): number[] {
  return Array.from({ length: count }, () => 0);
}

export function lengths(chain: Chain | null): number[] | undefined {
  return chain?.segments.map((segment) => segment.length);
}

/** A ring for queue 1, its device's side, and the notifications that came. */
export function queueRing(size: number) {
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
