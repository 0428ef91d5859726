// SPDX-License-Identifier: Apache-2.0
// Feature bits (virtio 1.4 §2.2, §6, §5.1.3): what is offered, what the driver may accept together, and what the
// engines need to know of the outcome.
import * as FN from '../abi/function.ts';
import * as PROFILE from '../abi/profile.ts';
import * as Q from '../abi/queue.ts';
import { NONE, QUEUE_ADMIN, QUEUE_CTRL, QUEUE_RX, QUEUE_TX, QUEUE_UNUSED } from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ADMIN_VQ,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_F_VERSION_1,
} from '../abi/virtio_features.ts';
import {
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_HDR_SIZE,
  VIRTIO_NET_HDR_SIZE_LEGACY,
} from '../abi/virtio_net.ts';
import { config } from '../mem/arena.ts';
import { queueAt } from './queue.ts';

const WORD_1 = 32;

/** Sets the offered words of a function: what the device has, the configuration and the profile leave. */
export function initOfferedFeatures(f: usize): void {
  let word0: u32 =
    (1 << VIRTIO_NET_F_MAC) |
    (1 << VIRTIO_NET_F_STATUS) |
    (1 << VIRTIO_NET_F_MTU) |
    (1 << VIRTIO_NET_F_MRG_RXBUF) |
    (1 << VIRTIO_NET_F_CTRL_VQ) |
    (1 << VIRTIO_NET_F_CTRL_RX) |
    (1 << VIRTIO_NET_F_CTRL_MAC_ADDR) |
    (1 << VIRTIO_F_INDIRECT_DESC) |
    (1 << VIRTIO_F_EVENT_IDX);
  if (load<u32>(f, FN.PAIRS) > 1) word0 |= 1 << VIRTIO_NET_F_MQ;
  let word1: u32 =
    (1 << (VIRTIO_F_VERSION_1 - WORD_1)) |
    (1 << (VIRTIO_F_ACCESS_PLATFORM - WORD_1)) |
    (1 << (VIRTIO_F_ORDER_PLATFORM - WORD_1)) |
    (1 << (VIRTIO_F_RING_RESET - WORD_1));
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
  if ((word0 & (1 << VIRTIO_NET_F_CTRL_VQ)) != 0) return word0;
  return word0 & ~((1 << VIRTIO_NET_F_CTRL_RX) | (1 << VIRTIO_NET_F_CTRL_MAC_ADDR) | (1 << VIRTIO_NET_F_MQ));
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

/** Takes over the driver's features: flags for the engines, header size, what each queue is for. */
export function applyFeatures(f: usize): void {
  const isMergeable = hasFeature(f, VIRTIO_NET_F_MRG_RXBUF);
  store<u8>(f, hasFeature(f, VIRTIO_F_EVENT_IDX) ? 1 : 0, FN.EVENT_IDX);
  store<u8>(f, hasFeature(f, VIRTIO_F_INDIRECT_DESC) ? 1 : 0, FN.INDIRECT);
  store<u8>(f, isMergeable ? 1 : 0, FN.MERGEABLE);
  store<u8>(f, hasFeature(f, VIRTIO_NET_F_CTRL_RX) ? 1 : 0, FN.FILTERING);
  const isShort = load<u8>(f, FN.LEGACY) != 0 && !isMergeable;
  store<u32>(f, isShort ? VIRTIO_NET_HDR_SIZE_LEGACY : VIRTIO_NET_HDR_SIZE, FN.HEADER_BYTES);
  // the control queue follows the pairs that were negotiated, not those that exist (AMB-25)
  const pairs = hasFeature(f, VIRTIO_NET_F_MQ) ? load<u32>(f, FN.PAIRS) : 1;
  store<u32>(f, 1, FN.ACTIVE_PAIRS);
  const queues = load<u32>(f, FN.QUEUE_COUNT);
  for (let i: u32 = 0; i < queues; i++) {
    let kind = QUEUE_UNUSED;
    if (i < pairs << 1) kind = (i & 1) == 0 ? QUEUE_RX : QUEUE_TX;
    else if (i == pairs << 1 && hasFeature(f, VIRTIO_NET_F_CTRL_VQ)) kind = QUEUE_CTRL;
    store<u8>(queueAt(f, i), <u8>kind, Q.KIND);
  }
  const admin = load<u32>(f, FN.ADMIN_QUEUE);
  if (admin != NONE) {
    const isNegotiated = hasFeature(f, VIRTIO_F_ADMIN_VQ);
    store<u8>(queueAt(f, admin), isNegotiated ? <u8>QUEUE_ADMIN : <u8>QUEUE_UNUSED, Q.KIND);
  }
}
