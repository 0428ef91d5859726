// SPDX-License-Identifier: Apache-2.0
// VLANs of the switch (IEEE 802.1Q). A function with a VLAN in its profile is an access port: its driver sends untagged and
// priority-tagged frames (§6.9: VID 0 names no VLAN), which carry the VLAN's tag everywhere else and keep their priority;
// it receives untagged ones, and is reached from its VLAN alone. Functions without one, and the wire, are trunk ports:
// frames pass as they are. Tags of 802.1ad are content here, as for every switch of customer VLANs. Nothing here is
// asked while no function has a VLAN.
import { RETAGGED, SHAPED } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { PACKET_FRAME, PACKET_LENGTH, PACKET_SOURCE, PACKET_TAG_BYTES, PACKET_TCI } from '../abi/switch_state.ts';
import { copyBytes } from '../mem/arena.ts';
import { NO_TCI, STATION_BYTES, TAG_BYTES, TPID_8021Q, VID_MASK } from './packet.ts';

export function hasVlans(): bool {
  return load<u32>(CTL.VLAN_PORTS) != 0;
}

/** VLAN that the frame itself names, 0 if none. */
export function vidOf(packet: usize): u32 {
  const tci = load<u32>(packet, PACKET_TCI);
  return tci == NO_TCI ? 0 : tci & VID_MASK;
}

/** VLAN that a frame from a port with VLAN `own` (0: a trunk) travels in, 0 if in none. */
export function vlanOf(own: u32, packet: usize): u32 {
  return own != 0 ? own : vidOf(packet);
}

/** Does the function belong to `vlan`? */
export function isMember(f: usize, vlan: u32): bool {
  const own = <u32>load<u16>(f, FN.VLAN);
  return own == 0 || own == vlan;
}

/** What a port with VLAN `own` is to see of a frame that travels in `vlan`: the frame as it is, or SHAPED. */
export function shape(packet: usize, vlan: u32, own: u32): usize {
  if (vlan == 0) return packet;
  const tci = load<u32>(packet, PACKET_TCI);
  if (own != 0) return tci == NO_TCI ? packet : shaped(packet, NO_TCI);
  if (tci == NO_TCI) return shaped(packet, vlan);
  return (tci & VID_MASK) == vlan ? packet : shaped(packet, (tci & ~VID_MASK) | vlan);
}

/** The frame with this tag of 802.1Q in place of the one that it has or has not; NO_TCI: with none. */
function shaped(packet: usize, tci: u32): usize {
  const frame: usize = load<u32>(packet, PACKET_FRAME);
  const length = load<u32>(packet, PACKET_LENGTH);
  const old: u32 = load<u32>(packet, PACKET_TCI) == NO_TCI ? 0 : TAG_BYTES;
  const now: u32 = tci == NO_TCI ? 0 : TAG_BYTES;
  copyBytes(RETAGGED, frame, STATION_BYTES);
  if (now != 0) {
    store<u16>(RETAGGED, <u16>TPID_8021Q, STATION_BYTES);
    store<u16>(RETAGGED, bswap<u16>(<u16>tci), STATION_BYTES + 2);
  }
  const rest = STATION_BYTES + old;
  copyBytes(RETAGGED + STATION_BYTES + now, frame + rest, length - rest);
  store<u32>(SHAPED, RETAGGED, PACKET_FRAME);
  store<u32>(SHAPED, length - old + now, PACKET_LENGTH);
  store<u32>(SHAPED, load<u32>(packet, PACKET_SOURCE), PACKET_SOURCE);
  store<u32>(SHAPED, load<u32>(packet, PACKET_TAG_BYTES) - old + now, PACKET_TAG_BYTES);
  store<u32>(SHAPED, tci, PACKET_TCI);
  return SHAPED;
}
