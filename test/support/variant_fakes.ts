// SPDX-License-Identifier: Apache-2.0
// Both neighbours of the variant driver, recorded: the vfio-pci core below it with a VF's configuration space, and the
// PF's admin queue beside it. What reaches them, in which order and with which bytes, is what the tests look at.
import type { PfAdmin, PfAdminResult } from '../../src/variant/pf_admin.ts';
import { VirtioVfioPci } from '../../src/variant/virtio_vfio_pci.ts';
import type {
  AccessSize,
  AddressSpace,
  IrqHandler,
  VfioDevice,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioRegionInfo,
} from '../../src/vfio/vfio_device.ts';

/** A VF as vfio-pci shows it: 1af4:1041, no BAR0, BAR2 of 16 KiB, BAR4 of 4 KiB, PCI Express at 0x40 with FLR. */
export class RecordedCore implements VfioDevice {
  readonly requesterId = 0x0108;
  readonly config = new Uint8Array(4096);
  readonly sizes = [0, 0, 0x4000, 0, 0x1000, 0, 0, 4096, 0];
  readonly log: string[] = [];
  /** Value of the next register read outside configuration space. */
  readValue = 0;
  failure: Error | null = null;

  constructor() {
    const view = new DataView(this.config.buffer);
    view.setUint16(0x00, 0x1af4, true);
    view.setUint16(0x02, 0x1041, true);
    view.setUint16(0x04, 0x0002, true); // memory enable, as the core shows for a VF
    view.setUint16(0x06, 0x0010, true);
    view.setUint32(0x08, 0x0200_0001, true); // Ethernet, revision 1
    view.setUint16(0x2c, 0x1af4, true);
    view.setUint16(0x2e, 0x1100, true);
    view.setUint8(0x34, 0x40);
    view.setUint16(0x40, 0x0010, true);
    view.setUint32(0x44, 1 << 28, true);
  }

  info(): VfioDeviceInfo {
    return { flags: 3, numRegions: 9, numIrqs: 5 };
  }

  regionInfo(index: number): VfioRegionInfo {
    return { index, flags: 7, size: this.sizes[index] ?? 0 };
  }

  irqInfo(index: number): VfioIrqInfo {
    return { index, flags: 9, count: index === 2 ? 4 : 0 };
  }

  read(region: number, offset: number, size: AccessSize): number {
    this.note(`read ${region} ${offset} ${size}`);
    if (region !== 7) return this.readValue;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.config[offset + i]!;
    return value;
  }

  write(region: number, offset: number, size: AccessSize, value: number): void {
    this.note(`write ${region} ${offset} ${size} 0x${value.toString(16)}`);
  }

  readBytes(region: number, offset: number, data: Uint8Array): number {
    this.note(`readBytes ${region} ${offset} ${data.length}`);
    data.set(this.config.subarray(offset, offset + data.length));
    return data.length;
  }

  writeBytes(region: number, offset: number, data: Uint8Array): number {
    this.note(`writeBytes ${region} ${offset} ${[...data].join(' ')}`);
    return data.length;
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    this.note(`setIrqs ${index} ${start} ${handlers.length}`);
  }

  disableIrqs(index: number): void {
    this.note(`disableIrqs ${index}`);
  }

  attach(ioas: AddressSpace | null): void {
    this.note(`attach ${ioas?.id ?? 'none'}`);
  }

  reset(): void {
    this.note('reset');
  }

  open(): void {
    this.note('open');
  }

  close(): void {
    this.note('close');
  }

  private note(line: string): void {
    this.log.push(line);
    if (this.failure !== null) throw this.failure;
  }
}

/** A member entry of LEGACY_NOTIFY_INFO. */
export function notifyEntry(flags: number, bar: number, offset: number): number[] {
  return [flags, bar, 0, 0, 0, 0, 0, 0, ...[0, 8, 16, 24].map((shift) => (offset >>> shift) & 0xff), 0, 0, 0, 0];
}

export class RecordedPf implements PfAdmin {
  supportedCommands = 0x7c;
  devicePartsLimit = 0;
  readonly log: string[] = [];
  /** Answers in order; an empty list answers success with zeroes as long as asked. */
  readonly answers: Partial<PfAdminResult>[] = [];

  exec(
    opcode: number,
    groupType: number,
    memberId: number,
    data: Uint8Array | null,
    resultLength: number,
  ): PfAdminResult {
    this.log.push(`${opcode} group ${groupType} member ${memberId} [${[...(data ?? [])].join(' ')}] ${resultLength}`);
    const result = this.answers.shift() ?? { result: new Uint8Array(resultLength) };
    return { status: 0, qualifier: 0, resultLength: result.result?.length ?? 0, result: new Uint8Array(0), ...result };
  }

  answer(...bytes: readonly number[]): this {
    this.answers.push({ result: Uint8Array.from(bytes) });
    return this;
  }

  fail(status: number, ...bytes: readonly number[]): this {
    this.answers.push({ status, result: Uint8Array.from(bytes) });
    return this;
  }
}

/** VF 4 (member 5) bound as transitional device, opened, I/O decoding on, logs empty. Notify area: BAR2 + 0x3000. */
export function boundVf(): { device: VirtioVfioPci; core: RecordedCore; pf: RecordedPf } {
  const core = new RecordedCore();
  const pf = new RecordedPf().answer(...notifyEntry(2, 2, 0x3000), ...new Uint8Array(48));
  const device = new VirtioVfioPci(core, pf, 4);
  device.open();
  device.write(7, 4, 2, 0x0001);
  core.log.length = 0;
  pf.log.length = 0;
  return { device, core, pf };
}
