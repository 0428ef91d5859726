// SPDX-License-Identifier: Apache-2.0
// The features of a network device (virtio 1.4 §5.1.3) that the card has, a row each, with the feature that each requires
// (§5.1.3.1), or itself. A row stands behind that of the feature it requires.
import {
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
} from './virtio_net.ts';

export const NET_FEATURE_FIELDS = 2;
export const NET_FEATURE_BIT = 0;
export const NET_FEATURE_REQUIRES = 1;

// prettier-ignore
export const NET_FEATURES: StaticArray<u32> = [
  // bit, requires
  VIRTIO_NET_F_MTU, VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_MAC, VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS, VIRTIO_NET_F_STATUS,
  VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ,
];
