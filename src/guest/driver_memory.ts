// SPDX-License-Identifier: Apache-2.0
// How much memory the modern driver takes for rings and buffers, from what it will find and what it is asked for.
import { VIRTIO_NET_HDR_SIZE } from '../../assembly/abi/virtio_net.ts';
import { ADMIN_BYTES, ADMIN_SLOTS, type AdminClientOptions } from './admin_client.ts';
import { BUFFER_ALIGN } from './net_queues.ts';
import { alignUp } from './platform.ts';
import { ringBytes } from './ring_formats.ts';
import { DEFAULT_MTU, FRAME_OVERHEAD_BYTES } from './virtio_net.ts';

const PAGE = 4096;
/** The control queue's buffers, and room for their alignment. */
const OTHER_BYTES = 16 << 10;
/** What a slot of the admin client keeps in one place. */
const SLOT_BYTES = 128;

/** What the memory of a driver depends on. */
export interface DriverShape {
  readonly mtu: number;
  /** Descriptors in a net queue of the device, and in a data queue of the driver where that takes fewer. */
  readonly queueSize: number;
  readonly dataQueueSize: number;
  readonly queuePairs: number;
  /** Default: what a frame of the MTU takes. */
  readonly rxBufferBytes?: number | undefined;
  /** The PF's admin queue and its client; null where the function has none. */
  readonly admin: ({ readonly queueSize: number } & AdminClientOptions) | null;
}

/** Bytes that are enough for a driver of this shape, in whole pages. */
export function driverMemoryBytes(shape: DriverShape): number {
  const { mtu, queueSize, dataQueueSize, queuePairs, rxBufferBytes, admin } = shape;
  // without VIRTIO_NET_F_MTU the driver does not know it
  const packet = VIRTIO_NET_HDR_SIZE + Math.max(mtu, DEFAULT_MTU) + FRAME_OVERHEAD_BYTES;
  const buffers = alignUp(packet, BUFFER_ALIGN) + alignUp(rxBufferBytes ?? packet, BUFFER_ALIGN);
  const data = queuePairs * (2 * ringBytes(dataQueueSize) + dataQueueSize * buffers);
  let commands = 0;
  if (admin !== null) {
    const { slots = ADMIN_SLOTS, dataBytes = ADMIN_BYTES, resultBytes = ADMIN_BYTES } = admin;
    // rooms are powers of two, so less than twice as large
    commands = ringBytes(admin.queueSize) + slots * (SLOT_BYTES + 2 * (dataBytes + resultBytes));
  }
  return alignUp(data + ringBytes(queueSize) + commands + OTHER_BYTES, PAGE);
}
