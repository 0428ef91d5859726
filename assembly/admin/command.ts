// SPDX-License-Identifier: Apache-2.0
// Administration commands (virtio 1.4 §2.12.1): decode of the header, the checks in the order that the specification
// gives (group, opcode, member), the command's step, result. The command lies gathered in the job's buffer, padded with
// zeros to the header's size; the result is put together in JOB.OUT: status, qualifier, four reserved bytes, command result.
// What commands there are, and what they need, is abi/admin_command.ts; a new one has a row there and a line in step().
import {
  ADMIN_ROW_COST,
  ADMIN_ROW_GROUPS,
  ADMIN_ROW_NEEDS,
  ADMIN_ROW_TRAITS,
  COMMAND_LIST,
  COMMAND_MEMBER,
  GROUP_SRIOV,
} from '../abi/admin_command.ts';
import * as CTL from '../abi/control.ts';
import { C_ADMIN_COMMANDS, C_ADMIN_ERRORS } from '../abi/counter.ts';
import * as FN from '../abi/function.ts';
import * as JOB from '../abi/job.ts';
import * as CFG from '../abi/nic_config.ts';
import * as PROFILE from '../abi/profile.ts';
import { NONE } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import {
  ADMIN_CMD_GROUP_MEMBER_ID,
  ADMIN_CMD_GROUP_TYPE,
  ADMIN_CMD_HEADER_SIZE,
  ADMIN_CMD_OPCODE,
  ADMIN_RESULT_HEADER_SIZE,
  ADMIN_RESULT_STATUS,
  ADMIN_RESULT_STATUS_QUALIFIER,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_CMD_LIST_USE,
  VIRTIO_ADMIN_STATUS_EINVAL,
  VIRTIO_ADMIN_STATUS_ENOMEM,
  VIRTIO_ADMIN_STATUS_OK,
  VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP,
  VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
  VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE,
  VIRTIO_ADMIN_STATUS_Q_OK,
} from '../abi/virtio_admin.ts';
import { config, count, functionAt, param } from '../mem/arena.ts';
import { groupOf, hasVfs, memberOf, rowField, rowOf, usedCommands } from './group.ts';
import { executeLegacy } from './legacy_commands.ts';
import { listQuery, listUse } from './list_commands.ts';
import { isCut } from '../virtio/segments.ts';

/** A step's result in place of a qualifier: the command goes on later, and its event has been scheduled. */
export const STEP_WAIT: u32 = NONE;
/** Likewise: the command needs more of its data than was read, and means ENOMEM. */
const STEP_CUT: u32 = NONE - 1;

/** Zeroes what a short command left open of its header; the driver's missing bytes read as zero (ADM-VQ-01). */
export function padHeader(job: usize): void {
  const length = load<u32>(job, JOB.LENGTH);
  if (length < <u32>ADMIN_CMD_HEADER_SIZE) {
    memory.fill(load<u32>(job, JOB.BUFFER) + length, 0, ADMIN_CMD_HEADER_SIZE - length);
  }
}

/** Cycles that the execution of the command in the job's buffer takes. */
export function executionCycles(job: usize): u32 {
  const cost = rowField(rowOf(load<u16>(load<u32>(job, JOB.BUFFER), ADMIN_CMD_OPCODE)), ADMIN_ROW_COST);
  return param(P.ADMIN_DECODE) + (cost == 0 ? 0 : param(cost));
}

