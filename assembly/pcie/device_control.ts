// SPDX-License-Identifier: Apache-2.0
// What Device Control, Device Control 2 and SR-IOV Control of the PF let the card do on the link (PCIe 6.0 §7.5.3.4,
// §7.5.3.16, §9.3.3.3): the lower of the register and the profile, worked out when a register changes, so that no request
// has to ask. The settings of the PF are those of its VFs (§9.3.5.4, §9.3.5.10).
//
//   payload of writes and completions   Max_Payload_Size        the root port is set alike, or a longer completion were malformed
//   a read request                      Max_Read_Request_Size
//   tags                                32; 256 with Extended Tag; more with 10-Bit Tag Requester Enable of all functions
//                                       that are there, because one allocator serves them all
//   time-out of a read                  the profile's, within the range that Completion Timeout Value names; none if disabled
import { TAGS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as TAG from '../abi/tag.ts';
import { CPL_NEVER_LOG2 } from '../abi/state_value.ts';
import { CAP_EXP, EXT_CAP_SRIOV } from '../abi/config_layout.ts';
import {
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL2,
  PCI_EXP_DEVCTL2_10BIT_TAG_REQ_EN,
  PCI_EXP_DEVCTL2_COMP_TIMEOUT_MASK,
  PCI_EXP_DEVCTL2_COMP_TMOUT_DIS,
  PCI_EXP_DEVCTL_EXT_TAG,
  PCI_EXP_DEVCTL_PAYLOAD_MASK,
  PCI_EXP_DEVCTL_PAYLOAD_SHIFT,
  PCI_EXP_DEVCTL_READRQ_MASK,
  PCI_EXP_DEVCTL_READRQ_SHIFT,
  PCI_EXP_TAGS_5BIT,
  PCI_EXP_TAGS_8BIT,
} from '../abi/pci_express.ts';
import { PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE, PCI_SRIOV_CTRL_VF_10BIT_TAG } from '../abi/pci_sriov.ts';
import * as P from '../abi/timing_param.ts';
import { functionAt, param } from '../mem/arena.ts';
import { isFunctional } from '../sim/time.ts';
import { watchOwed } from './owed_reads.ts';
import { sendReads } from './requests.ts';
import { armLostReads, layOutTags } from './tags.ts';

/** A time-out after which nobody waits any more; added to a time it does not wrap. */
const NEVER: u64 = 1 << CPL_NEVER_LOG2;

// Completion Timeout Value: shortest and longest time in microseconds, two words a code. 0: a code that is reserved, or
// 0000b, the default range, which is the profile's business.
// prettier-ignore
const TIMEOUT_RANGES: StaticArray<u32> = [
  0, 0,  50, 100,  1000, 10000,  0, 0,
  0, 0,  16000, 55000,  65000, 210000,  0, 0,
  0, 0,  260000, 900000,  1000000, 3500000,  0, 0,
  0, 0,  4000000, 13000000,  17000000, 64000000,  0, 0,
];

/** Puts what the PF's registers say now into effect. */
export function applyDeviceControl(): void {
  const pf = functionAt(0) + FN.CONFIG;
  const control = <u32>load<u16>(pf, CAP_EXP + PCI_EXP_DEVCTL);
  const control2 = <u32>load<u16>(pf, CAP_EXP + PCI_EXP_DEVCTL2);
  const payload: u32 = 128 << ((control & PCI_EXP_DEVCTL_PAYLOAD_MASK) >> PCI_EXP_DEVCTL_PAYLOAD_SHIFT);
  const request: u32 = 128 << ((control & PCI_EXP_DEVCTL_READRQ_MASK) >> PCI_EXP_DEVCTL_READRQ_SHIFT);
  store<u32>(CTL.MPS, min(payload, param(P.MPS)));
  store<u32>(CTL.CPL_BYTES, min(payload, param(P.CPL_BYTES)));
  store<u32>(CTL.MRRS, min(request, param(P.MRRS)));
  limitTags(min(tagsAllowed(pf, control, control2), param(P.TAGS)));
  const timeout = timeoutCycles(control2);
  const before = load<u64>(CTL.CPL_TIMEOUT);
  store<u64>(CTL.CPL_TIMEOUT, timeout);
  if (before == NEVER && timeout != NEVER) {
    armLostReads();
    watchOwed();
  }
  sendReads();
}

/** How many requests the tags that may be used tell apart (PCIe 6.0 §2.2.6.2). */
function tagsAllowed(pf: usize, control: u32, control2: u32): u32 {
  if ((control & PCI_EXP_DEVCTL_EXT_TAG) == 0) return PCI_EXP_TAGS_5BIT;
  const sriov = <u32>load<u16>(pf, EXT_CAP_SRIOV + PCI_SRIOV_CTRL);
  const vfsMay = (sriov & PCI_SRIOV_CTRL_VFE) == 0 || (sriov & PCI_SRIOV_CTRL_VF_10BIT_TAG) != 0;
  const isWide = (control2 & PCI_EXP_DEVCTL2_10BIT_TAG_REQ_EN) != 0 && vfsMay;
  return isWide ? param(P.TAGS) : PCI_EXP_TAGS_8BIT;
}

function limitTags(tags: u32): void {
  const end = <u32>TAGS + tags * TAG.BYTES;
  if (load<u32>(CTL.TAG_END) == end) return;
  store<u32>(CTL.TAG_END, end);
  layOutTags();
}

function timeoutCycles(control2: u32): u64 {
  if ((control2 & PCI_EXP_DEVCTL2_COMP_TMOUT_DIS) != 0) return NEVER;
  if (isFunctional()) return 0;
  const own = <u64>param(P.CPL_TIMEOUT);
  const range = (control2 & PCI_EXP_DEVCTL2_COMP_TIMEOUT_MASK) << 1;
  const longest = cyclesOf(unchecked(TIMEOUT_RANGES[range + 1]));
  if (longest == 0) return own;
  return min(max(own, cyclesOf(unchecked(TIMEOUT_RANGES[range]))), longest);
}

function cyclesOf(microseconds: u32): u64 {
  return (<u64>microseconds * 1_000_000) / param(P.CLOCK_PS);
}
