// SPDX-License-Identifier: Apache-2.0
// MSI-X of one function: table, pending bits, masks (PCIe 6.0 §6.1.4, §7.7.2). A vector that is raised while masked
// stays pending and is sent once when the last mask goes.
import * as FN from '../abi/function.ts';
import { FC_IGNORED_WRITES, FC_INTERRUPTS } from '../abi/counter.ts';
import { MSIX_PBA_OFFSET } from '../abi/config_layout.ts';
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_DATA,
  PCI_MSIX_ENTRY_LOWER_ADDR,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_UPPER_ADDR,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
} from '../abi/pci_msix.ts';
import * as P from '../abi/timing_param.ts';
import { countFn, loadSized, param } from '../mem/arena.ts';
import { postMsi } from '../pcie/posted.ts';

/** All entries masked, nothing pending. */
export function resetMsix(f: usize): void {
  memory.fill(f + FN.MSIX_TABLE, 0, load<u32>(f, FN.VECTORS) * PCI_MSIX_ENTRY_SIZE);
  for (let vector: u32 = 0; vector < load<u32>(f, FN.VECTORS); vector++) {
    store<u32>(entryAt(f, vector), PCI_MSIX_ENTRY_CTRL_MASKBIT, PCI_MSIX_ENTRY_VECTOR_CTRL);
  }
  store<u64>(f, 0, FN.MSIX_PBA);
}

function entryAt(f: usize, vector: u32): usize {
  return f + FN.MSIX_TABLE + vector * PCI_MSIX_ENTRY_SIZE;
}

/** Raises a vector that is in the table; the arrival cycle of the message, 0 if it stays pending. */
export function raiseVector(f: usize, vector: u32): u64 {
  const entry = entryAt(f, vector);
  const isMasked =
    load<u8>(f, FN.MSIX_MASKALL) != 0 ||
    (load<u32>(entry, PCI_MSIX_ENTRY_VECTOR_CTRL) & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0;
  if (isMasked || load<u8>(f, FN.BUS_MASTER) == 0) {
    store<u32>(f, load<u32>(f, FN.MSIX_PBA) | (1 << vector), FN.MSIX_PBA);
    return 0;
  }
  countFn(f, FC_INTERRUPTS);
  return postMsi(
    f,
    vector,
    load<u32>(entry, PCI_MSIX_ENTRY_LOWER_ADDR),
    load<u32>(entry, PCI_MSIX_ENTRY_UPPER_ADDR),
    load<u32>(entry, PCI_MSIX_ENTRY_DATA),
    param(P.MSIX),
  );
}

/** Sends what is pending and no longer masked. */
export function flushPending(f: usize): void {
  let pending = load<u32>(f, FN.MSIX_PBA);
  if (pending == 0 || load<u8>(f, FN.MSIX_ENABLE) == 0) return;
  store<u32>(f, 0, FN.MSIX_PBA);
  while (pending != 0) {
    const vector = ctz(pending);
    pending &= pending - 1;
    raiseVector(f, vector); // goes back to pending if still masked
  }
}

/** Read in the MSI-X BAR. */
export function readMsixBar(f: usize, offset: u32, size: u32): u32 {
  if (offset < load<u32>(f, FN.VECTORS) * PCI_MSIX_ENTRY_SIZE) return loadSized(f + FN.MSIX_TABLE + offset, size);
  if (offset >= <u32>MSIX_PBA_OFFSET && offset < <u32>(MSIX_PBA_OFFSET + 8)) {
    return loadSized(f + FN.MSIX_PBA + offset - MSIX_PBA_OFFSET, size);
  }
  return 0;
}

/** Write in the MSI-X BAR: whole dwords of the table; narrower writes are undefined in PCIe and ignored here. */
export function writeMsixBar(f: usize, offset: u32, size: u32, value: u32): void {
  if (size != 4 || offset >= load<u32>(f, FN.VECTORS) * PCI_MSIX_ENTRY_SIZE) {
    countFn(f, FC_IGNORED_WRITES);
    return;
  }
  const field = offset & (PCI_MSIX_ENTRY_SIZE - 1);
  if (field == PCI_MSIX_ENTRY_LOWER_ADDR) value &= 0xfffffffc;
  if (field == PCI_MSIX_ENTRY_VECTOR_CTRL) value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
  store<u32>(f + FN.MSIX_TABLE + offset, value);
  if (field == PCI_MSIX_ENTRY_VECTOR_CTRL) flushPending(f);
}
