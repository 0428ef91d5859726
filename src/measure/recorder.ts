// SPDX-License-Identifier: Apache-2.0
// A VfioDevice that notes every access of its driver with begin and end, and hands it on unchanged.
import type {
  AccessSize,
  AddressSpace,
  IrqHandler,
  VfioDevice,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioRegionInfo,
} from '../vfio/vfio_device.ts';

/** One access; `irqs` is setting interrupts up or giving them back. */
export interface RecordedAccess {
  readonly kind: 'read' | 'write' | 'irqs';
  readonly region: number;
  readonly offset: number;
  readonly bytes: number;
  /** What was read or written; 0 for irqs and for long accesses. */
  readonly value: number;
  /** Cycles at which the driver began, and at which it could go on. */
  readonly begin: number;
  readonly end: number;
  /** The access was an administration command. */
  readonly isCommand: boolean;
}

/** Where the recorder looks: simulated time, and how many administration commands the PF has sent. */
export interface RecorderSources {
  now(): number;
  commands(): number;
}

/** Notes down what a driver does with a device. */
export class Recorder implements VfioDevice {
  readonly accesses: RecordedAccess[] = [];
  readonly requesterId: number;
  private readonly device: VfioDevice;
  private readonly sources: RecorderSources;

  constructor(device: VfioDevice, sources: RecorderSources) {
    this.device = device;
    this.sources = sources;
    this.requesterId = device.requesterId;
  }

  read(region: number, offset: number, size: AccessSize): number {
    return this.note('read', region, offset, size, () => this.device.read(region, offset, size));
  }

  write(region: number, offset: number, size: AccessSize, value: number): void {
    this.note('write', region, offset, size, () => {
      this.device.write(region, offset, size, value);
      return value;
    });
  }

  readBytes(region: number, offset: number, data: Uint8Array): number {
    this.note('read', region, offset, data.length, () => {
      this.device.readBytes(region, offset, data);
      return 0;
    });
    return data.length;
  }

  writeBytes(region: number, offset: number, data: Uint8Array): number {
    this.note('write', region, offset, data.length, () => {
      this.device.writeBytes(region, offset, data);
      return 0;
    });
    return data.length;
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    this.note('irqs', index, start, handlers.length, () => {
      this.device.setIrqs(index, start, handlers);
      return 0;
    });
  }

  disableIrqs(index: number): void {
    this.note('irqs', index, 0, 0, () => {
      this.device.disableIrqs(index);
      return 0;
    });
  }

  info(): VfioDeviceInfo {
    return this.device.info();
  }

  regionInfo(index: number): VfioRegionInfo {
    return this.device.regionInfo(index);
  }

  irqInfo(index: number): VfioIrqInfo {
    return this.device.irqInfo(index);
  }

  attach(ioas: AddressSpace | null): void {
    this.device.attach(ioas);
  }

  reset(): void {
    this.device.reset();
  }

  open(): void {
    this.device.open();
  }

  close(): void {
    this.device.close();
  }

  private note(
    kind: RecordedAccess['kind'],
    region: number,
    offset: number,
    bytes: number,
    access: () => number,
  ): number {
    const begin = this.sources.now();
    const commands = this.sources.commands();
    const value = access();
    const isCommand = this.sources.commands() !== commands;
    this.accesses.push({ kind, region, offset, bytes, value, begin, end: this.sources.now(), isCommand });
    return value;
  }
}
