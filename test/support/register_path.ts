// SPDX-License-Identifier: Apache-2.0
// Registers of one function, however they are reached.
import type { Nic } from '../../src/device/nic.ts';
import type { AccessSize } from '../../src/vfio/vfio_device.ts';

export interface RegisterPath {
  read(bar: number, offset: number, size: AccessSize): number;
  write(bar: number, offset: number, size: AccessSize, value: number): void;
  configRead(offset: number, size: AccessSize): number;
  configWrite(offset: number, size: AccessSize, value: number): void;
}

/** Straight to the card. */
export function directPath(nic: Nic, fn: number): RegisterPath {
  return {
    read: (bar, offset, size) => nic.read(fn, bar, offset, size),
    write: (bar, offset, size, value) => nic.write(fn, bar, offset, size, value),
    configRead: (offset, size) => nic.configRead(fn, offset, size),
    configWrite: (offset, size, value) => nic.configWrite(fn, offset, size, value),
  };
}
