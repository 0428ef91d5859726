// SPDX-License-Identifier: Apache-2.0
// The embedded switch: forwards by destination address between the functions and the wire. Unicast goes to the owner of
// the address, or to the wire (from the wire: to nobody); broadcast and multicast go to every active function but the
// sender, and to the wire. Promiscuous functions get a copy of everything. Forwarding is resumable: a flood that finds
// no receive job stops and goes on later, so nothing is lost inside the card.
import {
  CTL_NOW,
  CTL_PROMISC_PORTS,
  CTL_WIRE_EMITTED,
  CTL_WIRE_FREE,
  CTL_WIRE_HEAD,
  CTL_WIRE_TAIL,
  FN_FILTER,
  NONE,
  PORT_ACTIVE,
  PORT_PROMISC,
  RETAGGED,
  WIRE_RING,
  WIRE_RING_BYTES,
} from '../abi/state_map.ts';
import {
  FN_ACTIVE_PAIRS,
  FN_FILTERING,
  FN_FILTERS,
  FN_MAX_FRAME,
  FN_RX_MODE,
  FN_VLAN,
  JOB_BUFFER,
  JOB_LENGTH,
  JOB_RX_HEAD,
  JOB_STATE,
  RX_MODE_ALLMULTI,
  RX_MODE_PROMISC,
} from '../abi/function_state.ts';
import { CFG_WIRE_MODE } from '../abi/nic_config.ts';
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
import { EV_WIRE_TX, OUT_FRAME, PRIO_NORMAL } from '../abi/event_code.ts';
import { P_SWITCH, P_WIRE_BYTE_COST, P_WIRE_LATENCY } from '../abi/timing_param.ts';
import { TRACE_FRAME, TRACE_MASK_FRAMES, TRACE_NOBODY } from '../abi/trace_kind.ts';
import { config, copyBytes, count, countFn, functionAt, functionCount, param } from '../mem/arena.ts';
import { emit } from '../sim/output.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { isTracing, recordAt } from '../sim/trace.ts';
import { hasReceiveJob, startReceiveJob } from '../virtio/job.ts';
import { isRunnable, queueAt } from '../virtio/queue.ts';
import { scheduleVisit } from '../virtio/visit.ts';
import { findMac } from './mac_table.ts';
import { hasVlans, isMember, shape, vlanOf } from './vlan.ts';

/** The wire as source of a frame. */
export const PORT_WIRE: u32 = 0xfffe;

/** Room in a receive job's buffer in front of the frame, for the header. */
export const FRAME_OFFSET: u32 = 64;

const WIRE_OVERHEAD = 24; // preamble, FCS, inter-frame gap
const ENTRY_BYTES = 8;
const TPID_VLAN = 0x0081; // 0x8100 as a little-endian load sees it

// progress of a frame through the switch
export const FORWARD_BEGIN: u32 = 0xffffffff;
export const FORWARD_DONE: u32 = 0xfffffffe;

/** The six bytes of an address, first byte lowest. */
export function macOf(frame: usize): u64 {
  return (<u64>load<u32>(frame)) | ((<u64>load<u16>(frame, 4)) << 32);
}

/**
 * Forwards a frame from `source` (a function or PORT_WIRE). `progress` is FORWARD_BEGIN at first; the result is
 * FORWARD_DONE, or the value to come back with when a receive job is free.
 */
