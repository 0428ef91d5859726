// SPDX-License-Identifier: Apache-2.0
// How far a function's driver has come, read from the images that the core keeps: no register is touched, so nothing
// happens by looking.
import { FUNCTIONS } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as FN from '../../assembly/abi/function.ts';
import * as Q from '../../assembly/abi/queue.ts';
import { NONE } from '../../assembly/abi/state_value.ts';
import { COMMON_ADMIN_QUEUE_INDEX, COMMON_DEVICE_STATUS } from '../../assembly/abi/virtio_pci_common.ts';
import type { CoreInstance } from '../core/instance.ts';

export interface DriverState {
  /** device_status. */
  readonly status: number;
  /** Bit numbers of the features that the driver wrote. */
  readonly features: readonly number[];
  /** Queues that are enabled, the admin queue included. */
  readonly queues: number;
  /** Driven through the legacy interface. */
  readonly isLegacy: boolean;
}

const FEATURE_WORDS = 4;

export function driverState(core: CoreInstance, fn: number): DriverState {
  const f = FUNCTIONS + fn * FN.STRIDE;
  const { u8, u32 } = core;
  const features = Array.from({ length: 32 * FEATURE_WORDS }, (_, bit) => bit).filter(
    (bit) => (u32[(f + FN.DRIVER_FEATURES + 4 * (bit >> 5)) >> 2]! >>> (bit & 31)) & 1,
  );
  const hasAdmin = u32[(f + FN.ADMIN_QUEUE) >> 2] !== NONE;
  const total = u32[(f + FN.QUEUE_COUNT) >> 2]! + (hasAdmin ? 1 : 0);
  let queues = 0;
  for (let q = 0; q < total; q++) queues += u8[f + FN.QUEUES + q * Q.STRIDE + Q.ENABLED] === 0 ? 0 : 1;
  return { status: u8[f + FN.COMMON + COMMON_DEVICE_STATUS]!, features, queues, isLegacy: u8[f + FN.LEGACY] !== 0 };
}

/** Index of the PF's administration queue, -1 where it has none. */
export function adminQueueIndex(core: CoreInstance): number {
  if (core.u32[(FUNCTIONS + FN.ADMIN_QUEUE) >> 2] === NONE) return -1;
  return core.view.getUint16(FUNCTIONS + FN.COMMON + COMMON_ADMIN_QUEUE_INDEX, true);
}

/** Opcodes that the PF's driver put on the list of the SR-IOV group with its LIST_USE (virtio 1.4 §2.13.1.2). */
export function adminOpcodesInUse(core: CoreInstance): number[] {
  const list = core.view.getUint32(CTL.SRIOV_USED_LO, true); // bit 31 says that there is a list
  return Array.from({ length: 31 }, (_, opcode) => opcode).filter((opcode) => (list >>> opcode) & 1);
}
