// SPDX-License-Identifier: Apache-2.0
// What changed at the device of a function (DEVICE_*) reaches the engines that serve it.
import * as FN from '../abi/function.ts';
import { NONE } from '../abi/state_value.ts';
import { resetLists } from '../admin/group.ts';
import { followDevice } from '../net/device.ts';
import { DEVICE_WAS_RESET } from '../virtio/device_status.ts';

export function applyDeviceEffects(f: usize, effects: u32): void {
  if (effects == 0) return;
  followDevice(f, effects);
  if ((effects & DEVICE_WAS_RESET) != 0 && load<u32>(f, FN.ADMIN_QUEUE) != NONE) resetLists();
}
