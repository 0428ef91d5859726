// SPDX-License-Identifier: Apache-2.0
// Holds a view of configuration space against its rows: a second card, whose registers get what the rules let through, has
// to stay equal to the first; what the rules keep in the copy is kept here.
import { expect } from 'vitest';

import type { Nic } from '../../../../src/device/nic.ts';
import type { AccessSize } from '../../../../src/vfio/vfio_device.ts';
import type { ViewRow } from './vfio_rows.ts';

const CONFIG = 7;
const PATTERNS = [0xffffffff, 0, 0x5aa5_a55a];

/** What reads and writes the view. */
export interface View {
  read(region: number, offset: number, size: AccessSize): number;
  write(region: number, offset: number, size: AccessSize, value: number): void;
}

/** Configuration space of a function as the hardware has it. */
export function hardware(nic: Nic, fn: number): number[] {
  return Array.from({ length: 1024 }, (_, i) => nic.configRead(fn, 4 * i, 4));
}

/** `twin` is in the state of the view's card, and is changed alike: the two have to be equal afterwards. */
export function checkRow(view: View, twin: Nic, fn: number, row: ViewRow): void {
  const { at, bytes, virtual, writable } = row;
  const all = bytes === 4 ? 0xffffffff : 2 ** (8 * bytes) - 1;
  const first = fn === 0 ? row.pf : row.vf;
  const shown = view.read(CONFIG, at, bytes);
  expect(shown).toBe(first ?? twin.configRead(fn, at, bytes));

  let copy = shown & virtual;
  for (const pattern of PATTERNS) {
    const value = (pattern & all) >>> 0;
    copy = (copy & ~writable) | (value & writable & virtual);
    const through = writable & ~virtual;
    if (through !== 0) {
      const kept = twin.configRead(fn, at, bytes) & ~through;
      twin.configWrite(fn, at, bytes, (kept | (value & through)) >>> 0);
    }
    view.write(CONFIG, at, bytes, value);
    expect(view.read(CONFIG, at, bytes)).toBe(((twin.configRead(fn, at, bytes) & ~virtual) | copy) >>> 0);
  }
}
