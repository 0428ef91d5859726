// SPDX-License-Identifier: Apache-2.0
// What the target `driver` attacks at a time: a driver, or a part of one, and the hostile functions below it.
import type { HostileFunction } from './driver_device.ts';

/** A driver and the functions below it. */
export interface Scenario {
  /** The functions that lies are about; the first is the one that frames come from. */
  readonly functions: readonly HostileFunction[];
  start(): void;
  operate(operation: number, at: number, value: number): void;
}
