// SPDX-License-Identifier: Apache-2.0
// Ethernet addresses as people write them.

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** The six bytes of `02:76:66:00:00:01`; null if it is no address. */
export function macBytes(text: unknown): number[] | null {
  if (typeof text !== 'string' || !MAC.test(text)) return null;
  return text.split(':').map((part) => Number.parseInt(part, 16));
}

/** One interface has it: the group bit is clear, and it is not all zeros. */
export function isUnicast(bytes: readonly number[]): boolean {
  return (bytes[0]! & 1) === 0 && bytes.some((byte) => byte !== 0);
}

export function macText(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
