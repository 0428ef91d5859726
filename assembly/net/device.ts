// SPDX-License-Identifier: Apache-2.0
// What a network device does when its driver has taken features, brought it to life or reset it: virtio says what happened
// (DEVICE_*), whoever made the change calls followDevice().
import * as FN from '../abi/function.ts';
import { DEVICE_HAS_FEATURES, DEVICE_IS_LIVE, DEVICE_WAS_RESET } from '../virtio/device_status.ts';
import { refreshQueueWindow } from '../virtio/queue_window.ts';
import { resetNetConfig } from './config.ts';
import { applyNetFeatures } from './features.ts';
import { closePort, openPort } from './port_map.ts';

export function followDevice(f: usize, effects: u32): void {
  if ((effects & DEVICE_WAS_RESET) != 0) {
    store<u8>(f, 0, FN.RX_MODE);
    store<u32>(f, 0, FN.FILTERS);
    closePort(f);
    resetNetConfig(f);
  }
  if ((effects & DEVICE_HAS_FEATURES) != 0) {
    applyNetFeatures(f);
    refreshQueueWindow(f); // which queues there are has changed
  }
  if ((effects & DEVICE_IS_LIVE) != 0) openPort(f);
}
