// SPDX-License-Identifier: Apache-2.0
// A function as a port of the switch: which frames it wants, which of its receive queues a frame goes to, and the copy
// that is handed over.
import { FC_RX_DROP_DISABLED, FC_RX_DROP_OVERSIZE } from '../abi/counter.ts';
import * as FN from '../abi/function.ts';
import * as JOB from '../abi/job.ts';
import { JOB_RX_HEAD, RX_MODE_ALLMULTI, RX_MODE_PROMISC } from '../abi/state_value.ts';
import { PACKET_FRAME, PACKET_LENGTH, PACKET_VLAN } from '../abi/switch_state.ts';
import * as P from '../abi/timing_param.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { copyBytes, countFn, functionAt, param } from '../mem/arena.ts';
import { isTracing } from '../sim/trace.ts';
import { hasReceiveJob, startReceiveJob } from '../virtio/job.ts';
import { isRunnable, queueAt } from '../virtio/queue.ts';
import { scheduleVisit } from '../virtio/visit.ts';
import { flowOf, FRAME_OUT, isOversize, TAG_BYTES, traceFrame } from './packet.ts';
import { shape } from './vlan.ts';

/** Room in a receive job's buffer in front of the frame, for the header. */
export const FRAME_OFFSET: u32 = 64;

/** Is there a job that a packet can be delivered with, whether it gets a tag on the way or not? */
export function hasDeliveryRoom(packet: usize): bool {
  return hasReceiveJob(FRAME_OFFSET + load<u32>(packet, PACKET_LENGTH) + TAG_BYTES);
}

/** Receive filter for broadcast and multicast (virtio 1.4 §5.1.6.5.1, §5.1.6.5.2). */
export function wantsGroup(f: usize, mac: u64): bool {
  if ((mac & 0xffffffffffff) == 0xffffffffffff) return true;
  // without CTRL_RX a driver cannot ask for groups: it gets them all, as before filters existed
  if (load<u8>(f, FN.FILTERING) == 0) return true;
  if ((load<u8>(f, FN.RX_MODE) & (RX_MODE_PROMISC | RX_MODE_ALLMULTI)) != 0) return true;
  const filters = load<u32>(f, FN.FILTERS);
  const multicast = filters >> 16;
  const list = f + FN.FILTER + ((filters & 0xffff) << 3);
  for (let i: u32 = 0; i < multicast; i++) if (load<u64>(list + (i << 3)) == mac) return true;
  return false;
}

/** Hands a copy of the frame to a receive queue of the function; the caller made sure that a job is free. */
export function deliver(fn: u32, packet: usize): void {
  const f = functionAt(fn);
  const q = receiveQueue(f, packet);
  if (!isRunnable(q)) {
    countFn(f, FC_RX_DROP_DISABLED);
    return;
  }
  const seen = shape(packet, load<u32>(packet, PACKET_VLAN), load<u16>(f, FN.VLAN));
  if (isOversize(f, seen)) {
    countFn(f, FC_RX_DROP_OVERSIZE);
    return;
  }
  if (isTracing(TRACE.MASK_FRAMES)) traceFrame(fn, FRAME_OUT, seen);
  const length = load<u32>(seen, PACKET_LENGTH);
  const job = startReceiveJob(q, FRAME_OFFSET + length);
  copyBytes(load<u32>(job, JOB.BUFFER) + FRAME_OFFSET, load<u32>(seen, PACKET_FRAME), length);
  store<u32>(job, length, JOB.LENGTH);
  store<u8>(job, JOB_RX_HEAD, JOB.STATE);
  scheduleVisit(q, param(P.SWITCH));
}

/** The queue of the frame's flow; if it is not in use, the next one that is (NET-MQ-03). */
function receiveQueue(f: usize, packet: usize): usize {
  const pairs = load<u32>(f, FN.ACTIVE_PAIRS);
  if (pairs == 1) return queueAt(f, 0);
  const first = flowOf(packet) % pairs;
  for (let i: u32 = 0; i < pairs; i++) {
    const q = queueAt(f, ((first + i) % pairs) << 1);
    if (isRunnable(q)) return q;
  }
  return queueAt(f, first << 1);
}
