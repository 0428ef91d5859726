// SPDX-License-Identifier: Apache-2.0
// The device's side of a split ring, played by hand: numbers are those of virtio 1.4 §2.7, written out, and nothing of the
// driver under test is used to find them.
import type { PlainMemory } from './plain_memory.ts';

export interface Segment {
  readonly iova: number;
  readonly length: number;
  readonly isWritable: boolean;
}

export interface Chain {
  readonly head: number;
  readonly segments: readonly Segment[];
  readonly isIndirect: boolean;
}

/** Device addresses of the three parts, as a driver hands them over. */
export interface RingPlace {
  readonly size: number;
  readonly descriptorIova: number;
  readonly driverIova: number;
  readonly deviceIova: number;
}

export class RingDevice {
  readonly size: number;
  private readonly memory: PlainMemory;
  private readonly desc: number;
  private readonly avail: number;
  private readonly used: number;
  private lastAvail = 0;

  constructor(memory: PlainMemory, place: RingPlace) {
    this.memory = memory;
    this.size = place.size;
    this.desc = memory.offset(place.descriptorIova, 16 * place.size);
    this.avail = memory.offset(place.driverIova, 6 + 2 * place.size);
    this.used = memory.offset(place.deviceIova, 6 + 8 * place.size);
  }

  /** The next chain that the driver made available; null where there is none. */
  take(): Chain | null {
    const { view } = this.memory;
    if (this.availIdx === this.lastAvail) return null;
    const head = view.getUint16(this.avail + 4 + 2 * (this.lastAvail % this.size), true);
    this.lastAvail = (this.lastAvail + 1) & 0xffff;
    const flags = view.getUint16(this.desc + 16 * head + 12, true);
    if ((flags & 4) === 0) return { head, segments: this.walk(this.desc, head, this.size), isIndirect: false };
    const table = this.memory.offset(this.address(this.desc + 16 * head));
    const entries = view.getUint32(this.desc + 16 * head + 8, true) / 16;
    return { head, segments: this.walk(table, 0, entries), isIndirect: true };
  }

  takeAll(): Chain[] {
    const chains: Chain[] = [];
    for (let chain = this.take(); chain !== null; chain = this.take()) chains.push(chain);
    return chains;
  }

  /** Bytes of all device-readable segments. */
  read(chain: Chain): number[] {
    return chain.segments
      .filter((segment) => !segment.isWritable)
      .flatMap(({ iova, length }) => [
        ...this.memory.u8.subarray(this.memory.offset(iova), this.memory.offset(iova) + length),
      ]);
  }

  /** Spreads bytes over the device-writable segments. */
  write(chain: Chain, bytes: ArrayLike<number>): void {
    let done = 0;
    for (const { iova, length, isWritable } of chain.segments) {
      if (!isWritable) continue;
      const at = this.memory.offset(iova, length);
      for (let i = 0; i < length && done < bytes.length; i++) this.memory.u8[at + i] = bytes[done++]!;
    }
    if (done < bytes.length) throw new RangeError(`chain takes ${done} of ${bytes.length} bytes`);
  }

  /** Returns a chain, or whatever id and length the test wants the driver to see. */
  complete(id: number, length: number): void {
    const { view } = this.memory;
    const idx = this.usedIdx;
    const element = this.used + 4 + 8 * (idx % this.size);
    view.setUint32(element, id, true);
    view.setUint32(element + 4, length, true);
    this.usedIdx = (idx + 1) & 0xffff;
  }

  /** Writes bytes into a chain and returns it with their number. */
  answer(chain: Chain, bytes: ArrayLike<number>): void {
    this.write(chain, bytes);
    this.complete(chain.head, bytes.length);
  }

  get availIdx(): number {
    return this.memory.view.getUint16(this.avail + 2, true);
  }

  get availFlags(): number {
    return this.memory.view.getUint16(this.avail, true);
  }

  get usedEvent(): number {
    return this.memory.view.getUint16(this.avail + 4 + 2 * this.size, true);
  }

  get usedIdx(): number {
    return this.memory.view.getUint16(this.used + 2, true);
  }

  set usedIdx(value: number) {
    this.memory.view.setUint16(this.used + 2, value, true);
  }

  set usedFlags(value: number) {
    this.memory.view.setUint16(this.used, value, true);
  }

  set availEvent(value: number) {
    this.memory.view.setUint16(this.used + 4 + 8 * this.size, value, true);
  }

  private address(at: number): number {
    const { view } = this.memory;
    return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  }

  private walk(table: number, first: number, limit: number): Segment[] {
    const { view } = this.memory;
    const segments: Segment[] = [];
    for (let i = first, flags = 1; (flags & 1) === 1; i = view.getUint16(table + 16 * i + 14, true)) {
      if (i >= limit || segments.length >= limit) throw new RangeError(`descriptor ${i} of a table of ${limit}`);
      flags = view.getUint16(table + 16 * i + 12, true);
      segments.push({
        iova: this.address(table + 16 * i),
        length: view.getUint32(table + 16 * i + 8, true),
        isWritable: (flags & 2) !== 0,
      });
    }
    return segments;
  }
}
