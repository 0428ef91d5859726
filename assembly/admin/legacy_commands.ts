// SPDX-License-Identifier: Apache-2.0
// The legacy interface commands (virtio 1.4 §2.12.1.2): register access of a member at its legacy layout, and where a
// driver may ring its doorbell. Data lengths are those of the buffers: what follows the prefix of a write, the room
// after the status of a read (AMB-09).
import * as FN from '../abi/function.ts';
import * as PROFILE from '../abi/profile.ts';
import * as JOB from '../abi/job.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { NOTIFY_BAR_OFFSET, OWNER_NOTIFY_BAR_OFFSET, VIRTIO_BAR } from '../abi/config_layout.ts';
import {
  ADMIN_CMD_COMMAND_SPECIFIC_DATA,
  ADMIN_LEGACY_WR_REGISTERS,
  ADMIN_NOTIFY_INFO_BAR,
  ADMIN_NOTIFY_INFO_OFFSET,
  ADMIN_NOTIFY_INFO_RESULT_SIZE,
  ADMIN_RESULT_HEADER_SIZE,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE,
  VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_END,
  VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_DEV,
  VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD,
  VIRTIO_ADMIN_STATUS_Q_OK,
} from '../abi/virtio_admin.ts';
import { isTracing } from '../sim/trace.ts';
import { isInsideLegacyField, readLegacy, writeLegacy } from '../virtio/legacy_window.ts';
import { traceRegister, TRACE_SPACE_LEGACY } from '../virtio/state_trace.ts';
import { followDevice } from '../net/device.ts';
import { isInsideNetField, writeLegacyNetConfig } from '../net/config.ts';

/** Runs a legacy command on the member `f`; a qualifier other than Q_OK means EINVAL and nothing was changed. */
export function executeLegacy(job: usize, opcode: u32, f: usize): u32 {
  const data = load<u32>(job, JOB.BUFFER) + ADMIN_CMD_COMMAND_SPECIFIC_DATA;
  const length = load<u32>(job, JOB.LENGTH);
  const offset = length > <u32>ADMIN_CMD_COMMAND_SPECIFIC_DATA ? <u32>load<u8>(data) : 0;
  const prefixed = ADMIN_CMD_COMMAND_SPECIFIC_DATA + ADMIN_LEGACY_WR_REGISTERS;
  const writeBytes = length > <u32>prefixed ? length - prefixed : 0;
  const room = load<u32>(job, JOB.WRITE_BYTES);
  const readBytes = room > <u32>ADMIN_RESULT_HEADER_SIZE ? room - ADMIN_RESULT_HEADER_SIZE : 0;
  const result = job + JOB.OUT + ADMIN_RESULT_HEADER_SIZE;

  switch (opcode) {
    case VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE: {
      if (!isInsideLegacyField(f, offset, writeBytes)) return VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD;
      const value = loadBytes(data + ADMIN_LEGACY_WR_REGISTERS, writeBytes);
      if (isTracing(TRACE.MASK_STATE)) traceRegister(f, TRACE_SPACE_LEGACY, offset, writeBytes, value, true);
      followDevice(f, writeLegacy(f, offset, writeBytes, value));
      return VIRTIO_ADMIN_STATUS_Q_OK;
    }
    case VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ: {
      if (!isInsideLegacyField(f, offset, readBytes)) return VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD;
      const value = readLegacy(f, offset, readBytes);
      if (isTracing(TRACE.MASK_STATE)) traceRegister(f, TRACE_SPACE_LEGACY, offset, readBytes, value, false);
      store<u32>(result, value);
      store<u32>(job, ADMIN_RESULT_HEADER_SIZE + readBytes, JOB.RESULT);
      return VIRTIO_ADMIN_STATUS_Q_OK;
    }
    case VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE: {
      if (!isInsideNetField(offset, writeBytes)) return VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD;
      writeLegacyNetConfig(f, offset, writeBytes, data + ADMIN_LEGACY_WR_REGISTERS);
      return VIRTIO_ADMIN_STATUS_Q_OK;
    }
    case VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ: {
      if (!isInsideNetField(offset, readBytes)) return VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD;
      memory.copy(result, f + FN.DEVICE_CFG + offset, readBytes);
      store<u32>(job, ADMIN_RESULT_HEADER_SIZE + readBytes, JOB.RESULT);
      return VIRTIO_ADMIN_STATUS_Q_OK;
    }
    default:
      notifyInfo(f, result);
      store<u32>(job, ADMIN_RESULT_HEADER_SIZE + ADMIN_NOTIFY_INFO_RESULT_SIZE, JOB.RESULT);
      return VIRTIO_ADMIN_STATUS_Q_OK;
  }
}

/** At most one usable entry, where the profile has it; the next one has flags 0 and ends the list (ADM-LEG-13). */
function notifyInfo(f: usize, result: usize): void {
  const flags = load<u8>(f, FN.PROFILE + PROFILE.NOTIFY);
  memory.fill(result, 0, ADMIN_NOTIFY_INFO_RESULT_SIZE);
  if (flags == VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_END) return;
  const isOwner = flags == VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_DEV;
  const inOwner = OWNER_NOTIFY_BAR_OFFSET + ((load<u32>(f, FN.INDEX) - 1) << 1);
  store<u8>(result, flags);
  store<u8>(result, VIRTIO_BAR, ADMIN_NOTIFY_INFO_BAR);
  store<u64>(result, isOwner ? inOwner : NOTIFY_BAR_OFFSET, ADMIN_NOTIFY_INFO_OFFSET);
}

function loadBytes(at: usize, bytes: u32): u32 {
  let value: u32 = 0;
  for (let i: u32 = 0; i < bytes; i++) value |= (<u32>load<u8>(at + i)) << (i << 3);
  return value;
}
