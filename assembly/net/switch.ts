// SPDX-License-Identifier: Apache-2.0
// The embedded switch: forwards by destination address between the functions and the wire. Unicast goes to the owner of
// the address, or to the wire (from the wire: to nobody); broadcast and multicast go to every active function but the
// sender, and to the wire. Promiscuous functions get a copy of everything. A frame to its sender's own address goes to
// nobody else, as a switch sends nothing out of the port that it came in by. Forwarding is resumable: a flood that finds
// no receive job stops and goes on later, so nothing is lost inside the card.
import * as CTL from '../abi/control.ts';
import { C_FLOOD_FRAMES, C_WIRE_RX_NO_MATCH, FC_RX_DROP_FILTER, FC_TX_DROP_HAIRPIN } from '../abi/counter.ts';
import * as EV from '../abi/event_code.ts';
import * as FN from '../abi/function.ts';
import { PORT_ACTIVE, PORT_PROMISC, WIRE_INPUT } from '../abi/state_map.ts';
import { FORWARD_BEGIN, FORWARD_DONE, FORWARD_DROPPED, NONE, PORT_WIRE } from '../abi/state_value.ts';
import { PACKET_FRAME, PACKET_SOURCE, PACKET_VLAN } from '../abi/switch_state.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { count, countFn, functionAt, functionCount } from '../mem/arena.ts';
import { schedule } from '../sim/scheduler.ts';
import { retryDelay } from '../sim/time.ts';
import { isTracing } from '../sim/trace.ts';
import { RETRY_CYCLES } from '../virtio/job_delay.ts';
import { findMac } from './mac_table.ts';
import { FRAME_IN, macOf, parse, traceFrame } from './packet.ts';
import { deliver, hasDeliveryRoom, wantsGroup } from './port.ts';
import { hasVlans, isMember, shape, vlanOf } from './vlan.ts';
import { hasWireRoom, sendToWire } from './wire.ts';

/** In the result of a flood: it goes on later. */
const STOPPED: u32 = 0x20000;
/** In the progress of a flood: somebody has the frame already, or has counted why not. */
const REACHED: u32 = 0x10000;

/**
 * Forwards a frame from its source. `progress` is FORWARD_BEGIN at first; the result is
 * FORWARD_DONE, FORWARD_DROPPED for a function's, or the value to come back with when a receive job is free. The frame has
 * come in, for the trace, once the switch takes it: what is offered again is still the same frame.
 */
export function forward(packet: usize, progress: u32): u32 {
  const source = load<u32>(packet, PACKET_SOURCE);
  const mac = macOf(load<u32>(packet, PACKET_FRAME));
  const isGroup = ((<u32>mac) & 1) != 0;
  const vlan = hasVlans() ? packetVlan(source, packet) : 0;
  store<u32>(packet, vlan, PACKET_VLAN);
  if (progress == <u32>FORWARD_BEGIN) {
    let target = isGroup ? NONE : findMac(mac);
    if (target != NONE && !isMember(functionAt(target), vlan)) target = NONE;
    const isForWire = target == NONE && source != <u32>PORT_WIRE;
    const isForOther = target != NONE && target != source;
    const seen = isForWire ? shape(packet, vlan, 0) : packet;
    if (isForWire ? !hasWireRoom(seen) : isForOther && !hasDeliveryRoom(packet)) return FORWARD_BEGIN;
    if (isTracing(TRACE.MASK_FRAMES)) traceFrame(source == <u32>PORT_WIRE ? TRACE.NOBODY : source, FRAME_IN, packet);
    if (isForWire) sendToWire(seen);
    else if (isForOther) deliver(target, packet);
    progress = isForWire || isForOther ? REACHED : 0;
    if (isGroup) count(C_FLOOD_FRAMES);
  }
  if (isGroup || load<u32>(CTL.PROMISC_PORTS) != 0) {
    progress = flood(source, packet, vlan, mac, isGroup, progress);
    if ((progress & STOPPED) != 0) return progress & ~STOPPED;
  }
  if ((progress & REACHED) != 0) return FORWARD_DONE;
  // nobody got the frame: no station of the card has the address, or the sender itself, to which no switch returns it
  if (source != <u32>PORT_WIRE) {
    countFn(functionAt(source), FC_TX_DROP_HAIRPIN);
    return FORWARD_DROPPED;
  }
  count(C_WIRE_RX_NO_MATCH);
  return FORWARD_DONE;
}

function packetVlan(source: u32, packet: usize): u32 {
  return vlanOf(source == <u32>PORT_WIRE ? 0 : load<u16>(functionAt(source), FN.VLAN), packet);
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
      if (!hasDeliveryRoom(packet)) return fn | reached | STOPPED;
      deliver(fn, packet);
      reached = REACHED;
    }
    word++;
    if (word < words) bits = load<u32>(map + (word << 2));
  }
  return reached;
}

/** The frame in WIRE_INPUT goes through the switch; comes back until it is through. */
export function arriveFrame(): void {
  const bytes = load<u32>(CTL.WIRE_IN_BYTES);
  const progress = forward(parse(WIRE_INPUT, bytes, PORT_WIRE), load<u32>(CTL.WIRE_IN_PROGRESS));
  store<u32>(CTL.WIRE_IN_PROGRESS, progress);
  if (progress == <u32>FORWARD_DONE) store<u32>(CTL.WIRE_IN_BYTES, 0);
  else schedule(retryDelay(RETRY_CYCLES), EV.WIRE_RX, EV.PRIO_LATE, 0, 0);
}
