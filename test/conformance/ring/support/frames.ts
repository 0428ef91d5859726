// SPDX-License-Identifier: Apache-2.0
// Ethernet frames and transmit buffers for tests: addresses of the card's functions, recognisable contents, and the
// 12 zero bytes of struct virtio_net_hdr (virtio 1.4 §5.1.6) in front.

/** Length of virtio_net_hdr with VIRTIO_F_VERSION_1. */
export const HEADER = 12;
export const NO_HEADER = new Uint8Array(HEADER);

export const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
/** A station beyond the wire. */
export const STRANGER = Uint8Array.of(0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee);

/** Address of function `fn` of a card with the default address 02:76:66:00:00:00. */
export function macOf(fn: number): Uint8Array {
  return Uint8Array.of(0x02, 0x76, 0x66, 0x00, fn >> 8, fn & 0xff);
}

/** A frame of `length` bytes: destination, source, type 0x88b5 (local experiments), then counting bytes from `seed`. */
export function frame(to: Uint8Array, from: Uint8Array, length = 60, seed = 1): Uint8Array {
  const bytes = Uint8Array.from({ length: Math.max(14, length) }, (_, i) => (seed + i) & 0xff);
  bytes.set(to, 0);
  bytes.set(from, 6);
  bytes.set([0x88, 0xb5], 12);
  return bytes.slice(0, length);
}

/** Parts one behind the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What lies in the transmit buffer of a frame: header, then frame. */
export function packet(bytes: Uint8Array, header: Uint8Array = NO_HEADER): Uint8Array {
  return concat(header, bytes);
}
