// SPDX-License-Identifier: Apache-2.0
// The wire: frames that leave lie in a ring until the host has taken them, one that comes in lies in WIRE_INPUT until the
// switch has taken all of it. Each direction takes the time of its bytes.
import * as CTL from '../abi/control.ts';
import {
  C_WIRE_RX_BAD_LENGTH,
  C_WIRE_RX_BYTES,
  C_WIRE_RX_FRAMES,
  C_WIRE_TX_BYTES,
  C_WIRE_TX_FRAMES,
} from '../abi/counter.ts';
import * as EV from '../abi/event_code.ts';
import * as CFG from '../abi/nic_config.ts';
import { WIRE_END, WIRE_ENTRY_BYTES, WIRE_LENGTH } from '../abi/record.ts';
import { FRAME_BYTES_MAX, WIRE_RING, WIRE_RING_BYTES } from '../abi/state_map.ts';
import { FORWARD_BEGIN } from '../abi/state_value.ts';
import { PACKET_FRAME, PACKET_LENGTH, PACKET_SOURCE } from '../abi/switch_state.ts';
import * as P from '../abi/timing_param.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { config, copyBytes, count, param } from '../mem/arena.ts';
import { emit } from '../sim/output.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { ETHERNET_HEADER, FRAME_OUT, traceFrame } from './packet.ts';

/** Preamble, FCS, inter-frame gap. */
const WIRE_OVERHEAD: u32 = 24;

/** Where an entry of the wire's ring begins, in free-running bytes: entries are in one piece. */
function wireEntryStart(size: u32): u32 {
  const head = load<u32>(CTL.WIRE_HEAD);
  const room: u32 = WIRE_RING_BYTES - (head & (WIRE_RING_BYTES - 1));
  return room < size ? head + room : head;
}

function wireEntryBytes(length: u32): u32 {
  return WIRE_ENTRY_BYTES + ((length + 7) & ~7);
}

/** False while the host has not taken enough of the frames that left for this one to fit. */
export function hasWireRoom(seen: usize): bool {
  if (config(CFG.WIRE_MODE) == 0) return true;
  const size = wireEntryBytes(load<u32>(seen, PACKET_LENGTH));
  return wireEntryStart(size) + size - load<u32>(CTL.WIRE_TAIL) <= <u32>WIRE_RING_BYTES;
}

/** Sends a frame out of the wire port; the caller made sure that there is room. */
export function sendToWire(seen: usize): void {
  const length = load<u32>(seen, PACKET_LENGTH);
  const source = load<u32>(seen, PACKET_SOURCE);
  if (config(CFG.WIRE_MODE) == 0) {
    if (isTracing(TRACE.MASK_FRAMES)) traceFrame(TRACE.NOBODY, FRAME_OUT, seen);
    count(C_WIRE_TX_FRAMES);
    count(C_WIRE_TX_BYTES, length);
    return;
  }
  const size = wireEntryBytes(length);
  const start = wireEntryStart(size);
  const entry: usize = WIRE_RING + (start & (WIRE_RING_BYTES - 1));
  if (isTracing(TRACE.MASK_FRAMES)) traceFrame(TRACE.NOBODY, FRAME_OUT, seen);
  store<u32>(entry, start + size, WIRE_END);
  store<u32>(entry, length, WIRE_LENGTH);
  copyBytes(entry + WIRE_ENTRY_BYTES, load<u32>(seen, PACKET_FRAME), length);
  store<u32>(CTL.WIRE_HEAD, start + size);
  count(C_WIRE_TX_FRAMES);
  count(C_WIRE_TX_BYTES, length);
  const at = <u32>entry + WIRE_ENTRY_BYTES;
  if (isFunctional()) {
    frameSent(at, (length << 11) | source);
    return;
  }
  const free = load<u64>(CTL.WIRE_FREE);
  const now = load<u64>(CTL.NOW) << 16;
  const end = (free > now ? free : now) + <u64>(length + WIRE_OVERHEAD) * param(P.WIRE_BYTE_COST);
  store<u64>(CTL.WIRE_FREE, end);
  scheduleAt(((end + 0xffff) >> 16) + param(P.WIRE_LATENCY), EV.WIRE_TX, EV.PRIO_NORMAL, at, (length << 11) | source);
}

/** EV.WIRE_TX: the frame is on the wire. */
export function frameSent(at: u32, lengthAndSource: u32): void {
  store<u32>(CTL.WIRE_EMITTED, load<u32>(at - WIRE_ENTRY_BYTES, WIRE_END));
  emit(EV.OUT_FRAME, lengthAndSource & 0x7ff, at, lengthAndSource >> 11, 0, 0);
}

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
