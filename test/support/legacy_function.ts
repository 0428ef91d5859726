// SPDX-License-Identifier: Apache-2.0
// A transitional function reduced to registers: its identity in configuration space and those of virtio 0.9.5 in BAR0.
import type { AccessSize } from '../../src/vfio/vfio_device.ts';
import type { PlainMemory } from './plain_memory.ts';
import { RegisterFunction } from './register_function.ts';
import { RingDevice } from './ring_device.ts';

export const LEGACY_MAC = [0x52, 0x54, 0x00, 0xab, 0xcd, 0xef];

export class LegacyFunction extends RegisterFunction {
  features = (1 << 5) | (1 << 16);
  driverFeatures = 0;
  readonly pages = [0, 0, 0];
  readonly netConfig = [...LEGACY_MAC, 1, 0];
  private selected = 0;
  private configMsix = 0xffff;

  constructor() {
    super(3, 16);
    this.view.setUint16(0x02, 0x1000, true);
    this.view.setUint16(0x2e, 1, true);
    this.sizes[0] = 32;
  }

  override read(region: number, offset: number, size: AccessSize): number {
    if (region !== 0) return super.read(region, offset, size);
    const value = this.legacyRead(offset);
    this.log.push(`r${8 * size} ${offset} = 0x${value.toString(16)}`);
    return value;
  }

  override write(region: number, offset: number, size: AccessSize, value: number): void {
    if (region !== 0) {
      super.write(region, offset, size, value);
      return;
    }
    this.log.push(`w${8 * size} ${offset} 0x${value.toString(16)}`);
    if (offset === 4) this.driverFeatures = value;
    else if (offset === 8) this.pages[this.selected] = value;
    else if (offset === 14) this.selected = value;
    else if (offset === 16) this.notified.push(value);
    else if (offset === 18) this.writeLegacyStatus(value);
    else if (offset === 20 && this.isMsixOn) this.configMsix = value < this.usableVectors ? value : 0xffff;
    else if (offset === 22 && this.isMsixOn)
      this.queues[this.selected]!.vector = value < this.usableVectors ? value : 0xffff;
    else this.netConfig[offset - this.configBase] = value;
  }

  /** The device's side of a queue: parts of the contiguous layout of 16 descriptors, one page further for used. */
  legacyRing(memory: PlainMemory, index: number): RingDevice {
    const descriptorIova = this.pages[index]! * 4096;
    return new RingDevice(memory, {
      size: 16,
      descriptorIova,
      driverIova: descriptorIova + 256,
      deviceIova: descriptorIova + 4096,
    });
  }

  private get isMsixOn(): boolean {
    return (this.handlers[2]?.length ?? 0) > 0;
  }

  private get configBase(): number {
    return this.isMsixOn ? 24 : 20;
  }

  private legacyRead(offset: number): number {
    if (offset >= this.configBase) return this.netConfig[offset - this.configBase] ?? 0;
    if (offset === 0) return this.features;
    if (offset === 8) return this.pages[this.selected] ?? 0;
    if (offset === 12) return this.queues[this.selected]?.size ?? 0;
    if (offset === 18) return this.status;
    if (offset === 20) return this.configMsix;
    return offset === 22 ? this.queues[this.selected]!.vector : 0;
  }

  private writeLegacyStatus(value: number): void {
    this.status = value;
    if (value === 0) this.pages.fill(0);
  }
}
