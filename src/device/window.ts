// SPDX-License-Identifier: Apache-2.0
// The guest window is handed out from its start on, in pages; what has been handed out is part of the card's state.
import * as CTL from '../../assembly/abi/control.ts';
import type { CoreInstance } from '../core/instance.ts';
import { NicError } from '../util/errors.ts';
import { checkWhole } from '../util/options.ts';

const PAGE_BYTES = 4096;

/** Takes `bytes` of the window; returns their offset in it. Throws NicError ENOMEM when there are not so many left. */
export function takeWindow({ u32, windowBytes }: CoreInstance, bytes: number): number {
  checkWhole('WINDOW', 'bytes of guest memory', bytes, 1, Number.MAX_SAFE_INTEGER);
  const size = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  const offset = u32[CTL.WINDOW_USED >> 2]!;
  if (offset + size > windowBytes) {
    const left = windowBytes - offset;
    const remedy = `windowBytes ${offset + size} would do`;
    throw new NicError('ENOMEM', `${size} bytes of guest memory asked for, ${left} left; ${remedy}`);
  }
  u32[CTL.WINDOW_USED >> 2] = offset + size;
  return offset;
}
