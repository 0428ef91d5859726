// SPDX-License-Identifier: Apache-2.0
// Reads of the card that go wrong: what its registers and counters say then, the completions that the host asked to be
// spoilt, and how a read fails in functional mode, where it is one request with one completion and takes no time.
import { COUNTER } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TAG from '../abi/tag.ts';
import { READ_FAULT_LOST, READ_FAULT_POISONED } from '../abi/state_value.ts';
import { CAP_EXP } from '../abi/config_layout.ts';
import { C_COMPLETION_POISONED, C_COMPLETION_TIMEOUTS, C_COMPLETION_UNSUPPORTED, C_DMA_READS } from '../abi/counter.ts';
import {
  PCI_COMMAND,
  PCI_COMMAND_PARITY,
  PCI_STATUS,
  PCI_STATUS_DETECTED_PARITY,
  PCI_STATUS_PARITY,
  PCI_STATUS_REC_MASTER_ABORT,
} from '../abi/pci_header.ts';
import { PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_NFED } from '../abi/pci_express.ts';
import { count, functionAt } from '../mem/arena.ts';
import { armLost } from './tags.ts';

/** The host asked for completions that go wrong: the kind of the next one. */
export function takeInjectedFault(): u32 {
  store<u32>(CTL.READ_FAULTS, load<u32>(CTL.READ_FAULTS) - 1);
  return load<u32>(CTL.READ_FAULT_KIND);
}

/**
 * What the function says of a read that failed: Status and Device Status (PCIe 6.0 §7.5.1.1.4, §7.5.3.5, §6.2.3.2), and the
 * counters. A poisoned completion and a time-out are uncorrectable non-fatal errors of the requester; an Unsupported
 * Request is one of the completer. VFs have no Parity Error Response of their own (§9.3.4.1.3).
 */
export function noteReadFault(f: usize, status: u32): void {
  const c = f + FN.CONFIG;
  if (status == READ_FAULT_LOST || status == READ_FAULT_POISONED) {
    const at = c + CAP_EXP + PCI_EXP_DEVSTA;
    store<u16>(at, load<u16>(at) | PCI_EXP_DEVSTA_NFED);
  }
  if (status == READ_FAULT_LOST) return count(C_COMPLETION_TIMEOUTS);
  let bits: u32 = PCI_STATUS_REC_MASTER_ABORT;
  if (status == READ_FAULT_POISONED) {
    const answers = (load<u16>(functionAt(0) + FN.CONFIG, PCI_COMMAND) & PCI_COMMAND_PARITY) != 0;
    bits = PCI_STATUS_DETECTED_PARITY | (answers ? PCI_STATUS_PARITY : 0);
    count(C_COMPLETION_POISONED);
  } else {
    count(C_COMPLETION_UNSUPPORTED);
  }
  store<u16>(c, load<u16>(c, PCI_STATUS) | (<u16>bits), PCI_STATUS);
}

/** Functional mode: a read fails, as `status` says. True: at once; false: its completion is lost, and no time-out comes. */
export function failRead(context: usize, status: u32): bool {
  if (status == READ_FAULT_LOST && load<u64>(CTL.CPL_TIMEOUT) != 0) {
    waitForEver(context);
    return false;
  }
  noteReadFault(load<u32>(context, DMA.FN), status);
  store<u32>(context, 1, DMA.FAULT);
  return true;
}

/** The request keeps a tag until Completion Timeout Disable is cleared, or the function reset. */
function waitForEver(context: usize): void {
  store<u32>(context, 0, DMA.LEFT);
  store<u32>(context, 0, DMA.BYTES); // nothing will be there to be copied
  store<u16>(context, 1, DMA.PENDING);
  const tag: usize = load<u32>(CTL.TAG_FREE);
  if (tag == 0) return; // all tags wait so: this read does for one
  store<u32>(CTL.TAG_FREE, load<u32>(tag, TAG.NEXT));
  store<u32>(CTL.TAGS_USED, load<u32>(CTL.TAGS_USED) + 1);
  memory.fill(tag, 0, TAG.BYTES);
  store<u32>(tag, <u32>context, TAG.CONTEXT);
  store<u32>(tag, load<u32>(context, DMA.GENERATION), TAG.GENERATION);
  store<u32>(tag, load<u32>(context, DMA.FN), TAG.FN);
  store<u32>(tag, load<u32>(COUNTER + (C_DMA_READS << 3)), TAG.NUMBER);
  store<u32>(tag, READ_FAULT_LOST, TAG.STATUS);
  armLost(tag);
}
