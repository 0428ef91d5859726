// SPDX-License-Identifier: Apache-2.0
// Notifications to the driver: used buffers and configuration changes, over MSI-X or, on the PF, INTx with the ISR
// register (virtio 1.4 §4.1.4.5, §4.1.5.1.2, §4.1.5.3, §4.1.5.4).
import * as FN from '../abi/function.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { FC_INTERRUPTS } from '../abi/counter.ts';
import * as EV from '../abi/event_code.ts';
import { PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, PCI_STATUS, PCI_STATUS_INTERRUPT } from '../abi/pci_header.ts';
import { COMMON_CONFIG_MSIX_VECTOR, ISR_STATUS_CONFIG, ISR_STATUS_QUEUE } from '../abi/virtio_pci_common.ts';
import { countFn } from '../mem/arena.ts';
import { raiseVector } from '../pci/msix.ts';
import { postIntx } from '../pcie/posted.ts';
import { emit } from '../sim/output.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { traceMsix } from './state_trace.ts';

/** Used-buffer notification of a queue with `vector`; the arrival cycle of its message, 0 if none went out. */
export function notifyUsed(f: usize, vector: u32): u64 {
  if (load<u8>(f, FN.MSIX_ENABLE) != 0) {
    return vector < load<u32>(f, FN.VECTORS) ? raiseVector(f, vector) : 0;
  }
  store<u8>(f, load<u8>(f, FN.ISR) | ISR_STATUS_QUEUE, FN.ISR);
  updateIntx(f);
  return 0;
}

/** Configuration change notification. ISR bit 1 is set in both modes (AMB-18). */
export function notifyConfig(f: usize): void {
  store<u8>(f, load<u8>(f, FN.ISR) | ISR_STATUS_CONFIG, FN.ISR);
  if (load<u8>(f, FN.MSIX_ENABLE) != 0) {
    const vector = <u32>load<u16>(f, FN.COMMON + COMMON_CONFIG_MSIX_VECTOR);
    const handled = vector < load<u32>(f, FN.VECTORS) ? raiseVector(f, vector) : 0;
    if (handled != 0 && isTracing(TRACE.MASK_STATE)) traceMsix(f, vector, TRACE.NOBODY, handled);
    return;
  }
  updateIntx(f);
}

/** Interrupt Status of the PF follows the ISR bits; the line follows Interrupt Status unless disabled. VFs have no INTx. */
export function updateIntx(f: usize): void {
  if (load<u32>(f, FN.INDEX) != 0) return;
  const status = load<u16>(f, FN.CONFIG + PCI_STATUS);
  const isAsserted = load<u8>(f, FN.MSIX_ENABLE) == 0 && load<u8>(f, FN.ISR) != 0;
  store<u16>(f, isAsserted ? status | PCI_STATUS_INTERRUPT : status & ~PCI_STATUS_INTERRUPT, FN.CONFIG + PCI_STATUS);
  const isDisabled = (load<u16>(f, FN.CONFIG + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) != 0;
  const level: u8 = isAsserted && !isDisabled ? 1 : 0;
  if (level == load<u8>(f, FN.INTX_LEVEL)) return;
  store<u8>(f, level, FN.INTX_LEVEL);
  if (level != 0) countFn(f, FC_INTERRUPTS);
  if (isFunctional()) emit(EV.OUT_INTX, 0, level, 0, 0, 0);
  else postIntx(level);
}
