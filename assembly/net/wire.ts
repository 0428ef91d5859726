// SPDX-License-Identifier: Apache-2.0
// Frames from the wire: one at a time lies in WIRE_INPUT until the switch has taken all of it.
import * as CTL from '../abi/control.ts';
import { C_WIRE_RX_BAD_LENGTH, C_WIRE_RX_BYTES, C_WIRE_RX_FRAMES } from '../abi/counter.ts';
import * as EV from '../abi/event_code.ts';
import { FRAME_BYTES_MAX, WIRE_INPUT } from '../abi/state_map.ts';
import * as P from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { schedule, scheduleAt } from '../sim/scheduler.ts';
import { isFunctional, retryDelay } from '../sim/time.ts';
import { RETRY_CYCLES } from '../virtio/job.ts';
import { ETHERNET_HEADER, parse } from './packet.ts';
import { FORWARD_BEGIN, FORWARD_DONE, forward, PORT_WIRE, WIRE_OVERHEAD } from './switch.ts';

/** A frame of `bytes` in WIRE_INPUT arrives at the wire port; false while the one before is still under way. */
export function receiveFrame(bytes: u32): bool {
  if (load<u32>(CTL.WIRE_IN_BYTES) != 0) return false;
  if (bytes < ETHERNET_HEADER || bytes > <u32>FRAME_BYTES_MAX) {
    count(C_WIRE_RX_BAD_LENGTH);
    return true;
  }
  count(C_WIRE_RX_FRAMES);
  count(C_WIRE_RX_BYTES, bytes);
  store<u32>(CTL.WIRE_IN_BYTES, bytes);
  store<u32>(CTL.WIRE_IN_PROGRESS, FORWARD_BEGIN);
  if (isFunctional()) {
    scheduleAt(load<u64>(CTL.NOW), EV.WIRE_RX, EV.PRIO_NORMAL, 0, 0);
    return true;
  }
  const free = load<u64>(CTL.WIRE_IN_FREE);
  const now = load<u64>(CTL.NOW) << 16;
  const end = (free > now ? free : now) + <u64>(bytes + WIRE_OVERHEAD) * param(P.WIRE_BYTE_COST);
  store<u64>(CTL.WIRE_IN_FREE, end);
  scheduleAt(((end + 0xffff) >> 16) + param(P.WIRE_LATENCY), EV.WIRE_RX, EV.PRIO_NORMAL, 0, 0);
  return true;
}

/** The frame in WIRE_INPUT goes through the switch; comes back until it is through. */
export function arriveFrame(): void {
  const bytes = load<u32>(CTL.WIRE_IN_BYTES);
  const progress = forward(PORT_WIRE, parse(WIRE_INPUT, bytes), load<u32>(CTL.WIRE_IN_PROGRESS));
  store<u32>(CTL.WIRE_IN_PROGRESS, progress);
  if (progress == FORWARD_DONE) store<u32>(CTL.WIRE_IN_BYTES, 0);
  else schedule(retryDelay(RETRY_CYCLES), EV.WIRE_RX, EV.PRIO_LATE, 0, 0);
}