export function forward(source: u32, frame: usize, length: u32, progress: u32): u32 {
  const mac = macOf(frame);
  const isGroup = ((<u32>mac) & 1) != 0;
  const vlan = hasVlans() ? frameVlan(source, frame, length) : 0;
  if (progress == FORWARD_BEGIN) {
    if (isTracing(TRACE_MASK_FRAMES)) traceFrame(source == PORT_WIRE ? TRACE_NOBODY : source, FRAME_IN, frame, length);
    if (!isGroup) {
      let target = findMac(mac);
      if (target != NONE && !isMember(functionAt(target), vlan)) target = NONE;
      if (target == NONE) {
        if (source == PORT_WIRE) {
          if (load<u32>(CTL_PROMISC_PORTS) == 0) count(C_WIRE_RX_NO_MATCH);
        } else if (!sendToWire(source, frame, length, vlan)) return FORWARD_BEGIN;
      } else if (target == source) {
        countFn(functionAt(source), FC_TX_DROP_HAIRPIN);
      } else {
        if (!hasReceiveJob()) return FORWARD_BEGIN;
        deliver(target, frame, length, vlan);
      }
    } else {
      if (source != PORT_WIRE && !sendToWire(source, frame, length, vlan)) return FORWARD_BEGIN;
      count(C_FLOOD_FRAMES);
    }
    if (!isGroup && load<u32>(CTL_PROMISC_PORTS) == 0) return FORWARD_DONE;
    progress = 0;
  }
  return flood(source, frame, length, vlan, mac, isGroup, progress);
}

function frameVlan(source: u32, frame: usize, length: u32): u32 {
  return vlanOf(source == PORT_WIRE ? 0 : load<u16>(functionAt(source), FN_VLAN), frame, length);
}

/** Copies to the functions from number `from` on that want the frame beside its owner. */
function flood(source: u32, frame: usize, length: u32, vlan: u32, mac: u64, isGroup: bool, from: u32): u32 {
  const map: usize = isGroup ? PORT_ACTIVE : PORT_PROMISC;
  const words = (functionCount() + 31) >> 5;
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
          continue;
        }
      } else if (findMac(mac) == fn) continue; // has its copy
      if (!hasReceiveJob()) return fn;
      deliver(fn, frame, length, vlan);
    }
    word++;
    if (word < words) bits = load<u32>(map + (word << 2));
  }
  return FORWARD_DONE;
}

/** Receive filter for broadcast and multicast (virtio 1.4 §5.1.6.5.1, §5.1.6.5.2). */
function wantsGroup(f: usize, mac: u64): bool {
  if ((mac & 0xffffffffffff) == 0xffffffffffff) return true;
  // without CTRL_RX a driver cannot ask for groups: it gets them all, as before filters existed
  if (load<u8>(f, FN_FILTERING) == 0) return true;
  if ((load<u8>(f, FN_RX_MODE) & (RX_MODE_PROMISC | RX_MODE_ALLMULTI)) != 0) return true;
  const filters = load<u32>(f, FN_FILTERS);
  const multicast = filters >> 16;
  const list = f + FN_FILTER + ((filters & 0xffff) << 3);
  for (let i: u32 = 0; i < multicast; i++) if (load<u64>(list + (i << 3)) == mac) return true;
  return false;
}

/** Hands a copy of the frame to a receive queue of the function; the caller made sure that a job is free. */
function deliver(fn: u32, frame: usize, length: u32, vlan: u32): void {
  const f = functionAt(fn);
  if (vlan != 0) {
    const shaped = shape(frame, length, vlan, load<u16>(f, FN_VLAN));
    if (shaped != length) frame = RETAGGED;
    length = shaped;
  }
  const q = receiveQueue(f, frame, length);
  if (!isRunnable(q)) {
    countFn(f, FC_RX_DROP_DISABLED);
    return;
  }
  if (isOversize(f, frame, length)) {
    countFn(f, FC_RX_DROP_OVERSIZE);
    return;
  }
  if (isTracing(TRACE_MASK_FRAMES)) traceFrame(fn, FRAME_OUT, frame, length);
  const job = startReceiveJob(q);
  copyBytes(job + JOB_BUFFER + FRAME_OFFSET, frame, length);
  store<u32>(job, length, JOB_LENGTH);
  store<u8>(job, JOB_RX_HEAD, JOB_STATE);
  scheduleVisit(q, param(P_SWITCH));
}

/** The queue of the frame's flow; if it is not in use, the next one that is (NET-MQ-03). */
function receiveQueue(f: usize, frame: usize, length: u32): usize {
  const pairs = load<u32>(f, FN_ACTIVE_PAIRS);
  if (pairs == 1) return queueAt(f, 0);
  const first = steer(frame, length, pairs);
  for (let i: u32 = 0; i < pairs; i++) {
    const q = queueAt(f, ((first + i) % pairs) << 1);
    if (isRunnable(q)) return q;
  }
  return queueAt(f, first << 1);
}

