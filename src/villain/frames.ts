// SPDX-License-Identifier: Apache-2.0
// Frames of the cases, and the good request that a function has to serve whatever was done to it or to its neighbour: a
// frame to the wire, and one from it.
import { DEVICE_BAR_OFFSET } from '../../assembly/abi/config_layout.ts';
import { VIRTIO_NET_HDR_SIZE, VIRTIO_NET_MAC_SIZE } from '../../assembly/abi/virtio_net.ts';
import { RX, TX, type RawFunction } from './raw_function.ts';
import { WRITE, type RawRing } from './raw_ring.ts';
import type { Rig } from './rig.ts';

export const HEADER: number = VIRTIO_NET_HDR_SIZE;
/** A station beyond the wire. */
export const STRANGER: Uint8Array = Uint8Array.of(0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee);
/** EtherType for local experiments. */
const EXPERIMENT = [0x88, 0xb5];
const GOOD_BYTES = 60;

/** A frame whose data counts up from `seed`. */
export function frame(to: Uint8Array, from: Uint8Array, length = GOOD_BYTES, seed = 1): Uint8Array {
  const bytes = Uint8Array.from({ length: Math.max(14, length) }, (_, i) => (seed + i) & 0xff);
  bytes.set(to, 0);
  bytes.set(from, VIRTIO_NET_MAC_SIZE);
  bytes.set(EXPERIMENT, 2 * VIRTIO_NET_MAC_SIZE);
  return bytes.slice(0, length);
}

/** A transmit buffer: header, zero unless given, and frame. */
export function packet(bytes: Uint8Array, header: ArrayLike<number> = new Uint8Array(HEADER)): Uint8Array {
  const whole = new Uint8Array(header.length + bytes.length);
  whole.set(header, 0);
  whole.set(bytes, header.length);
  return whole;
}

/** The address in the device configuration. */
export function macOf(fn: RawFunction): Uint8Array {
  return Uint8Array.from({ length: VIRTIO_NET_MAC_SIZE }, (_, i) => fn.read(DEVICE_BAR_OFFSET + i, 1));
}

/** A good packet of this function to a station beyond the wire. */
export function goodPacket(fn: RawFunction, seed = 1): Uint8Array {
  return packet(frame(STRANGER, macOf(fn), GOOD_BYTES, seed));
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

/** Rings of whatever driver, and how it rings. */
export interface NetPort {
  readonly mac: Uint8Array;
  readonly tx: RawRing;
  readonly rx: RawRing;
  readonly headerBytes: number;
  kick(queue: number): void;
}

/** A frame out and, where no older buffer would take it, one in. Null: both came as they were sent. */
export function portFault(rig: Rig, { mac, tx, rx, headerBytes, kick }: NetPort): string | null {
  const { memory } = tx;
  rig.settle();
  const sent = frame(STRANGER, mac, GOOD_BYTES, 3);
  const before = rig.wire.length;
  tx.takeUsed();
  const head = tx.availIdx % tx.size;
  const out = packet(sent, new Uint8Array(headerBytes));
  tx.describe(head, { addr: memory.place(out, 8), len: out.length });
  tx.offer(head);
  kick(TX);
  const [used] = tx.takeUsed();
  if (used === undefined || used.id !== head) return 'a good frame to send is not used';
  const left = rig.wire.slice(before);
  if (left.length !== 1 || !isSame(left[0], sent)) return `a good frame is not sent: ${left.length} left the card`;

  rx.takeUsed();
  if (!rx.isEmpty) return null;
  const arriving = frame(mac, STRANGER, GOOD_BYTES, 9);
  const length = headerBytes + GOOD_BYTES;
  const slot = rx.availIdx % rx.size;
  const addr = memory.space(length);
  rx.describe(slot, { addr, len: length, flags: WRITE });
  rx.offer(slot);
  kick(RX);
  rig.arrive(arriving);
  const [filled] = rx.takeUsed();
  if (filled === undefined || filled.id !== slot || filled.len !== length) return 'a good frame is not received';
  return isSame(memory.bytesAt(addr + headerBytes, GOOD_BYTES), arriving) ? null : 'a good frame arrives changed';
}

/** portFault() of a modern driver's function as it runs. */
export function serviceFault(rig: Rig, fn: RawFunction): string | null {
  return portFault(rig, {
    mac: macOf(fn),
    tx: fn.ring(TX),
    rx: fn.ring(RX),
    headerBytes: HEADER,
    kick: (queue) => fn.kick(queue),
  });
}
