// SPDX-License-Identifier: Apache-2.0
// Walks a copy of a function's configuration space (PCIe 6.0 §7.5, §7.6.3): the list of capabilities in the first 256
// bytes and the extended ones behind them, each with the register block that describes it. The links are followed as
// software follows them, so what is printed is what a host finds.
import { PCI_EXT_CAP_ID_ARI } from '../../../assembly/abi/pci_ari.ts';
import { PCI_CAP_ID_EXP } from '../../../assembly/abi/pci_express.ts';
import {
  PCI_CAPABILITY_LIST,
  PCI_CAP_LIST_ID,
  PCI_CAP_LIST_NEXT,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_CFG_SPACE_SIZE,
  PCI_EXT_CAP_HEADER_NEXT_SHIFT,
  PCI_EXT_CAP_HEADER_ID_MASK,
  PCI_EXT_CAP_START,
  PCI_HEADER_SIZE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
} from '../../../assembly/abi/pci_header.ts';
import { PCI_CAP_ID_MSIX } from '../../../assembly/abi/pci_msix.ts';
import { PCI_CAP_ID_PM } from '../../../assembly/abi/pci_pm.ts';
import { PCI_EXT_CAP_ID_SRIOV } from '../../../assembly/abi/pci_sriov.ts';
import {
  PCI_CAP_ID_VNDR,
  VIRTIO_PCI_CAP_CFG_TYPE,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_PCI_CFG,
} from '../../../assembly/abi/virtio_pci_cap.ts';

/** A capability where the list has it. */
export interface Capability {
  readonly offset: number;
  readonly id: number;
  readonly isExtended: boolean;
  readonly name: string;
  /** Register block of src/registers; null for a capability that it does not describe. */
  readonly block: string | null;
}

type Known = Readonly<Record<number, readonly [name: string, block: string]>>;

const CAPABILITIES: Known = {
  [PCI_CAP_ID_PM]: ['power management', 'pci_pm'],
  [PCI_CAP_ID_MSIX]: ['MSI-X', 'pci_msix'],
  [PCI_CAP_ID_EXP]: ['PCI Express', 'pci_express'],
};
const EXTENDED: Known = {
  [PCI_EXT_CAP_ID_ARI]: ['ARI', 'pci_ari'],
  [PCI_EXT_CAP_ID_SRIOV]: ['SR-IOV', 'pci_sriov'],
};
const VIRTIO: Known = {
  [VIRTIO_PCI_CAP_COMMON_CFG]: ['virtio common', 'virtio_pci_cap'],
  [VIRTIO_PCI_CAP_NOTIFY_CFG]: ['virtio notify', 'virtio_pci_notify_cap'],
  [VIRTIO_PCI_CAP_ISR_CFG]: ['virtio ISR', 'virtio_pci_cap'],
  [VIRTIO_PCI_CAP_DEVICE_CFG]: ['virtio device', 'virtio_pci_cap'],
  [VIRTIO_PCI_CAP_PCI_CFG]: ['virtio PCI access', 'virtio_pci_cfg_cap'],
};

/** A copy of 4,096 bytes, read in order. */
export class ConfigSpace {
  readonly bytes: Uint8Array;
  readonly capabilities: readonly Capability[];
  private readonly view: DataView;

  /** `read` is called for each dword. */
  constructor(read: (offset: number) => number) {
    this.bytes = new Uint8Array(PCI_CFG_SPACE_EXP_SIZE);
    this.view = new DataView(this.bytes.buffer);
    for (let at = 0; at < this.bytes.length; at += 4) this.view.setUint32(at, read(at), true);
    this.capabilities = [...this.listed(), ...this.extended()];
  }

  u8(offset: number): number {
    return this.view.getUint8(offset);
  }

  u16(offset: number): number {
    return this.view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.view.getUint32(offset, true);
  }

  find(block: string): Capability | undefined {
    return this.capabilities.find((capability) => capability.block === block);
  }

  private listed(): Capability[] {
    const found: Capability[] = [];
    if ((this.u16(PCI_STATUS) & PCI_STATUS_CAP_LIST) === 0) return found;
    const seen = new Set<number>();
    let at = this.u8(PCI_CAPABILITY_LIST) & ~3;
    while (at >= PCI_HEADER_SIZE && at < PCI_CFG_SPACE_SIZE && !seen.has(at)) {
      seen.add(at);
      const id = this.u8(at + PCI_CAP_LIST_ID);
      const type = this.u8(at + VIRTIO_PCI_CAP_CFG_TYPE);
      const known = id === PCI_CAP_ID_VNDR ? VIRTIO[type] : CAPABILITIES[id];
      found.push({ offset: at, id, isExtended: false, name: known?.[0] ?? 'unknown', block: known?.[1] ?? null });
      at = this.u8(at + PCI_CAP_LIST_NEXT) & ~3;
    }
    return found;
  }

  private extended(): Capability[] {
    const found: Capability[] = [];
    const seen = new Set<number>();
    let at = PCI_EXT_CAP_START;
    while (at >= PCI_EXT_CAP_START && at < this.bytes.length && !seen.has(at)) {
      seen.add(at);
      const header = this.u32(at);
      if (header === 0 || header === 0xffffffff) break;
      const id = header & PCI_EXT_CAP_HEADER_ID_MASK;
      const known = EXTENDED[id];
      found.push({ offset: at, id, isExtended: true, name: known?.[0] ?? 'unknown', block: known?.[1] ?? null });
      at = (header >>> PCI_EXT_CAP_HEADER_NEXT_SHIFT) & ~3;
    }
    return found;
  }
}

/** A number in hexadecimal with 0x, at least `digits` of them. */
export function hex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
