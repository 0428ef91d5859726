// SPDX-License-Identifier: Apache-2.0
// The control commands that the card has, a row each (virtio 1.4 §5.1.6.5): class, command, and the features of which its
// driver must have negotiated one. net/control.ts runs them.
import {
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_MAC_TABLE_SET,
  VIRTIO_NET_CTRL_MQ,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_RX_ALLMULTI,
  VIRTIO_NET_CTRL_RX_PROMISC,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_MQ,
} from './virtio_net.ts';

// Fields of a row
export const CONTROL_ROW_CLASS = 0;
export const CONTROL_ROW_COMMAND = 1;
export const CONTROL_ROW_FEATURE = 2; // bit number ...
export const CONTROL_ROW_OR_FEATURE = 3; // ... or this one, the same where there is no other
export const CONTROL_ROW_FIELDS = 4;

// prettier-ignore
export const CONTROL_COMMANDS: StaticArray<u32> = [
  VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_RX, // AMB-32
  VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MQ,
];
