// SPDX-License-Identifier: Apache-2.0
// Configuration space of the transitional function that the guest is shown: what the core returns, with the bytes of a
// legacy device's identity and of the invented BAR0 laid over it, whatever the width and alignment of the access.
import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_SPACE_IO,
  PCI_COMMAND,
  PCI_COMMAND_IO,
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL,
  PCI_REVISION_ID,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID_VIRTIO,
} from '../../assembly/abi/pci_header.ts';
import { VIRTIO_ID_NET } from '../../assembly/abi/virtio_net.ts';

/** Address bits below the size of BAR0 read as 0. */
const BAR0_SIZE_BITS = 31;

/** The remembered command and BAR0 registers, and the bytes that the guest reads. */
export class ConfigOverlay {
  private readonly fixed: ReadonlyMap<number, number>;
  /** Behind the last byte that the overlay changes. */
  private readonly end: number;
  private command = 0;
  private bar0 = 0;

  /** `fixed`: more bytes that read so whatever the core returns, by offset; what the guest writes there is lost. */
  constructor(fixed: ReadonlyMap<number, number> = new Map()) {
    this.fixed = fixed;
    this.end = Math.max(PCI_SUBSYSTEM_ID + 2, ...[...fixed.keys()].map((offset) => offset + 1));
  }

  /** The guest's last command write had I/O decoding on, and no reset came since. */
  get isIoEnabled(): boolean {
    return (this.command & PCI_COMMAND_IO) !== 0;
  }

  /** After a reset: BAR0 keeps its address, I/O decoding is off. */
  forgetCommand(): void {
    this.command = 0;
  }

  /** What the guest reads where the core returned `value` for `size` bytes at `offset`. */
  apply(offset: number, size: number, value: number): number {
    if (offset >= this.end) return value;
    let seen = 0;
    for (let i = 0; i < size; i++) seen |= this.byte(offset + i, (value >>> (8 * i)) & 0xff) << (8 * i);
    return seen >>> 0;
  }

  /** The same for any number of bytes, in place. */
  applyBytes(offset: number, data: Uint8Array, count: number): void {
    const end = Math.min(count, this.end - offset);
    for (let i = 0; i < end; i++) data[i] = this.byte(offset + i, data[i]!);
  }

  /** Takes note of one byte that the guest wrote; false where it does not reach the core. */
  remember(offset: number, byte: number): boolean {
    if (this.fixed.has(offset)) return false;
    if (offset >= PCI_COMMAND && offset < PCI_COMMAND + 2) {
      this.command = replaceByte(this.command, offset - PCI_COMMAND, byte);
    } else if (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_BASE_ADDRESS_0 + 4) {
      this.bar0 = replaceByte(this.bar0, offset - PCI_BASE_ADDRESS_0, byte);
    }
    return true;
  }

  private byte(offset: number, core: number): number {
    switch (offset) {
      case PCI_DEVICE_ID:
        return PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL & 0xff;
      case PCI_DEVICE_ID + 1:
        return PCI_DEVICE_ID_VIRTIO_NET_TRANSITIONAL >>> 8;
      case PCI_COMMAND:
        return core | (this.command & PCI_COMMAND_IO);
      case PCI_REVISION_ID:
        return 0;
      case PCI_BASE_ADDRESS_0:
        return (this.bar0 & 0xff & ~BAR0_SIZE_BITS) | PCI_BASE_ADDRESS_SPACE_IO;
      case PCI_BASE_ADDRESS_0 + 1:
        return (this.bar0 >>> 8) & 0xff;
      case PCI_BASE_ADDRESS_0 + 2:
        return (this.bar0 >>> 16) & 0xff;
      case PCI_BASE_ADDRESS_0 + 3:
        return this.bar0 >>> 24;
      case PCI_SUBSYSTEM_VENDOR_ID:
        return PCI_VENDOR_ID_VIRTIO & 0xff;
      case PCI_SUBSYSTEM_VENDOR_ID + 1:
        return PCI_VENDOR_ID_VIRTIO >>> 8;
      case PCI_SUBSYSTEM_ID:
        return VIRTIO_ID_NET;
      case PCI_SUBSYSTEM_ID + 1:
        return 0;
      default:
        return this.fixed.get(offset) ?? core;
    }
  }
}

function replaceByte(value: number, index: number, byte: number): number {
  const shift = 8 * index;
  return ((value & ~(0xff << shift)) | ((byte & 0xff) << shift)) >>> 0;
}
