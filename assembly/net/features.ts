// SPDX-License-Identifier: Apache-2.0
// Features of the network device (virtio 1.4 §5.1.3): which of them a function offers, and what the engines need to know of
// those that its driver chose.
import * as FN from '../abi/function.ts';
import { NET_FEATURE_BIT, NET_FEATURE_FIELDS, NET_FEATURES } from '../abi/net_feature.ts';
import * as Q from '../abi/queue.ts';
import { QUEUE_CTRL, QUEUE_RX, QUEUE_TX, QUEUE_UNUSED } from '../abi/state_value.ts';
import {
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_HDR_SIZE,
  VIRTIO_NET_HDR_SIZE_LEGACY,
} from '../abi/virtio_net.ts';
import { hasFeature } from '../virtio/features.ts';
import { queueAt } from '../virtio/queue.ts';

/** Bits 0..31 that a function offers. */
export function netFeatures(f: usize): u32 {
  let word: u32 = 0;
  for (let row = 0; row < NET_FEATURES.length; row += NET_FEATURE_FIELDS) {
    word |= 1 << unchecked(NET_FEATURES[row + NET_FEATURE_BIT]);
  }
  return load<u32>(f, FN.PAIRS) > 1 ? word : word & ~(1 << VIRTIO_NET_F_MQ);
}

/** Takes over the driver's features: flags for the engines, header size, what each queue is for. */
export function applyNetFeatures(f: usize): void {
  const isMergeable = hasFeature(f, VIRTIO_NET_F_MRG_RXBUF);
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
}
