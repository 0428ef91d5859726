// SPDX-License-Identifier: Apache-2.0
// What a driver's mistake does (virtio 1.4 §2.1.2): its queue stops, the device shows DEVICE_NEEDS_RESET, tells the
// driver, counts the cause, and works for nobody until it is reset. Nothing else on the card notices.
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as DMA from '../abi/dma_context.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { STATUS_DEVICE_NEEDS_RESET, STATUS_DRIVER_OK } from '../abi/device_status.ts';
import { COMMON_DEVICE_STATUS } from '../abi/virtio_pci_common.ts';
import { countFn } from '../mem/arena.ts';
import { isTracing } from '../sim/trace.ts';
import { hasHeld } from './hold.ts';
import { notifyConfig } from './interrupt.ts';
import { traceStatus } from './state_trace.ts';
import { scheduleVisit } from './visit.ts';

/** Stops the queue: the driver broke a rule, the device needs a reset. `cause` is a counter index. */
export function breakQueue(q: usize, cause: i32): void {
  store<u8>(q, 1, Q.BROKEN);
  breakDevice(load<u32>(q, Q.CONTEXT + DMA.FN), cause);
}

/** An unrecoverable mistake of the driver: counted by cause, told to the driver, the device stops. */
function breakDevice(f: usize, cause: i32): void {
  countFn(f, cause);
  const status = load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS);
  if ((status & STATUS_DEVICE_NEEDS_RESET) != 0) return;
  store<u8>(f, status | STATUS_DEVICE_NEEDS_RESET, FN.COMMON + COMMON_DEVICE_STATUS);
  store<u8>(f, 0, FN.LIVE);
  if (isTracing(TRACE.MASK_STATE)) traceStatus(f);
  // the visits find the device stopped and give back what the queues hold
  const queues = load<u32>(f, FN.QUEUE_COUNT) + 1;
  for (let i: u32 = 0; i < queues; i++) {
    const q = f + FN.QUEUES + i * Q.STRIDE;
    if (load<u32>(q, Q.JOBS) != 0 || hasHeld(q)) scheduleVisit(q, 0);
  }
  if ((status & STATUS_DRIVER_OK) != 0) notifyConfig(f);
}
