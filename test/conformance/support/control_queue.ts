// SPDX-License-Identifier: Apache-2.0
// The control queue by hand (virtio 1.4 §5.1.6.5): what changes a function's own configuration, a new MAC address.
import type { RawFunction } from '../../support/raw_function.ts';

/** Features that the control queue of a function with one pair needs: MAC, CTRL_VQ, CTRL_MAC_ADDR. */
export const CONTROL_FEATURES: readonly number[] = [5, 17, 23];
export const CONTROL = 2;

/** Sends VIRTIO_NET_CTRL_MAC_ADDR_SET (class 1, command 1); returns the ack, 0 for OK. */
export function setMac(target: RawFunction, mac: readonly number[]): number {
  const { memory } = target;
  const at = memory.alloc(16, 8);
  memory.u8.set([1, 1, ...mac, 0xff], at);
  target.ring(CONTROL).add([
    { iova: memory.iova(at), length: 2 },
    { iova: memory.iova(at + 2), length: 6 },
    { iova: memory.iova(at + 8), length: 1, isWritable: true },
  ]);
  target.kick(CONTROL);
  return memory.u8[at + 8]!;
}
