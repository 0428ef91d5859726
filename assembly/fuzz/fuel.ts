// SPDX-License-Identifier: Apache-2.0
// A bound for work without end: the instrumented core calls burn() on every turn of a loop.
import { FUEL } from '../abi/fuzz_memory.ts';

export function burn(): void {
  const left = load<u32>(FUEL) - 1;
  store<u32>(FUEL, left);
  if (left == 0) unreachable();
}
