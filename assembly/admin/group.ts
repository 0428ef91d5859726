// SPDX-License-Identifier: Apache-2.0
// Device groups (virtio 1.4 §2.12): which there are, who is a member, and which commands a group has and uses. Functions
// on demand are a group of their own, which shares the list in use with the VFs'.
import {
  ADMIN_COMMANDS,
  ADMIN_ROW_FIELDS,
  ADMIN_ROW_GROUPS,
  ADMIN_ROW_NEEDS,
  GROUP_ON_DEMAND,
  GROUP_SELF,
  GROUP_SRIOV,
} from '../abi/admin_command.ts';
import { ADMIN_GROUP_ON_DEMAND, EXT_CAP_SRIOV } from '../abi/config_layout.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as CFG from '../abi/nic_config.ts';
import { PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE } from '../abi/pci_sriov.ts';
import { PROFILE_LEGACY } from '../abi/state_value.ts';
import { VIRTIO_ADMIN_GROUP_TYPE_SELF, VIRTIO_ADMIN_GROUP_TYPE_SRIOV } from '../abi/virtio_admin.ts';
import { config, functionAt } from '../mem/arena.ts';

/** Marks a list as in use, so that an empty one differs from none; the opcodes of a list end below. */
const IN_USE: u32 = 0x80000000;

/** Address of an opcode's row, 0 where the card does not have the command. */
export function rowOf(opcode: u32): usize {
  const at = opcode * ADMIN_ROW_FIELDS;
  return at < <u32>ADMIN_COMMANDS.length ? changetype<usize>(ADMIN_COMMANDS) + (at << 2) : 0;
}

/** A field of a row, 0 where there is none. */
export function rowField(row: usize, field: u32): u32 {
  return row == 0 ? 0 : load<u32>(row + (field << 2));
}

/** GROUP_* of a group type, 0 if the card has no such group. */
export function groupOf(type: u32): u32 {
  if (type == VIRTIO_ADMIN_GROUP_TYPE_SELF) return GROUP_SELF;
  if (type == VIRTIO_ADMIN_GROUP_TYPE_SRIOV) return GROUP_SRIOV;
  return type == ADMIN_GROUP_ON_DEMAND && config(CFG.ON_DEMAND_FUNCTIONS) != 0 ? GROUP_ON_DEMAND : 0;
}

/** Is VF Enable set, without which the group of the VFs has no members? */
export function hasVfs(): bool {
  return (load<u16>(functionAt(0), FN.CONFIG + EXT_CAP_SRIOV + PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_VFE) != 0;
}

/** Number of the function that is a member of a group; 0 if there is none. */
export function memberOf(group: u32, member: u64): u32 {
  if (group == GROUP_SRIOV) return member > load<u32>(CTL.NUM_VFS) ? 0 : <u32>member;
  if (member == 0 || member > config(CFG.ON_DEMAND_FUNCTIONS)) return 0;
  const fn = config(CFG.TOTAL_VFS) + <u32>member;
  return load<u8>(functionAt(fn), FN.PRESENT) == 0 ? 0 : fn;
}

/** Opcodes that LIST_QUERY reports for a group, as a bitmap. */
export function supportedCommands(group: u32): u32 {
  let list: u32 = 0;
  for (let opcode: u32 = 0, row = rowOf(0); row != 0; row = rowOf(++opcode)) {
    const isForLegacy = (rowField(row, ADMIN_ROW_NEEDS) & PROFILE_LEGACY) != 0;
    if ((rowField(row, ADMIN_ROW_GROUPS) & group) == 0 || (isForLegacy && config(CFG.LEGACY) == 0)) continue;
    list |= 1 << opcode;
  }
  return list;
}

/** The list that is in use, as LIST_USE gave it; 0 if there is none. */
export function usedCommands(group: u32): u32 {
  return load<u32>(group == GROUP_SELF ? CTL.SELF_USED_LO : CTL.SRIOV_USED_LO);
}

export function useCommands(group: u32, list: u32): void {
  store<u32>(group == GROUP_SELF ? CTL.SELF_USED_LO : CTL.SRIOV_USED_LO, list | IN_USE);
}

/** No list is in use any more: the owner was reset. */
export function resetLists(): void {
  store<u32>(CTL.SRIOV_USED_LO, 0);
  store<u32>(CTL.SELF_USED_LO, 0);
}
