// SPDX-License-Identifier: Apache-2.0
// Administration commands (virtio 1.4 §2.12.1): decode of the header, the checks in the order that the specification
// gives (group, opcode, member), dispatch, result. The command lies gathered in the job's buffer, padded with zeros to
// the header's size; the result is put together in JOB_OUT: status, qualifier, four reserved bytes, command result.
import { ADMIN_GROUP_ON_DEMAND, EXT_CAP_SRIOV } from '../abi/config_layout.ts';
import { PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE } from '../abi/pci_sriov.ts';
import {
  CTL_INJECT_COUNT,
  CTL_INJECT_OPCODE,
  CTL_INJECT_STATUS,
  CTL_NUM_VFS,
  CTL_SELF_USED_LO,
  CTL_SRIOV_USED_LO,
} from '../abi/control.ts';
import { FN_CONFIG, FN_PRESENT, FN_PROFILE } from '../abi/function.ts';
import { PROFILE_FLAGS } from '../abi/profile.ts';
import { JOB_BUFFER, JOB_LENGTH, JOB_MEMBER, JOB_OPCODE, JOB_OUT, JOB_QUALIFIER, JOB_RESULT } from '../abi/job.ts';
import { NONE, PROFILE_LEGACY } from '../abi/state_value.ts';
import { CFG_LEGACY, CFG_ON_DEMAND_FUNCTIONS, CFG_SRIOV_LIST_LENIENT, CFG_TOTAL_VFS } from '../abi/nic_config.ts';
import { C_ADMIN_COMMANDS, C_ADMIN_ERRORS } from '../abi/counter.ts';
import {
  ADMIN_CMD_COMMAND_SPECIFIC_DATA,
  ADMIN_CMD_GROUP_MEMBER_ID,
  ADMIN_CMD_GROUP_TYPE,
  ADMIN_CMD_HEADER_SIZE,
  ADMIN_CMD_OPCODE,
  ADMIN_RESULT_HEADER_SIZE,
  ADMIN_RESULT_STATUS,
  ADMIN_RESULT_STATUS_QUALIFIER,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_CMD_LIST_USE,
  VIRTIO_ADMIN_GROUP_TYPE_SELF,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_EINVAL,
  VIRTIO_ADMIN_STATUS_OK,
  VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD,
  VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP,
  VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
  VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE,
  VIRTIO_ADMIN_STATUS_Q_OK,
} from '../abi/virtio_admin.ts';
import {
  P_ADMIN_DECODE,
  P_ADMIN_LEGACY_READ,
  P_ADMIN_LEGACY_WRITE,
  P_ADMIN_LIST,
  P_ADMIN_NOTIFY_INFO,
} from '../abi/timing_param.ts';
import { config, count, functionAt, param } from '../mem/arena.ts';
import { executeLegacy } from './legacy_commands.ts';

const LIST_COMMANDS: u32 = (1 << VIRTIO_ADMIN_CMD_LIST_QUERY) | (1 << VIRTIO_ADMIN_CMD_LIST_USE);
const LEGACY_COMMANDS: u32 =
  ((1 << (VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO + 1)) - 1) & ~((1 << VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE) - 1);

/** Zeroes what a short command left open of its header; the driver's missing bytes read as zero (ADM-VQ-01). */
export function padHeader(job: usize): void {
  const length = load<u32>(job, JOB_LENGTH);
  if (length < <u32>ADMIN_CMD_HEADER_SIZE) {
    memory.fill(job + JOB_BUFFER + length, 0, ADMIN_CMD_HEADER_SIZE - length);
  }
}

/** Cycles that the execution of the command in the job's buffer takes. */
export function executionCycles(job: usize): u32 {
  const opcode = <u32>load<u16>(job, JOB_BUFFER + ADMIN_CMD_OPCODE);
  let cost = 0;
  if (opcode <= <u32>VIRTIO_ADMIN_CMD_LIST_USE) cost = P_ADMIN_LIST;
  else if (opcode == VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO) cost = P_ADMIN_NOTIFY_INFO;
  else if (opcode < <u32>VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO) {
    cost = (opcode & 1) == 0 ? P_ADMIN_LEGACY_WRITE : P_ADMIN_LEGACY_READ;
  }
  return param(P_ADMIN_DECODE) + (cost == 0 ? 0 : param(cost));
}

/** Opcodes that LIST_QUERY reports for a group, as a bitmap of opcodes 0..31. */
function supportedCommands(group: u32): u32 {
  if (group == VIRTIO_ADMIN_GROUP_TYPE_SRIOV && config(CFG_LEGACY) != 0) return LIST_COMMANDS | LEGACY_COMMANDS;
  return LIST_COMMANDS;
}

function usedList(group: u32): usize {
  return group == VIRTIO_ADMIN_GROUP_TYPE_SELF ? CTL_SELF_USED_LO : CTL_SRIOV_USED_LO;
}

/** Number of the function that is a member of a group; 0 if there is none. */
function memberFunction(group: u32, member: u64): u32 {
  if (group == VIRTIO_ADMIN_GROUP_TYPE_SRIOV) return member > load<u32>(CTL_NUM_VFS) ? 0 : <u32>member;
  if (member == 0 || member > config(CFG_ON_DEMAND_FUNCTIONS)) return 0;
  const fn = config(CFG_TOTAL_VFS) + <u32>member;
  return load<u8>(functionAt(fn), FN_PRESENT) == 0 ? 0 : fn;
}