/** Longer than mtu and Ethernet header; one VLAN tag is not counted. */
export function isOversize(f: usize, frame: usize, length: u32): bool {
  const limit = load<u32>(f, FN_MAX_FRAME);
  if (length <= limit) return false;
  return length > limit + 4 || load<u16>(frame, 12) != TPID_VLAN;
}

/** Receive queue of a flow: a hash of addresses and, for IPv4 and IPv6, of the bytes that hold addresses and ports. */
function steer(frame: usize, length: u32, pairs: u32): u32 {
  let hash: u32 = 0x811c9dc5;
  const end = min<u32>(length, 54);
  for (let i: u32 = 26; i < end && (i < 38 || load<u8>(frame, 12) == 0x86); i++) {
    hash = (hash ^ load<u8>(frame + i)) * 0x01000193;
  }
  return (hash ^ (hash >> 16)) % pairs;
}

/** Sends a frame out of the wire port; false while the host has not taken enough of what is there. */
function sendToWire(source: u32, frame: usize, length: u32, vlan: u32): bool {
  if (vlan != 0) {
    const shaped = shape(frame, length, vlan, 0);
    if (shaped != length) frame = RETAGGED;
    length = shaped;
  }
  if (config(CFG_WIRE_MODE) == 0) {
    if (isTracing(TRACE_MASK_FRAMES)) traceFrame(TRACE_NOBODY, FRAME_OUT, frame, length);
    count(C_WIRE_TX_FRAMES);
    count(C_WIRE_TX_BYTES, length);
    return true;
  }
  const size = ENTRY_BYTES + ((length + 7) & ~7);
  const head = load<u32>(CTL_WIRE_HEAD);
  const room = WIRE_RING_BYTES - (head & (WIRE_RING_BYTES - 1));
  const start = room < size ? head + room : head;
  if (start + size - load<u32>(CTL_WIRE_TAIL) > <u32>WIRE_RING_BYTES) return false;
  const entry: usize = WIRE_RING + (start & (WIRE_RING_BYTES - 1));
  if (isTracing(TRACE_MASK_FRAMES)) traceFrame(TRACE_NOBODY, FRAME_OUT, frame, length);
  store<u32>(entry, start + size); // the host moves its tail here
  store<u32>(entry, length, 4);
  copyBytes(entry + ENTRY_BYTES, frame, length);
  store<u32>(CTL_WIRE_HEAD, start + size);
  count(C_WIRE_TX_FRAMES);
  count(C_WIRE_TX_BYTES, length);
  const at = <u32>entry + ENTRY_BYTES;
  if (isFunctional()) {
    frameSent(at, (length << 11) | source);
    return true;
  }
  const free = load<u64>(CTL_WIRE_FREE);
  const now = load<u64>(CTL_NOW) << 16;
  const end = (free > now ? free : now) + <u64>(length + WIRE_OVERHEAD) * param(P_WIRE_BYTE_COST);
  store<u64>(CTL_WIRE_FREE, end);
  scheduleAt(((end + 0xffff) >> 16) + param(P_WIRE_LATENCY), EV_WIRE_TX, PRIO_NORMAL, at, (length << 11) | source);
  return true;
}

// sub of TRACE_FRAME
const FRAME_IN: u32 = 0;
const FRAME_OUT: u32 = 1;

function traceFrame(port: u32, direction: u32, frame: usize, length: u32): void {
  recordAt(load<u64>(CTL_NOW), TRACE_FRAME, port, direction, length, 0, 0, 0, 0, frame, length);
}

/** EV_WIRE_TX: the frame is on the wire. */
export function frameSent(at: u32, lengthAndSource: u32): void {
  store<u32>(CTL_WIRE_EMITTED, load<u32>(at - ENTRY_BYTES));
  emit(OUT_FRAME, lengthAndSource & 0x7ff, at, lengthAndSource >> 11, 0, 0);
}
