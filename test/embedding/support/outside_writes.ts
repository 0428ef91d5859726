// SPDX-License-Identifier: Apache-2.0
// Writes of the PF without a driver: the traffic generator of the card, started by its words.
import * as GEN from '../../../assembly/abi/generator.ts';
import { GENERATOR } from '../../../assembly/abi/state_map.ts';
import { GENERATE_WRITE } from '../../../assembly/abi/state_value.ts';
import type { Nic } from '../../../src/device/nic.ts';

/** Where they go: 8 KiB from here on. */
export const WRITES_AT = 0x1_0000_0000;
const WINDOW_BYTES = 8192;

export interface Writes {
  /** Of each, to places of the next power of two. */
  readonly bytes: number;
  readonly operations: number;
  /** Under way at a time. */
  readonly outstanding: number;
  /** The first place. Default WRITES_AT. */
  readonly at?: number;
}

/** Starts them; the card does the rest as time passes. */
export function startWrites({ core: { view, pins } }: Nic, writes: Writes): void {
  const { bytes, operations, outstanding, at = WRITES_AT } = writes;
  view.setUint32(GENERATOR + GEN.OPERATION, GENERATE_WRITE, true);
  view.setUint32(GENERATOR + GEN.BYTES, bytes, true);
  view.setUint32(GENERATOR + GEN.LEFT, operations, true);
  view.setUint32(GENERATOR + GEN.WINDOW, WINDOW_BYTES, true);
  view.setBigUint64(GENERATOR + GEN.IOVA, BigInt(at), true);
  pins.generate(0, outstanding);
}
