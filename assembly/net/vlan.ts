// SPDX-License-Identifier: Apache-2.0
// VLANs of the switch (IEEE 802.1Q). A function with a VLAN in its profile is an access port: its driver sends and
// receives untagged frames, which carry the tag everywhere else, and it is reached from its VLAN alone. Functions without
// one, and the wire, are trunk ports: frames pass as they are. Nothing here is asked while no function has a VLAN.
import { CTL_VLAN_PORTS, RETAGGED } from '../abi/state_map.ts';
import { FN_VLAN } from '../abi/function_state.ts';
import { copyBytes } from '../mem/arena.ts';

const ADDRESS_BYTES = 12; // both addresses; the tag follows them
const TAG_BYTES = 4;
const TPID: u32 = 0x0081; // 0x8100 as a little-endian load sees it

export function hasVlans(): bool {
  return load<u32>(CTL_VLAN_PORTS) != 0;
}

/** Is there a whole VLAN tag? */
export function isTagged(frame: usize, length: u32): bool {
  return <u32>load<u16>(frame, ADDRESS_BYTES) == TPID && length >= <u32>(ADDRESS_BYTES + TAG_BYTES + 2);
}

/** VLAN that a frame from a port with VLAN `own` (0: a trunk) travels in, 0 if in none. */
export function vlanOf(own: u32, frame: usize, length: u32): u32 {
  if (own != 0 || !isTagged(frame, length)) return own;
  return (((<u32>load<u8>(frame, ADDRESS_BYTES + 2)) & 15) << 8) | load<u8>(frame, ADDRESS_BYTES + 3);
}

/** Does the function belong to `vlan`? */
export function isMember(f: usize, vlan: u32): bool {
  const own = <u32>load<u16>(f, FN_VLAN);
  return own == 0 || own == vlan;
}

/**
 * Makes of a frame that travels in `vlan` what a port with VLAN `own` is to see of it. Returns its length; if that has
 * changed, the frame is in RETAGGED.
 */
export function shape(frame: usize, length: u32, vlan: u32, own: u32): u32 {
  const isStrip = isTagged(frame, length);
  if (vlan == 0 || isStrip == (own == 0)) return length;
  copyBytes(RETAGGED, frame, ADDRESS_BYTES);
  if (isStrip) {
    copyBytes(RETAGGED + ADDRESS_BYTES, frame + ADDRESS_BYTES + TAG_BYTES, length - ADDRESS_BYTES - TAG_BYTES);
    return length - TAG_BYTES;
  }
  store<u16>(RETAGGED, <u16>TPID, ADDRESS_BYTES);
  store<u16>(RETAGGED, <u16>((vlan >> 8) | (vlan << 8)), ADDRESS_BYTES + 2);
  copyBytes(RETAGGED + ADDRESS_BYTES + TAG_BYTES, frame + ADDRESS_BYTES, length - ADDRESS_BYTES);
  return length + TAG_BYTES;
}
