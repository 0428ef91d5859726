// SPDX-License-Identifier: Apache-2.0
// A transitional function whose modern interface is not shown: the list of capabilities passes over those of virtio
// (virtio 1.4 §4.1.4), whose bytes read 0. A driver that prefers the modern interface then takes the legacy one.
import {
  PCI_CAPABILITY_LIST,
  PCI_CAP_LIST_ID,
  PCI_CAP_LIST_NEXT,
  PCI_CFG_SPACE_SIZE,
  PCI_HEADER_SIZE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
} from '../../assembly/abi/pci_header.ts';
import { PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_LEN } from '../../assembly/abi/virtio_pci_cap.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX, type VfioDevice } from '../vfio/vfio_device.ts';

/** Bytes of configuration space by offset, where they read otherwise than the core's: virtio's capabilities left out. */
export function leaveModernOut(core: VfioDevice): ReadonlyMap<number, number> {
  const read = (offset: number): number => core.read(VFIO_PCI_CONFIG_REGION_INDEX, offset, 1);
  const bytes = new Map<number, number>();
  if ((read(PCI_STATUS) & PCI_STATUS_CAP_LIST) === 0) return bytes;
  let pointer = PCI_CAPABILITY_LIST; // of the last capability that is shown
  let at = read(pointer) & ~3;
  for (let left = (PCI_CFG_SPACE_SIZE - PCI_HEADER_SIZE) / 4; left > 0 && at >= PCI_HEADER_SIZE; left--) {
    const next = read(at + PCI_CAP_LIST_NEXT) & ~3;
    if (read(at + PCI_CAP_LIST_ID) === PCI_CAP_ID_VNDR) {
      const end = at + read(at + VIRTIO_PCI_CAP_LEN);
      for (let offset = at; offset < end; offset++) bytes.set(offset, 0);
      bytes.set(pointer, next);
    } else {
      pointer = at + PCI_CAP_LIST_NEXT;
    }
    at = next;
  }
  return bytes;
}
