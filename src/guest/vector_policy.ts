// SPDX-License-Identifier: Apache-2.0
// Who gets which MSI-X vector, in Linux's order of preference: one each for the configuration, every queue with a handler
// and the admin queue; then configuration and admin queue share vector 0; then all data queues share vector 1 too.
import { VIRTIO_MSI_NO_VECTOR } from '../../assembly/abi/virtio_pci_common.ts';
import type { IrqHandler } from '../vfio/vfio_device.ts';
import { DeviceFaultError } from './device_fault.ts';

/** How the interrupts are shared out. */
export type VectorPolicy = 'each' | 'shared-slow' | 'shared' | 'intx';

/** The order in which they are tried; INTx comes last, where the function has it. */
export const MSIX_POLICIES: readonly VectorPolicy[] = ['each', 'shared-slow', 'shared'];

/** The vector of configuration changes. */
export const CONFIG_VECTOR = 0;
const SHARED_QUEUE_VECTOR = 1;
/** Interrupts that come within handlers of interrupts, one within the other, after which a device floods its driver. */
const MOST_NESTED = 64;

/** Handler of used buffer notifications or configuration changes; `timeCycles` is when the interrupt arrived. */
export type UsedHandler = (timeCycles: number) => void;

/** What a policy has to know of a queue. */
export interface VectorUser {
  /** Null: no interrupts, the queue is polled. */
  readonly onUsed: UsedHandler | null;
  /** An admin queue, slow enough to share the configuration vector. */
  readonly isAdmin?: boolean;
}

export function vectorsNeeded(policy: VectorPolicy, users: readonly VectorUser[]): number {
  if (policy === 'intx') return 0;
  if (policy === 'shared') return 2;
  let count = 1;
  for (const user of users) {
    if (user.onUsed !== null && (policy === 'each' || user.isAdmin !== true)) count++;
  }
  return count;
}

/** The vector of each user; VIRTIO_MSI_NO_VECTOR where it has none. */
export function assignVectors(policy: VectorPolicy, users: readonly VectorUser[]): number[] {
  let next = CONFIG_VECTOR + 1;
  return users.map((user) => {
    if (user.onUsed === null || policy === 'intx') return VIRTIO_MSI_NO_VECTOR;
    if (user.isAdmin === true && policy !== 'each') return CONFIG_VECTOR;
    return policy === 'shared' ? SHARED_QUEUE_VECTOR : next++;
  });
}

/** Of one device: handlers may be interrupted by each other, to a depth that no device reaches that means well. */
export function boundNesting(handlers: readonly IrqHandler[]): IrqHandler[] {
  let depth = 0;
  return handlers.map((handler) => (vector, timeCycles) => {
    if (depth === MOST_NESTED) {
      throw new DeviceFaultError('DEVICE_FLOOD', `vector ${vector}: ${depth} interrupts one within the other`);
    }
    depth++;
    try {
      handler(vector, timeCycles);
    } finally {
      depth--;
    }
  });
}

/** One handler per vector: those of all its users, one after the other. */
export function vectorHandlers(
  count: number,
  assigned: readonly number[],
  users: readonly VectorUser[],
  onConfigChange: UsedHandler,
): IrqHandler[] {
  const handlers: IrqHandler[] = [];
  for (let vector = 0; vector < count; vector++) {
    const parts = users.filter((_, i) => assigned[i] === vector).map((user) => user.onUsed!);
    if (vector === CONFIG_VECTOR) parts.unshift(onConfigChange);
    const only = parts[0];
    handlers.push(
      parts.length === 1 && only !== undefined
        ? (_vector, timeCycles) => only(timeCycles)
        : (_vector, timeCycles) => {
            for (const part of parts) part(timeCycles);
          },
    );
  }
  return boundNesting(handlers);
}
