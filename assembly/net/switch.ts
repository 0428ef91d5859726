// SPDX-License-Identifier: Apache-2.0
// The embedded switch: forwards by destination address between the functions and the wire. Unicast goes to the owner of
// the address, or to the wire (from the wire: to nobody); broadcast and multicast go to every active function but the
// sender, and to the wire. Promiscuous functions get a copy of everything. A frame to its sender's own address goes to
// nobody else, as a switch sends nothing out of the port that it came in by. Forwarding is resumable: a flood that finds
// no receive job stops and goes on later, so nothing is lost inside the card.
import { PORT_ACTIVE, PORT_PROMISC, WIRE_RING, WIRE_RING_BYTES } from '../abi/state_map.ts';
import { WIRE_END, WIRE_ENTRY_BYTES, WIRE_LENGTH } from '../abi/record.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as JOB from '../abi/job.ts';
import { PACKET_FRAME, PACKET_LENGTH } from '../abi/switch_state.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { JOB_RX_HEAD, NONE, RX_MODE_ALLMULTI, RX_MODE_PROMISC } from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
import {
  C_FLOOD_FRAMES,
  C_WIRE_RX_NO_MATCH,
  C_WIRE_TX_BYTES,
  C_WIRE_TX_FRAMES,
  FC_RX_DROP_DISABLED,
  FC_RX_DROP_FILTER,
  FC_RX_DROP_OVERSIZE,
  FC_TX_DROP_HAIRPIN,
} from '../abi/counter.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { config, copyBytes, count, countFn, functionAt, functionCount, param } from '../mem/arena.ts';
import { emit } from '../sim/output.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing, recordAt } from '../sim/trace.ts';
import { hasReceiveJob, startReceiveJob } from '../virtio/job.ts';
import { isRunnable, queueAt } from '../virtio/queue.ts';
import { scheduleVisit } from '../virtio/visit.ts';
import { findMac } from './mac_table.ts';
import { flowOf, isOversize, macOf } from './packet.ts';
import { hasVlans, isMember, shape, vlanOf } from './vlan.ts';

/** The wire as source of a frame. */
export const PORT_WIRE: u32 = 0xfffe;

/** Room in a receive job's buffer in front of the frame, for the header. */
export const FRAME_OFFSET: u32 = 64;

/** Preamble, FCS, inter-frame gap. */
export const WIRE_OVERHEAD: u32 = 24;

// progress of a frame through the switch
export const FORWARD_BEGIN: u32 = 0xffffffff;
export const FORWARD_DONE: u32 = 0xfffffffe;
/** As FORWARD_DONE, and the frame went nowhere: the sender's counter says so. */
export const FORWARD_DROPPED: u32 = 0xfffffffd;

/** In the result of a flood: it goes on later. */
const STOPPED: u32 = 0x20000;
/** In the progress of a flood: somebody has the frame already, or has counted why not. */
const REACHED: u32 = 0x10000;

/**
 * Forwards a frame from `source` (a function or PORT_WIRE). `progress` is FORWARD_BEGIN at first; the result is
 * FORWARD_DONE, FORWARD_DROPPED for a function's, or the value to come back with when a receive job is free. The frame has
 * come in, for the trace, once the switch takes it: what is offered again is still the same frame.
 */
export function forward(source: u32, packet: usize, progress: u32): u32 {
  const mac = macOf(load<u32>(packet, PACKET_FRAME));
  const isGroup = ((<u32>mac) & 1) != 0;
  const vlan = hasVlans() ? packetVlan(source, packet) : 0;
  if (progress == FORWARD_BEGIN) {
    let target = isGroup ? NONE : findMac(mac);
    if (target != NONE && !isMember(functionAt(target), vlan)) target = NONE;
    const isForWire = target == NONE && source != PORT_WIRE;
    const isForOther = target != NONE && target != source;
    const seen = isForWire ? shape(packet, vlan, 0) : packet;
    if (isForWire ? !hasWireRoom(seen) : isForOther && !hasReceiveJob()) return FORWARD_BEGIN;
    if (isTracing(TRACE.MASK_FRAMES)) traceFrame(source == PORT_WIRE ? TRACE.NOBODY : source, FRAME_IN, packet);
    if (isForWire) sendToWire(source, seen);
    else if (isForOther) deliver(target, packet, vlan);
    progress = isForWire || isForOther ? REACHED : 0;
    if (isGroup) count(C_FLOOD_FRAMES);
  }
  if (isGroup || load<u32>(CTL.PROMISC_PORTS) != 0) {
    progress = flood(source, packet, vlan, mac, isGroup, progress);
    if ((progress & STOPPED) != 0) return progress & ~STOPPED;
  }
  if ((progress & REACHED) != 0) return FORWARD_DONE;
  // nobody got the frame: no station of the card has the address, or the sender itself, to which no switch returns it
  if (source != PORT_WIRE) {
    countFn(functionAt(source), FC_TX_DROP_HAIRPIN);
    return FORWARD_DROPPED;
  }
  count(C_WIRE_RX_NO_MATCH);
  return FORWARD_DONE;
}

