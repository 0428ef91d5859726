// SPDX-License-Identifier: Apache-2.0
// What firmware and the PCI core do before any driver probes: size the BARs, give them addresses, lay out the VF BARs
// as one block each, switch memory decode on. Addresses come from a window above 4 GiB.
import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_MEM_FLAGS_MASK,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_COMMAND,
  PCI_COMMAND_MEMORY,
  PCI_STD_NUM_BARS,
} from '../../assembly/abi/pci_header.ts';
import { EXT_CAP_SRIOV } from '../../assembly/abi/config_layout.ts';
import { PCI_SRIOV_BAR, PCI_SRIOV_TOTAL_VF } from '../../assembly/abi/pci_sriov.ts';
import type { Nic } from './nic.ts';

/** Where BAR addresses are given out from. */
export const MMIO_BASE = 0x80_0000_0000;
const ALL_ONES = 0xffffffff;

/** A BAR as sizing found it. */
export interface Bar {
  readonly index: number;
  /** Bytes; for a VF BAR, of each VF. */
  readonly bytes: number;
  readonly flags: number;
  readonly address: number;
}

/** The BARs of a card with their addresses. */
export interface BusLayout {
  readonly pf: readonly Bar[];
  /** Address of VF 1's share; VF n's lies (n - 1) * bytes further. */
  readonly vf: readonly Bar[];
}

/** Sizes and places all BARs and enables memory decode of the PF. Call it once, before drivers start. */
export function enumerate(nic: Nic): BusLayout {
  let next = MMIO_BASE;
  const place = (register: number, copies: number): Bar[] => {
    const bars: Bar[] = [];
    for (let index = 0; index < PCI_STD_NUM_BARS; index += 2) {
      const at = register + 4 * index;
      const flags = nic.configRead(0, at, 4) & PCI_BASE_ADDRESS_MEM_FLAGS_MASK;
      nic.configWrite(0, at, 4, ALL_ONES);
      const mask = (nic.configRead(0, at, 4) & ~PCI_BASE_ADDRESS_MEM_FLAGS_MASK) >>> 0;
      if (mask === 0 || (flags & PCI_BASE_ADDRESS_MEM_TYPE_64) === 0) continue;
      const bytes = 0x1_0000_0000 - mask; // every BAR of the card is smaller than 4 GiB
      next = Math.ceil(next / bytes) * bytes;
      nic.configWrite(0, at, 4, next >>> 0);
      nic.configWrite(0, at + 4, 4, Math.floor(next / 0x1_0000_0000));
      bars.push({ index, bytes, flags, address: next });
      next += bytes * copies;
    }
    return bars;
  };
  const pf = place(PCI_BASE_ADDRESS_0, 1);
  const vf = place(EXT_CAP_SRIOV + PCI_SRIOV_BAR, nic.configRead(0, EXT_CAP_SRIOV + PCI_SRIOV_TOTAL_VF, 2));
  nic.configWrite(0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
  return { pf, vf };
}
