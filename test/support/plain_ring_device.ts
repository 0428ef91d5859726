// SPDX-License-Identifier: Apache-2.0
// The device's side of the ring format of the tests' own, played by hand. Its numbers are those of the head of
// plain_ring.ts, written out.
import type { PlainMemory } from './plain_memory.ts';
import type { RingPlace, Segment } from './ring_device.ts';

export interface Buffer {
  readonly id: number;
  readonly segments: readonly Segment[];
}

export class PlainRingDevice {
  private readonly memory: PlainMemory;
  private readonly size: number;
  private readonly driver: number;
  private readonly device: number;
  private seen = 0;
  private returned = 0;

  constructor(memory: PlainMemory, { size, driverIova, deviceIova }: RingPlace) {
    this.memory = memory;
    this.size = size;
    this.driver = memory.offset(driverIova, 16 + 16 * size);
    this.device = memory.offset(deviceIova, 4 + 8 * size);
  }

  take(): Buffer | null {
    const { view } = this.memory;
    const segments: Segment[] = [];
    while (this.seen !== view.getUint16(this.driver, true)) {
      const at = this.driver + 16 + 16 * (this.seen % this.size);
      this.seen = (this.seen + 1) & 0xffff;
      const flags = view.getUint16(at + 12, true);
      const iova = Number(view.getBigUint64(at, true));
      segments.push({ iova, length: view.getUint32(at + 8, true), isWritable: (flags & 2) !== 0 });
      if ((flags & 1) === 0) return { id: view.getUint16(at + 14, true), segments };
    }
    return null;
  }

  complete(id: number, length: number): void {
    const { view } = this.memory;
    const at = this.device + 4 + 8 * (this.returned % this.size);
    view.setUint32(at, id, true);
    view.setUint32(at + 4, length, true);
    this.returned = (this.returned + 1) & 0xffff;
    view.setUint16(this.device, this.returned, true);
  }

  /** Bytes of the readable segments. */
  read({ segments }: Buffer): number[] {
    return segments
      .filter(({ isWritable }) => !isWritable)
      .flatMap(({ iova, length }) => {
        const at = this.memory.offset(iova, length);
        return [...this.memory.u8.subarray(at, at + length)];
      });
  }

  /** Writes bytes into the writable segments and returns the buffer with their number. */
  answer({ id, segments }: Buffer, bytes: readonly number[]): void {
    let done = 0;
    for (const { iova, length, isWritable } of segments) {
      if (!isWritable) continue;
      this.memory.u8.set(bytes.slice(done, done + length), this.memory.offset(iova, length));
      done += Math.min(length, bytes.length - done);
    }
    this.complete(id, done);
  }
}
