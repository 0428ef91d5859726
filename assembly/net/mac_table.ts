// SPDX-License-Identifier: Apache-2.0
// The switch's forwarding table: exact match of a 48-bit address to a function, open addressing. Learning is off: the
// table holds the functions' own addresses and their unicast filters, and is built again when one of them changed.
import { MAC_TABLE, MAC_TABLE_SLOTS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { MAC_SLOT_FUNCTION, MAC_SLOT_KEY, MAC_TABLE_SLOT_BYTES } from '../abi/switch_state.ts';
import { NONE } from '../abi/state_value.ts';
import { functionAt, functionCount } from '../mem/arena.ts';

const VALID: u64 = 0x1000000000000;
const MASK = MAC_TABLE_SLOTS - 1;

function slotOf(key: u64): u32 {
  return (<u32>((key * 0x9e3779b97f4a7c15) >> 52)) & MASK;
}

/** The function that has this address (low 48 bits, first byte lowest), NONE if nobody has. */
export function findMac(mac: u64): u32 {
  if (load<u32>(CTL.MAC_DIRTY) != 0) rebuild();
  const key = mac | VALID;
  let slot = slotOf(key);
  while (true) {
    const entry: usize = MAC_TABLE + slot * MAC_TABLE_SLOT_BYTES;
    const found = load<u64>(entry, MAC_SLOT_KEY);
    if (found == key) return load<u32>(entry, MAC_SLOT_FUNCTION);
    if (found == 0) return NONE;
    slot = (slot + 1) & MASK;
  }
}

/** The first function to claim an address keeps it; a full table takes no more filters. */
function insert(mac: u64, fn: u32, room: u32): u32 {
  if (room == 0) return 0;
  const key = mac | VALID;
  let slot = slotOf(key);
  while (true) {
    const entry: usize = MAC_TABLE + slot * MAC_TABLE_SLOT_BYTES;
    const found = load<u64>(entry, MAC_SLOT_KEY);
    if (found == key) return room;
    if (found == 0) {
      store<u64>(entry, key, MAC_SLOT_KEY);
      store<u32>(entry, fn, MAC_SLOT_FUNCTION);
      return room - 1;
    }
    slot = (slot + 1) & MASK;
  }
}

function rebuild(): void {
  store<u32>(CTL.MAC_DIRTY, 0);
  memory.fill(MAC_TABLE, 0, MAC_TABLE_SLOTS * MAC_TABLE_SLOT_BYTES);
  const functions = functionCount();
  let room: u32 = MAC_TABLE_SLOTS - MAC_TABLE_SLOTS / 4;
  for (let fn: u32 = 0; fn < functions; fn++) {
    const f = functionAt(fn);
    if (load<u8>(f, FN.LIVE) != 0) room = insert(load<u64>(f, FN.MAC), fn, room);
  }
  for (let fn: u32 = 0; fn < functions; fn++) {
    const f = functionAt(fn);
    if (load<u8>(f, FN.LIVE) == 0) continue;
    const unicast = load<u32>(f, FN.FILTERS) & 0xffff;
    for (let i: u32 = 0; i < unicast; i++) room = insert(load<u64>(f + FN.FILTER + (i << 3)), fn, room);
  }
}
