// SPDX-License-Identifier: Apache-2.0
// LIST_QUERY and LIST_USE (virtio 1.4 §2.12.1.1): which commands a group has, and which its driver will use.
import * as JOB from '../abi/job.ts';
import {
  ADMIN_CMD_COMMAND_SPECIFIC_DATA,
  ADMIN_RESULT_HEADER_SIZE,
  VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD,
  VIRTIO_ADMIN_STATUS_Q_OK,
} from '../abi/virtio_admin.ts';
import { supportedCommands, useCommands } from './group.ts';

const BITMAP_BYTES: u32 = 8;

export function listQuery(job: usize, group: u32): u32 {
  store<u64>(job, supportedCommands(group), JOB.OUT + ADMIN_RESULT_HEADER_SIZE);
  store<u32>(job, ADMIN_RESULT_HEADER_SIZE + BITMAP_BYTES, JOB.RESULT);
  return VIRTIO_ADMIN_STATUS_Q_OK;
}

/** Replaces the list if it holds nothing unknown; it may leave out the list commands themselves (AMB-36). */
export function listUse(job: usize, group: u32): u32 {
  const length = load<u32>(job, JOB.LENGTH);
  const data: usize = load<u32>(job, JOB.BUFFER);
  let list: u64 = 0;
  for (let i: u32 = ADMIN_CMD_COMMAND_SPECIFIC_DATA; i < length; i++) {
    const byte = <u64>load<u8>(data + i);
    const shift = (i - ADMIN_CMD_COMMAND_SPECIFIC_DATA) << 3;
    if (shift < BITMAP_BYTES << 3) list |= byte << shift;
    else if (byte != 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD;
  }
  if ((list & ~(<u64>supportedCommands(group))) != 0) return VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD;
  useCommands(group, <u32>list);
  return VIRTIO_ADMIN_STATUS_Q_OK;
}
