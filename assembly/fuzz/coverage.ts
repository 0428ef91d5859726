// SPDX-License-Identifier: Apache-2.0
// Points of the code that the instrumented core passed.
import { COVERAGE, SEEN } from '../abi/fuzz_memory.ts';

/** Number of points that the instrumented copy has; .ci/instrument.mjs fills it in. */
const POINTS = 0;

/** Number of points passed for the first time since forgetSeen(); empties the map of the points passed. */
export function collectNew(): u32 {
  let found: u64 = 0;
  for (let at: usize = 0; at < <usize>POINTS; at += 8) {
    const passed = load<u64>(at, COVERAGE);
    if (passed == 0) continue;
    store<u64>(at, 0, COVERAGE);
    const fresh = passed & load<u64>(at, SEEN);
    if (fresh == 0) continue;
    store<u64>(at, load<u64>(at, SEEN) ^ (fresh * 0xff), SEEN);
    found += popcnt(fresh);
  }
  return <u32>found;
}