function packetVlan(source: u32, packet: usize): u32 {
  return vlanOf(source == PORT_WIRE ? 0 : load<u16>(functionAt(source), FN.VLAN), packet);
}

/**
 * Copies to the functions from that of `progress` on that want the frame beside its owner. Returns the progress, with
 * STOPPED if a receive job is missing.
 */
function flood(source: u32, packet: usize, vlan: u32, mac: u64, isGroup: bool, progress: u32): u32 {
  const map: usize = isGroup ? PORT_ACTIVE : PORT_PROMISC;
  const words = (functionCount() + 31) >> 5;
  const from = progress & (REACHED - 1);
  let reached = progress & REACHED;
  let word = from >> 5;
  let bits = word < words ? load<u32>(map + (word << 2)) & (0xffffffff << (from & 31)) : 0;
  while (word < words) {
    while (bits != 0) {
      const fn = (word << 5) + ctz(bits);
      bits &= bits - 1;
      if (fn == source) continue;
      const f = functionAt(fn);
      if (!isMember(f, vlan)) continue;
      if (isGroup) {
        if (!wantsGroup(f, mac)) {
          countFn(f, FC_RX_DROP_FILTER);
          reached = REACHED;
          continue;
        }
      } else if (findMac(mac) == fn) continue; // has its copy
      if (!hasReceiveJob()) return fn | reached | STOPPED;
      deliver(fn, packet, vlan);
      reached = REACHED;
    }
    word++;
    if (word < words) bits = load<u32>(map + (word << 2));
  }
  return reached;
}

/** Receive filter for broadcast and multicast (virtio 1.4 §5.1.6.5.1, §5.1.6.5.2). */
function wantsGroup(f: usize, mac: u64): bool {
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
function deliver(fn: u32, packet: usize, vlan: u32): void {
  const f = functionAt(fn);
  const q = receiveQueue(f, packet);
  if (!isRunnable(q)) {
    countFn(f, FC_RX_DROP_DISABLED);
    return;
  }
  const seen = shape(packet, vlan, load<u16>(f, FN.VLAN));
  if (isOversize(f, seen)) {
    countFn(f, FC_RX_DROP_OVERSIZE);
    return;
  }
  if (isTracing(TRACE.MASK_FRAMES)) traceFrame(fn, FRAME_OUT, seen);
  const length = load<u32>(seen, PACKET_LENGTH);
  const job = startReceiveJob(q);
  copyBytes(job + JOB.BUFFER + FRAME_OFFSET, load<u32>(seen, PACKET_FRAME), length);
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
function hasWireRoom(seen: usize): bool {
  if (config(CFG.WIRE_MODE) == 0) return true;
  const size = wireEntryBytes(load<u32>(seen, PACKET_LENGTH));
  return wireEntryStart(size) + size - load<u32>(CTL.WIRE_TAIL) <= <u32>WIRE_RING_BYTES;
}

/** Sends a frame out of the wire port; the caller made sure that there is room. */
function sendToWire(source: u32, seen: usize): void {
  const length = load<u32>(seen, PACKET_LENGTH);
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

// sub of TRACE.FRAME
const FRAME_IN: u32 = 0;
const FRAME_OUT: u32 = 1;

function traceFrame(port: u32, direction: u32, packet: usize): void {
  const frame = load<u32>(packet, PACKET_FRAME);
  const length = load<u32>(packet, PACKET_LENGTH);
  recordAt(load<u64>(CTL.NOW), TRACE.FRAME, port, direction, length, 0, 0, 0, 0, frame, length);
}

/** EV.WIRE_TX: the frame is on the wire. */
export function frameSent(at: u32, lengthAndSource: u32): void {
  store<u32>(CTL.WIRE_EMITTED, load<u32>(at - WIRE_ENTRY_BYTES, WIRE_END));
  emit(EV.OUT_FRAME, lengthAndSource & 0x7ff, at, lengthAndSource >> 11, 0, 0);
}
