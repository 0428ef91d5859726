// SPDX-License-Identifier: Apache-2.0
// The administration commands that the card has, a row each, and row n is opcode n: who takes the command, what it needs of
// its member, what executing it costs, what it carries (virtio 1.4 §2.12.1, "Group administration commands"). A command
// that the card does not have has a row of zeros: no group takes it. admin/command.ts runs them.
import { PROFILE_LEGACY } from './state_value.ts';
import * as P from './timing_param.ts';
import { ADMIN_NOTIFY_INFO_RESULT_SIZE } from './virtio_admin.ts';

// Fields of a row
export const ADMIN_ROW_GROUPS = 0; // GROUP_* that take it
export const ADMIN_ROW_TRAITS = 1; // COMMAND_*
export const ADMIN_ROW_NEEDS = 2; // PROFILE_* that its member has to have
export const ADMIN_ROW_COST = 3; // index of the timing parameter
export const ADMIN_ROW_RESULT = 4; // bytes of its result at most; of a register, a dword
export const ADMIN_ROW_FIELDS = 5;

// Groups, as bits
export const GROUP_SELF = 1;
export const GROUP_SRIOV = 2;
export const GROUP_ON_DEMAND = 4; // vendor specific, ADMIN_GROUP_ON_DEMAND
export const GROUPS_OF_VFS = GROUP_SRIOV + GROUP_ON_DEMAND;

// Traits
export const COMMAND_LIST = 1; // is there before any list is in use, and names no member (AMB-01)
export const COMMAND_DATA = 2; // has data behind the header
export const COMMAND_MEMBER = 4; // acts on the member that it names

// Commands that Linux asks for together, a bit for each opcode as in the data of LIST_USE
/** The five of legacy access, bit n for opcode n. */
export const LEGACY_COMMANDS = 0x7c;
/** The nine of migration by device parts, bit n for opcode n: all others but MODIFY and QUERY. */
export const DEVICE_PARTS_COMMANDS = 0x3e780;

// prettier-ignore
export const ADMIN_COMMANDS: StaticArray<u32> = [
  // groups, traits, needs, cost, result
  GROUP_SELF + GROUP_SRIOV, COMMAND_LIST, 0, P.ADMIN_LIST, 8, // LIST_QUERY
  GROUP_SELF + GROUP_SRIOV, COMMAND_LIST + COMMAND_DATA, 0, P.ADMIN_LIST, 0, // LIST_USE
  GROUPS_OF_VFS, COMMAND_MEMBER + COMMAND_DATA, PROFILE_LEGACY, P.ADMIN_LEGACY_WRITE, 0, // LEGACY_COMMON_CFG_WRITE
  GROUPS_OF_VFS, COMMAND_MEMBER + COMMAND_DATA, PROFILE_LEGACY, P.ADMIN_LEGACY_READ, 4, // LEGACY_COMMON_CFG_READ
  GROUPS_OF_VFS, COMMAND_MEMBER + COMMAND_DATA, PROFILE_LEGACY, P.ADMIN_LEGACY_WRITE, 0, // LEGACY_DEV_CFG_WRITE
  GROUPS_OF_VFS, COMMAND_MEMBER + COMMAND_DATA, PROFILE_LEGACY, P.ADMIN_LEGACY_READ, 4, // LEGACY_DEV_CFG_READ
  GROUPS_OF_VFS, COMMAND_MEMBER, PROFILE_LEGACY, P.ADMIN_NOTIFY_INFO, ADMIN_NOTIFY_INFO_RESULT_SIZE, // LEGACY_NOTIFY_INFO
];
