// SPDX-License-Identifier: Apache-2.0
// The registers of common configuration that follow queue_select: a window of 36 bytes that is filled when the
// selection or the queue changes, so that every read is a plain load.
import { STATUS_FEATURES_OK } from '../abi/device_status.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import { NONE } from '../abi/state_value.ts';
import {
  COMMON_DEVICE_STATUS,
  COMMON_QUEUE_DESC,
  COMMON_QUEUE_DEVICE,
  COMMON_QUEUE_DRIVER,
  COMMON_QUEUE_ENABLE,
  COMMON_QUEUE_MSIX_VECTOR,
  COMMON_QUEUE_NOTIFY_OFF,
  COMMON_QUEUE_NOTIF_CONFIG_DATA,
  COMMON_QUEUE_RESET,
  COMMON_QUEUE_SELECT,
  COMMON_QUEUE_SIZE,
  VIRTIO_MSI_NO_VECTOR,
} from '../abi/virtio_pci_common.ts';
import { KIND_IDLE, kindOf } from './queue_kind.ts';
import { queueAt } from './queue.ts';

/** The queue with this index, 0 if the function has none. */
export function findQueue(f: usize, index: u32): usize {
  if (index < load<u32>(f, FN.QUEUE_COUNT)) return queueAt(f, index);
  const admin = load<u32>(f, FN.ADMIN_QUEUE);
  return admin != NONE && index == admin ? queueAt(f, index) : 0;
}

/**
 * The queue that queue_select names, 0 if it is unavailable: there is no such queue, or the features that were negotiated
 * leave it out (virtio 1.4 §4.1.4.3, §5.1.2). Until then all queues that may come to be used are there.
 */
export function selectedQueue(f: usize): usize {
  const q = findQueue(f, load<u16>(f, FN.COMMON + COMMON_QUEUE_SELECT));
  if (q == 0 || (kindOf(q) & KIND_IDLE) == 0) return q;
  const status = load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS);
  const isNegotiated = (status & STATUS_FEATURES_OK) != 0 || load<u8>(f, FN.LEGACY) != 0;
  return isNegotiated ? 0 : q;
}

export function refreshQueueWindow(f: usize): void {
  const c = f + FN.COMMON;
  const q = selectedQueue(f);
  if (q == 0) {
    memory.fill(c + COMMON_QUEUE_SIZE, 0, COMMON_QUEUE_RESET + 2 - COMMON_QUEUE_SIZE);
    store<u16>(c, VIRTIO_MSI_NO_VECTOR, COMMON_QUEUE_MSIX_VECTOR);
    return;
  }
  const index = load<u16>(c, COMMON_QUEUE_SELECT);
  store<u16>(c, load<u16>(q, Q.SIZE), COMMON_QUEUE_SIZE);
  store<u16>(c, load<u16>(q, Q.VECTOR), COMMON_QUEUE_MSIX_VECTOR);
  store<u16>(c, load<u8>(q, Q.ENABLED), COMMON_QUEUE_ENABLE);
  store<u16>(c, index, COMMON_QUEUE_NOTIFY_OFF);
  store<u64>(c, load<u64>(q, Q.DESC), COMMON_QUEUE_DESC);
  store<u64>(c, load<u64>(q, Q.DRIVER), COMMON_QUEUE_DRIVER);
  store<u64>(c, load<u64>(q, Q.DEVICE), COMMON_QUEUE_DEVICE);
  store<u16>(c, index, COMMON_QUEUE_NOTIF_CONFIG_DATA);
  store<u16>(c, 0, COMMON_QUEUE_RESET);
}
