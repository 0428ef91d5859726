// SPDX-License-Identifier: Apache-2.0
// Feature bits (virtio 1.4 §2.2, §6): what is offered, what the driver may accept together, and what the rings need to
// know of the outcome. What follows for a network device is in net/features.ts.
import * as FN from '../abi/function.ts';
import * as PROFILE from '../abi/profile.ts';
import * as Q from '../abi/queue.ts';
import { NET_FEATURE_BIT, NET_FEATURE_FIELDS, NET_FEATURE_REQUIRES, NET_FEATURES } from '../abi/net_feature.ts';
import { NONE, QUEUE_ADMIN, QUEUE_UNUSED } from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ADMIN_VQ,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_F_VERSION_1,
} from '../abi/virtio_features.ts';
import { config } from '../mem/arena.ts';
import { queueAt } from './queue.ts';

const WORD_1 = 32;

/** Sets the offered words of a function: what the device, of which `ofDevice` are bits 0..31, configuration and profile leave. */
export function initOfferedFeatures(f: usize, ofDevice: u32): void {
  let word0: u32 = ofDevice | (1 << VIRTIO_F_INDIRECT_DESC) | (1 << VIRTIO_F_EVENT_IDX);
  let word1: u32 =
    (1 << (VIRTIO_F_VERSION_1 - WORD_1)) |
    (1 << (VIRTIO_F_ACCESS_PLATFORM - WORD_1)) |
    (1 << (VIRTIO_F_ORDER_PLATFORM - WORD_1)) |
    (1 << (VIRTIO_F_RING_RESET - WORD_1));
  if (config(CFG.PACKED) != 0) word1 |= 1 << (VIRTIO_F_RING_PACKED - WORD_1);
  if (load<u32>(f, FN.INDEX) == 0) {
    word1 |= (1 << (VIRTIO_F_SR_IOV - WORD_1)) | (1 << (VIRTIO_F_ADMIN_VQ - WORD_1));
  }
  const mask = f + FN.PROFILE + PROFILE.FEATURES;
  word0 = closed(word0 & config(CFG.FEATURES_MASK_0) & load<u32>(mask));
  word1 &= (config(CFG.FEATURES_MASK_1) & load<u32>(mask, 4)) | (1 << (VIRTIO_F_VERSION_1 - WORD_1));
  store<u32>(f, word0, FN.OFFERED);
  store<u32>(f, word1, FN.OFFERED + 4);
  const hasAdminQueue = (word1 & (1 << (VIRTIO_F_ADMIN_VQ - WORD_1))) != 0;
  store<u32>(f, hasAdminQueue ? load<u32>(f, FN.QUEUE_COUNT) : NONE, FN.ADMIN_QUEUE);
}

/** Removes bits of word 0 whose prerequisite is missing (GEN-FEAT-01). */
function closed(word0: u32): u32 {
  for (let row = 0; row < NET_FEATURES.length; row += NET_FEATURE_FIELDS) {
    const required = unchecked(NET_FEATURES[row + NET_FEATURE_REQUIRES]);
    if ((word0 & (1 << required)) == 0) word0 &= ~(1 << unchecked(NET_FEATURES[row + NET_FEATURE_BIT]));
  }
  return word0;
}

/** Does the device agree to the driver's selection? Subset of what is offered, closed under dependencies, VERSION_1. */
export function isAcceptable(f: usize): bool {
  const word0 = load<u32>(f, FN.DRIVER_FEATURES);
  const word1 = load<u32>(f, FN.DRIVER_FEATURES + 4);
  if ((word0 & ~load<u32>(f, FN.OFFERED)) != 0 || (word1 & ~load<u32>(f, FN.OFFERED + 4)) != 0) return false;
  if (load<u32>(f, FN.DRIVER_FEATURES + 8) != 0 || load<u32>(f, FN.DRIVER_FEATURES + 12) != 0) return false;
  if ((word1 & (1 << (VIRTIO_F_VERSION_1 - WORD_1))) == 0) return false;
  return closed(word0) == word0;
}

/** True if feature `bit` (0..63) is among the driver's. */
export function hasFeature(f: usize, bit: u32): bool {
  return (load<u32>(f + ((bit >> 5) << 2), FN.DRIVER_FEATURES) & (1 << (bit & 31))) != 0;
}

/** Device features as the legacy interface shows them: bits 0..31, ANY_LAYOUT always (LEG-RSVFEAT-03). */
export function legacyDeviceFeatures(f: usize): u32 {
  return load<u32>(f, FN.OFFERED) | (1 << VIRTIO_F_ANY_LAYOUT);
}

/** Takes over what the driver chose of the features that all devices have. */
export function applyFeatures(f: usize): void {
  store<u8>(f, hasFeature(f, VIRTIO_F_EVENT_IDX) ? 1 : 0, FN.EVENT_IDX);
  store<u8>(f, hasFeature(f, VIRTIO_F_INDIRECT_DESC) ? 1 : 0, FN.INDIRECT);
  const admin = load<u32>(f, FN.ADMIN_QUEUE);
  if (admin == NONE) return;
  const isNegotiated = hasFeature(f, VIRTIO_F_ADMIN_VQ);
  store<u8>(queueAt(f, admin), isNegotiated ? <u8>QUEUE_ADMIN : <u8>QUEUE_UNUSED, Q.KIND);
}