/** Runs the command; JOB_OUT and JOB_RESULT hold the answer afterwards. */
export function executeCommand(job: usize): void {
  const command = job + JOB_BUFFER;
  const opcode = <u32>load<u16>(command, ADMIN_CMD_OPCODE);
  const group = <u32>load<u16>(command, ADMIN_CMD_GROUP_TYPE);
  const member = load<u64>(command, ADMIN_CMD_GROUP_MEMBER_ID);
  store<u32>(job, opcode | (group << 16), JOB_OPCODE);
  store<u32>(job, <u32>member, JOB_MEMBER);
  store<u64>(job + JOB_OUT, 0);
  store<u32>(job, ADMIN_RESULT_HEADER_SIZE, JOB_RESULT);
  count(C_ADMIN_COMMANDS);

  const qualifier = refusal(opcode, group, member);
  if (qualifier != VIRTIO_ADMIN_STATUS_Q_OK) {
    finish(job, VIRTIO_ADMIN_STATUS_EINVAL, qualifier);
    return;
  }
  if (isInjected(job, opcode)) return;
  if (opcode == VIRTIO_ADMIN_CMD_LIST_QUERY) listQuery(job, group);
  else if (opcode == VIRTIO_ADMIN_CMD_LIST_USE) listUse(job, group);
  else {
    const broken = executeLegacy(job, opcode, functionAt(memberFunction(group, member)));
    finish(job, broken == 0 ? VIRTIO_ADMIN_STATUS_OK : VIRTIO_ADMIN_STATUS_EINVAL, broken);
  }
}

/** The checks of ADM-CMD-02..04, 14..17, 23, 24 in their order; Q_OK if the command may run. */
function refusal(opcode: u32, group: u32, member: u64): u32 {
  const isList = opcode <= <u32>VIRTIO_ADMIN_CMD_LIST_USE;
  if (group == VIRTIO_ADMIN_GROUP_TYPE_SRIOV) {
    const control = load<u16>(functionAt(0), FN_CONFIG + EXT_CAP_SRIOV + PCI_SRIOV_CTRL);
    const isOpen = (control & PCI_SRIOV_CTRL_VFE) != 0 || (isList && config(CFG_SRIOV_LIST_LENIENT) != 0);
    if (!isOpen) return VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP;
  } else if (group == ADMIN_GROUP_ON_DEMAND) {
    if (config(CFG_ON_DEMAND_FUNCTIONS) == 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP;
    if (isList) return VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE;
  } else if (group != VIRTIO_ADMIN_GROUP_TYPE_SELF) {
    return VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP;
  }
  const used = load<u32>(usedList(group));
  const allowed = used == 0 ? LIST_COMMANDS : used;
  // bit 31 only marks that a list is in use
  if (opcode > 30 || (allowed & (1 << opcode)) == 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE;
  // the list commands carry member id 0 and do not use it (AMB-01)
  if (group == VIRTIO_ADMIN_GROUP_TYPE_SELF || isList) return VIRTIO_ADMIN_STATUS_Q_OK;
  const fn = memberFunction(group, member);
  if (fn == 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER;
  // the list is the group's, so the opcode is good: it is this member that the command is not for (ADM-CMD-04)
  const flags = load<u8>(functionAt(fn), FN_PROFILE + PROFILE_FLAGS);
  if ((flags & PROFILE_LEGACY) == 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER;
  return VIRTIO_ADMIN_STATUS_Q_OK;
}

/** What-if: the host asked for an answer that this device has no reason to give. The command does nothing. */
function isInjected(job: usize, opcode: u32): bool {
  const left = load<u32>(CTL_INJECT_COUNT);
  if (left == 0) return false;
  const wanted = load<u32>(CTL_INJECT_OPCODE);
  if (wanted != NONE && wanted != opcode) return false;
  store<u32>(CTL_INJECT_COUNT, left - 1);
  const status = load<u32>(CTL_INJECT_STATUS);
  finish(job, status & 0xffff, status >> 16);
  return true;
}

function listQuery(job: usize, group: u32): void {
  store<u64>(job, supportedCommands(group), JOB_OUT + ADMIN_RESULT_HEADER_SIZE);
  store<u32>(job, ADMIN_RESULT_HEADER_SIZE + 8, JOB_RESULT);
  finish(job, VIRTIO_ADMIN_STATUS_OK, VIRTIO_ADMIN_STATUS_Q_OK);
}

/** LIST_USE replaces the list if it holds nothing unknown; it may leave out the list commands themselves (AMB-36). */
function listUse(job: usize, group: u32): void {
  const length = load<u32>(job, JOB_LENGTH);
  const data = job + JOB_BUFFER;
  let list: u64 = 0;
  for (let i: u32 = ADMIN_CMD_COMMAND_SPECIFIC_DATA; i < length; i++) {
    const byte = load<u8>(data + i);
    const shift = (i - ADMIN_CMD_COMMAND_SPECIFIC_DATA) << 3;
    if (shift >= 64) {
      if (byte != 0) return finish(job, VIRTIO_ADMIN_STATUS_EINVAL, VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD);
    } else {
      list |= (<u64>byte) << shift;
    }
  }
  if ((list & ~(<u64>supportedCommands(group))) != 0) {
    return finish(job, VIRTIO_ADMIN_STATUS_EINVAL, VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD);
  }
  // bit 31 marks "a list is in use", so that an empty list differs from none
  store<u32>(usedList(group), (<u32>list) | 0x80000000);
  finish(job, VIRTIO_ADMIN_STATUS_OK, VIRTIO_ADMIN_STATUS_Q_OK);
}

function finish(job: usize, status: u32, qualifier: u32): void {
  store<u16>(job + JOB_OUT, <u16>status, ADMIN_RESULT_STATUS);
  store<u16>(job + JOB_OUT, <u16>qualifier, ADMIN_RESULT_STATUS_QUALIFIER);
  store<u32>(job, status | (qualifier << 16), JOB_QUALIFIER);
  if (status != VIRTIO_ADMIN_STATUS_OK) count(C_ADMIN_ERRORS);
}
