// SPDX-License-Identifier: Apache-2.0
// Names of PCI functions.

/** A routing id as lspci writes it, bus:device.function: 01:00.0 for 0x0100. */
export function addressText(routingId: number): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `${hex(routingId >>> 8)}:${hex((routingId >>> 3) & 0x1f)}.${routingId & 7}`;
}
