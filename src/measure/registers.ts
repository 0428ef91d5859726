// SPDX-License-Identifier: Apache-2.0
// The registers of a legacy driver, as accesses through BAR0 with MSI-X set up, and beside each the register that tells a
// modern driver the same. Names, widths and access come from the register blocks (virtio 1.4 §4.1.4.10, §4.1.4.3).
import { COMMON_BAR_OFFSET, DEVICE_BAR_OFFSET, ISR_BAR_OFFSET } from '../../assembly/abi/config_layout.ts';
import { VIRTIO_NET_CFG_MAC, VIRTIO_NET_CFG_STATUS, VIRTIO_NET_MAC_SIZE } from '../../assembly/abi/virtio_net.ts';
import * as common from '../../assembly/abi/virtio_pci_common.ts';
import { LEGACY_SIZE_WITH_MSIX } from '../../assembly/abi/virtio_pci_legacy.ts';
import { findRegisterBlock } from '../registers/blocks.ts';
import type { AccessSize } from '../vfio/vfio_device.ts';

/** A register of the legacy layout. */
export interface LegacyRegister {
  readonly name: string;
  /** Offset in BAR0. */
  readonly offset: number;
  /** Bytes of the register, and of one access at its natural width. */
  readonly bytes: number;
  readonly width: AccessSize;
  readonly isWritable: boolean;
  /** What a write puts there: no more than a reset does. */
  readonly value: number;
  /** Offset of the modern register in the virtio BAR. */
  readonly directOffset: number;
  readonly isDirectWritable: boolean;
}

/** One access of a register: at its natural width, or a piece. */
export interface RegisterAccess {
  readonly register: LegacyRegister;
  readonly isWrite: boolean;
  readonly width: AccessSize;
  /** Offsets in BAR0 of the pieces, a single one at natural width. */
  readonly offsets: readonly number[];
}

const DIRECT: Readonly<Record<string, number>> = {
  device_features: COMMON_BAR_OFFSET + common.COMMON_DEVICE_FEATURE,
  driver_features: COMMON_BAR_OFFSET + common.COMMON_DRIVER_FEATURE,
  queue_address: COMMON_BAR_OFFSET + common.COMMON_QUEUE_DESC,
  queue_size: COMMON_BAR_OFFSET + common.COMMON_QUEUE_SIZE,
  queue_select: COMMON_BAR_OFFSET + common.COMMON_QUEUE_SELECT,
  device_status: COMMON_BAR_OFFSET + common.COMMON_DEVICE_STATUS,
  isr_status: ISR_BAR_OFFSET + common.ISR_STATUS,
  config_msix_vector: COMMON_BAR_OFFSET + common.COMMON_CONFIG_MSIX_VECTOR,
  queue_msix_vector: COMMON_BAR_OFFSET + common.COMMON_QUEUE_MSIX_VECTOR,
};

const WIDTHS: readonly AccessSize[] = [4, 2, 1];

/** Every register but queue_notify, which is no administration command. The mac is read and written byte by byte. */
export function legacyRegisters(): LegacyRegister[] {
  const registers: LegacyRegister[] = [];
  for (const { name, offset, width, access } of findRegisterBlock('virtio_pci_legacy')!.registers) {
    const directOffset = DIRECT[name];
    if (directOffset === undefined) continue;
    const isWritable = access === 'RW';
    registers.push({
      name,
      offset,
      bytes: width,
      width: width as AccessSize,
      isWritable,
      value: 0,
      directOffset,
      isDirectWritable: isWritable,
    });
  }
  registers.push(
    deviceRegister('mac', VIRTIO_NET_CFG_MAC, VIRTIO_NET_MAC_SIZE, 1, true),
    deviceRegister('net_status', VIRTIO_NET_CFG_STATUS, 2, 2, false),
  );
  return registers;
}

/** A modern driver changes the mac by a control command, so nothing of the device configuration is directly writable. */
function deviceRegister(
  name: string,
  at: number,
  bytes: number,
  width: AccessSize,
  isWritable: boolean,
): LegacyRegister {
  const directOffset = DEVICE_BAR_OFFSET + at;
  const offset = LEGACY_SIZE_WITH_MSIX + at;
  return { name, offset, bytes, width, isWritable, value: 2, directOffset, isDirectWritable: false };
}

/** Reads and writes of a register at its natural width, then in its smaller pieces. */
export function accessesOf(register: LegacyRegister): RegisterAccess[] {
  const accesses: RegisterAccess[] = [];
  for (const isWrite of register.isWritable ? [false, true] : [false]) {
    for (const width of WIDTHS) {
      if (width > register.width) continue;
      const pieces = register.bytes / width;
      const offsets = Array.from({ length: pieces }, (_, piece) => register.offset + piece * width);
      accesses.push({ register, isWrite, width, offsets });
    }
  }
  return accesses;
}