/** Takes the command one step further; true when it is done, and JOB.OUT and JOB.RESULT hold its answer. */
export function executeCommand(job: usize): bool {
  const command: usize = load<u32>(job, JOB.BUFFER);
  const opcode = <u32>load<u16>(command, ADMIN_CMD_OPCODE);
  const type = <u32>load<u16>(command, ADMIN_CMD_GROUP_TYPE);
  const group = groupOf(type);
  const member = load<u64>(command, ADMIN_CMD_GROUP_MEMBER_ID);
  store<u32>(job, opcode | (type << 16), JOB.OPCODE);
  store<u32>(job, <u32>member, JOB.MEMBER);
  store<u64>(job + JOB.OUT, 0);
  store<u32>(job, ADMIN_RESULT_HEADER_SIZE, JOB.RESULT);

  const fn = memberOf(group, member);
  let qualifier = refusal(opcode, group, fn);
  if (qualifier == VIRTIO_ADMIN_STATUS_Q_OK) {
    if (isInjected(job, opcode)) return true;
    qualifier = step(job, opcode, group, functionAt(fn));
    if (qualifier == STEP_WAIT) return false;
    if (qualifier == STEP_CUT) {
      finish(job, VIRTIO_ADMIN_STATUS_ENOMEM, VIRTIO_ADMIN_STATUS_Q_OK);
      return true;
    }
  }
  finish(job, qualifier == VIRTIO_ADMIN_STATUS_Q_OK ? VIRTIO_ADMIN_STATUS_OK : VIRTIO_ADMIN_STATUS_EINVAL, qualifier);
  return true;
}

/** What the command does; STEP_*, or its qualifier: one other than Q_OK means EINVAL, and nothing was changed. */
function step(job: usize, opcode: u32, group: u32, f: usize): u32 {
  switch (opcode) {
    case VIRTIO_ADMIN_CMD_LIST_QUERY:
      return listQuery(job, group);
    case VIRTIO_ADMIN_CMD_LIST_USE:
      return isCut(job) ? STEP_CUT : listUse(job, group);
    default:
      return executeLegacy(job, opcode, f);
  }
}

/** The checks of ADM-CMD-02..04, 14..17, 23, 24 in their order; Q_OK if the command may run. `fn`: its member, 0 for none. */
function refusal(opcode: u32, group: u32, fn: u32): u32 {
  const row = rowOf(opcode);
  const traits = rowField(row, ADMIN_ROW_TRAITS);
  const isList = (traits & COMMAND_LIST) != 0;
  if (group == 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP;
  if (group == GROUP_SRIOV && !hasVfs() && !(isList && config(CFG.SRIOV_LIST_LENIENT) != 0)) {
    return VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP;
  }
  if ((rowField(row, ADMIN_ROW_GROUPS) & group) == 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE;
  const used = usedCommands(group);
  const isUsed = used == 0 ? isList : (used & (1 << opcode)) != 0;
  if (!isUsed) return VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE;
  if ((traits & COMMAND_MEMBER) == 0) return VIRTIO_ADMIN_STATUS_Q_OK;
  if (fn == 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER;
  // the list is the group's, so the opcode is good: it is this member that the command is not for (ADM-CMD-04)
  const needs = rowField(row, ADMIN_ROW_NEEDS);
  const flags = <u32>load<u8>(functionAt(fn), FN.PROFILE + PROFILE.FLAGS);
  return (flags & needs) == needs ? VIRTIO_ADMIN_STATUS_Q_OK : VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER;
}

/** What-if: the host asked for an answer that this device has no reason to give. The command does nothing. */
function isInjected(job: usize, opcode: u32): bool {
  const left = load<u32>(CTL.INJECT_COUNT);
  if (left == 0) return false;
  const wanted = load<u32>(CTL.INJECT_OPCODE);
  if (wanted != NONE && wanted != opcode) return false;
  store<u32>(CTL.INJECT_COUNT, left - 1);
  const status = load<u32>(CTL.INJECT_STATUS);
  finish(job, status & 0xffff, status >> 16);
  return true;
}

function finish(job: usize, status: u32, qualifier: u32): void {
  store<u16>(job + JOB.OUT, <u16>status, ADMIN_RESULT_STATUS);
  store<u16>(job + JOB.OUT, <u16>qualifier, ADMIN_RESULT_STATUS_QUALIFIER);
  store<u32>(job, status | (qualifier << 16), JOB.QUALIFIER);
  count(C_ADMIN_COMMANDS);
  if (status != VIRTIO_ADMIN_STATUS_OK) count(C_ADMIN_ERRORS);
}
