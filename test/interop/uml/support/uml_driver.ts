// SPDX-License-Identifier: Apache-2.0
// What the PCI core and a driver of a User Mode Linux kernel do to a function, as far as tests need it.
import { DRIVER, fields, type UmlKernel } from './uml_kernel.ts';

// PCI: header, SR-IOV capability; where the card has it
export const [COMMAND, BAR2, BAR4] = [0x04, 0x18, 0x20];
export const [SRIOV_CTRL, SRIOV_NUM_VF, SRIOV_OFFSET, SRIOV_STRIDE, SRIOV_BAR2, SRIOV_BAR4] = [
  8, 0x10, 0x14, 0x16, 0x2c, 0x34,
];
export const MEMORY_AND_MASTER = 6;
export const CAP_MSIX = 0x11;
export const CAP_EXP = 0x10;
// virtio 1.4 §4.1.4.3, §4.1.4.4: BAR 2 of the card
export const [FEATURE_SELECT, DRIVER_FEATURE, CONFIG_VECTOR, NUM_QUEUES, STATUS, QUEUE_SELECT, QUEUE_SIZE] = [
  8, 0xc, 0x10, 0x12, 0x14, 0x16, 0x18,
];
export const [QUEUE_VECTOR, QUEUE_ENABLE, QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE, NOTIFY] = [
  0x1a, 0x1c, 0x20, 0x28, 0x30, 0x3000,
];
export const STATUS_FEATURE = 1 << 16;
export const MSI_ADDRESS = 0xa_0000;

export function extendedCapability(kernel: UmlKernel, id: number): number {
  for (let at = 0x100; at !== 0;) {
    const header = kernel.configRead(at, 4);
    if ((header & 0xffff) === id) return at;
    at = header >>> 20;
  }
  throw new Error(`no extended capability ${id}`);
}

export function capability(kernel: UmlKernel, id: number): number {
  let at = kernel.configRead(0x34, 1);
  while (kernel.configRead(at, 1) !== id) at = kernel.configRead(at + 1, 1);
  return at;
}

/** What the PCI core does before a driver comes. */
export function enablePf(kernel: UmlKernel): void {
  kernel.configWrite(BAR2, 4, 0xf000_0000);
  kernel.configWrite(BAR4, 4, 0xf000_4000);
  kernel.configWrite(COMMAND, 2, MEMORY_AND_MASTER);
}

export function enableVfs(kernel: UmlKernel, count: number): void {
  const sriov = extendedCapability(kernel, 0x10);
  kernel.configWrite(sriov + SRIOV_BAR2, 4, 0xf010_0000);
  kernel.configWrite(sriov + SRIOV_BAR4, 4, 0xf020_0000);
  kernel.configWrite(sriov + SRIOV_NUM_VF, 2, count);
  kernel.configWrite(sriov + SRIOV_CTRL, 2, 9); // VF Enable, VF MSE
}

/** A driver up to DRIVER_OK, with MSI-X: vector 0 for the configuration, 1 for transmission. Messages carry 131, 132. */
export function startDriver(kernel: UmlKernel, hasMsix = true): void {
  if (hasMsix) {
    [131, 132].forEach((data, vector) => {
      kernel.write(4, 16 * vector, 4, MSI_ADDRESS);
      kernel.write(4, 16 * vector + 4, 4, 0);
      kernel.write(4, 16 * vector + 8, 4, data);
      kernel.write(4, 16 * vector + 12, 4, 0);
    });
    kernel.configWrite(capability(kernel, CAP_MSIX) + 2, 2, 0x8000);
  }
  for (const status of [0, 1, 3]) kernel.write(2, STATUS, 1, status);
  [STATUS_FEATURE, 1].forEach((bits, word) => {
    kernel.write(2, FEATURE_SELECT, 4, word);
    kernel.write(2, DRIVER_FEATURE, 4, bits);
  });
  kernel.write(2, STATUS, 1, 0xb);
  if (hasMsix) kernel.write(2, CONFIG_VECTOR, 2, 0);
  // the transmit queue, with one frame of 60 bytes to everybody behind a header of 12
  kernel.write(2, QUEUE_SELECT, 2, 1);
  kernel.write(2, QUEUE_SIZE, 2, 4);
  if (hasMsix) kernel.write(2, QUEUE_VECTOR, 2, 1);
  [QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE].forEach((register, i) => kernel.write(2, register, 4, DRIVER + 0x1000 * i));
  kernel.write(2, QUEUE_ENABLE, 2, 1);
  kernel.write(2, STATUS, 1, 0xf);
}

export function frame(): Uint8Array {
  return Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 0xff : i));
}

/** Sends the frame that the driver of startDriver() has. */
export function transmit(kernel: UmlKernel): void {
  transmitLater(kernel);
  kernel.write(2, NOTIFY + 4, 2, 1);
}

/** The same without the doorbell, when `done` frames went before: all are in descriptor 0. */
export function transmitLater(kernel: UmlKernel, done = 0): void {
  const buffer = DRIVER + 0x4000;
  kernel.ram.set(frame(), buffer + 12);
  kernel.ram.set(fields([8, buffer], [4, 72], [2, 0], [2, 0]), DRIVER);
  kernel.ram.set(fields([2, 0], [2, done + 1], [8, 0]), DRIVER + 0x1000);
}

/** An interrupt message as virtio_pcidev.h has it. */
export const msi = (data: number): number[] => [...fields([1, 7], [1, 0], [2, 0], [4, 4], [8, MSI_ADDRESS], [4, data])];
