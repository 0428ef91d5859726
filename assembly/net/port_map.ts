// SPDX-License-Identifier: Apache-2.0
// Which functions are ports of the switch, and which of them want everything: a bit for each function, so that a flood
// looks at those alone that are to have the frame.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { PORT_ACTIVE, PORT_PROMISC } from '../abi/state_map.ts';

/** The switch forwards to the function from now on. */
export function openPort(f: usize): void {
  setBit(PORT_ACTIVE, load<u32>(f, FN.INDEX), true);
  store<u32>(CTL.MAC_DIRTY, 1);
}

export function closePort(f: usize): void {
  setBit(PORT_ACTIVE, load<u32>(f, FN.INDEX), false);
  setPromiscuous(f, false);
  store<u32>(CTL.MAC_DIRTY, 1);
}

export function setPromiscuous(f: usize, isOn: bool): void {
  if (setBit(PORT_PROMISC, load<u32>(f, FN.INDEX), isOn))
    store<u32>(CTL.PROMISC_PORTS, load<u32>(CTL.PROMISC_PORTS) + (isOn ? 1 : -1));
}

/** Sets or clears the bit of a function; false if it is so already. */
function setBit(map: usize, fn: u32, isOn: bool): bool {
  const word = map + ((fn >> 5) << 2);
  const bit: u32 = 1 << (fn & 31);
  const old = load<u32>(word);
  if (((old & bit) != 0) == isOn) return false;
  store<u32>(word, old ^ bit);
  return true;
}
