// SPDX-License-Identifier: Apache-2.0
// What firmware and the PCI core do before any driver probes: size the BARs, give them addresses, lay out the VF BARs
// as one block each, switch memory decode on, and let the card use the link as the profile's host does. Addresses come
// from a window above 4 GiB.
import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_MEM_FLAGS_MASK,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_COMMAND,
  PCI_COMMAND_MEMORY,
  PCI_STD_NUM_BARS,
} from '../../assembly/abi/pci_header.ts';
import { CAP_EXP, EXT_CAP_SRIOV } from '../../assembly/abi/config_layout.ts';
import {
  PCI_EXP_DEVCAP,
  PCI_EXP_DEVCAP_EXT_TAG,
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL2,
  PCI_EXP_DEVCTL2_10BIT_TAG_REQ_EN,
  PCI_EXP_DEVCTL_EXT_TAG,
  PCI_EXP_DEVCTL_NOSNOOP_EN,
  PCI_EXP_DEVCTL_PAYLOAD_SHIFT,
  PCI_EXP_DEVCTL_READRQ_SHIFT,
  PCI_EXP_DEVCTL_RELAX_EN,
  PCI_EXP_LNKCTL,
  PCI_EXP_LNKCTL_RCB,
  PCI_EXP_TAGS_8BIT,
} from '../../assembly/abi/pci_express.ts';
import {
  PCI_SRIOV_BAR,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_VF_10BIT_TAG,
  PCI_SRIOV_TOTAL_VF,
} from '../../assembly/abi/pci_sriov.ts';
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

/**
 * Sizes and places all BARs, enables memory decode of the PF and sets its link up. Call it once, before drivers start: until
 * then the card keeps to what holds after power-on, payloads of 128 bytes and 32 tags.
 */
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
  setUpLink(nic);
  return { pf, vf };
}

/** Programs the link as the host of the profile allows it: what the registers say bounds what the card does. */
function setUpLink(nic: Nic): void {
  const value = (name: string): number => nic.profile.values.get(name)!;
  const code = (bytes: number): number => Math.log2(bytes / 128);
  const hasExtendedTags = (nic.configRead(0, CAP_EXP + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_EXT_TAG) !== 0;
  const control =
    PCI_EXP_DEVCTL_RELAX_EN |
    PCI_EXP_DEVCTL_NOSNOOP_EN |
    (code(value('link.mps_bytes')) << PCI_EXP_DEVCTL_PAYLOAD_SHIFT) |
    (code(value('link.mrrs_bytes')) << PCI_EXP_DEVCTL_READRQ_SHIFT) |
    (hasExtendedTags ? PCI_EXP_DEVCTL_EXT_TAG : 0);
  nic.configWrite(0, CAP_EXP + PCI_EXP_DEVCTL, 2, control);
  if (value('link.rcb_bytes') === 128) nic.configWrite(0, CAP_EXP + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_RCB);
  if (value('link.tags') <= PCI_EXP_TAGS_8BIT) return;
  nic.configWrite(0, CAP_EXP + PCI_EXP_DEVCTL2, 2, PCI_EXP_DEVCTL2_10BIT_TAG_REQ_EN);
  nic.configWrite(0, EXT_CAP_SRIOV + PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_VF_10BIT_TAG);
}
