// SPDX-License-Identifier: Apache-2.0
// Device status and reset (virtio 1.4 §2.1, §2.4, §4.1.4.3).
//
//   0 -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK        any state -> 0 by writing 0
//                                  (refused: the bit stays clear)   DEVICE_NEEDS_RESET is set by the device only
//
// A driver cannot clear a bit except by reset; DRIVER_OK without FEATURES_OK is not taken (the legacy interface has its
// own rules: virtio/legacy_window.ts). What else has to follow a change, in the layers above, is returned: DEVICE_*.
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { NONE } from '../abi/state_value.ts';
import { FC_RESETS, FC_RX_DROP_DISABLED } from '../abi/counter.ts';
import {
  STATUS_DEVICE_NEEDS_RESET,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_FAILED,
} from '../abi/device_status.ts';
import {
  COMMON_ADMIN_QUEUE_INDEX,
  COMMON_ADMIN_QUEUE_NUM,
  COMMON_CONFIG_GENERATION,
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_STATUS,
  COMMON_NUM_QUEUES,
  COMMON_SIZE,
  VIRTIO_MSI_NO_VECTOR,
} from '../abi/virtio_pci_common.ts';
import { countFn } from '../mem/arena.ts';
import { isTracing } from '../sim/trace.ts';
import { applyFeatures, isAcceptable } from './features.ts';
import { releaseAll } from './hold.ts';
import { updateIntx } from './interrupt.ts';
import { abandonJobs } from './job.ts';
import { queueAt, resetQueuePosition } from './queue.ts';
import { traceStatus } from './state_trace.ts';

/** The driver's features are taken over: FN.DRIVER_FEATURES. */
export const DEVICE_HAS_FEATURES: u32 = 1;
/** From now on queues are served. */
export const DEVICE_IS_LIVE: u32 = 2;
/** Nothing is left of what the driver set. */
export const DEVICE_WAS_RESET: u32 = 4;

const DRIVER_BITS = STATUS_ACKNOWLEDGE + STATUS_DRIVER + STATUS_DRIVER_OK + STATUS_FEATURES_OK + STATUS_FAILED;

/** A write to device_status through the modern interface: DEVICE_*. */
export function writeDeviceStatus(f: usize, value: u32): u32 {
  if (value == 0) return resetDevice(f);
  let effects: u32 = 0;
  const old = <u32>load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS);
  let status = old | (value & DRIVER_BITS);
  const rising = status & ~old;
  if ((rising & STATUS_FEATURES_OK) != 0) {
    if (isAcceptable(f)) effects = takeFeatures(f);
    else status &= ~STATUS_FEATURES_OK;
  }
  if ((rising & STATUS_DRIVER_OK) != 0 && (status & STATUS_FEATURES_OK) == 0) status &= ~STATUS_DRIVER_OK;
  store<u8>(f, <u8>status, FN.COMMON + COMMON_DEVICE_STATUS);
  if (isTracing(TRACE.MASK_STATE)) traceStatus(f);
  return (status & ~old & STATUS_DRIVER_OK) != 0 ? effects | goLive(f) : effects;
}

/** From now on queues are served, unless the device needs a reset: DEVICE_IS_LIVE or 0. */
export function goLive(f: usize): u32 {
  if ((load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS) & STATUS_DEVICE_NEEDS_RESET) != 0) return 0;
  store<u8>(f, 1, FN.LIVE);
  return DEVICE_IS_LIVE;
}

/** The driver's features count from now on: DEVICE_HAS_FEATURES. */
export function takeFeatures(f: usize): u32 {
  applyFeatures(f);
  return DEVICE_HAS_FEATURES;
}

/** Device reset: everything that a driver set is gone, nothing under way comes out any more; DEVICE_*. */
export function resetDevice(f: usize): u32 {
  countFn(f, FC_RESETS);
  store<u8>(f, 0, FN.LIVE);
  store<u8>(f, 0, FN.LEGACY);
  store<u8>(f, 0, FN.ISR);
  store<u32>(f, 0, FN.MSIX_PBA); // no notification after a reset (virtio 1.4 §2.4.1), pending ones included
  memory.fill(f + FN.DRIVER_FEATURES, 0, 16);
  const queues = load<u32>(f, FN.QUEUE_COUNT);
  for (let i: u32 = 0; i < queues; i++) resetQueue(queueAt(f, i), f);
  const admin = load<u32>(f, FN.ADMIN_QUEUE);
  if (admin != NONE) resetQueue(queueAt(f, admin), f);
  applyFeatures(f);

  const c = f + FN.COMMON;
  const generation = load<u8>(c, COMMON_CONFIG_GENERATION);
  memory.fill(c, 0, COMMON_SIZE);
  store<u8>(c, generation, COMMON_CONFIG_GENERATION);
  store<u32>(c, load<u32>(f, FN.OFFERED), COMMON_DEVICE_FEATURE);
  store<u16>(c, VIRTIO_MSI_NO_VECTOR, COMMON_CONFIG_MSIX_VECTOR);
  store<u16>(c, <u16>queues, COMMON_NUM_QUEUES);
  if (admin != NONE) {
    store<u16>(c, <u16>admin, COMMON_ADMIN_QUEUE_INDEX);
    store<u16>(c, 1, COMMON_ADMIN_QUEUE_NUM);
  }
  if (isTracing(TRACE.MASK_STATE)) traceStatus(f);
  updateIntx(f);
  return DEVICE_WAS_RESET | DEVICE_HAS_FEATURES;
}

/** Takes the pending bit of a vector away that one user has: what it would have signalled is gone. */
function withdrawPending(f: usize, vector: u32): void {
  const pending = load<u32>(f, FN.MSIX_PBA);
  if (vector >= <u32>FN.MSIX_VECTORS_MAX || (pending & (1 << vector)) == 0) return;
  let users = <u32>load<u16>(f, FN.COMMON + COMMON_CONFIG_MSIX_VECTOR) == vector ? 1 : 0;
  const last = load<u32>(f, FN.QUEUE_COUNT); // the admin queue, if there is one
  for (let i: u32 = 0; i <= last; i++) if (<u32>load<u16>(queueAt(f, i), Q.VECTOR) == vector) users++;
  if (users == 1) store<u32>(f, pending & ~(1 << vector), FN.MSIX_PBA);
}

/** Queue back to its state after device reset; work in progress is abandoned, and so is a notification that is pending. */
export function resetQueue(q: usize, f: usize): void {
  abandonJobs(q);
  countFn(f, FC_RX_DROP_DISABLED, releaseAll(q));
  withdrawPending(f, load<u16>(q, Q.VECTOR));
  resetQueuePosition(q, f);
  store<u64>(q, 0, Q.DESC);
  store<u64>(q, 0, Q.DRIVER);
  store<u64>(q, 0, Q.DEVICE);
  store<u16>(q, load<u16>(q, Q.MAX_SIZE), Q.SIZE);
  store<u16>(q, VIRTIO_MSI_NO_VECTOR, Q.VECTOR);
  store<u8>(q, 0, Q.ENABLED);
}
