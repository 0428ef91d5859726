// SPDX-License-Identifier: Apache-2.0
// How long the host takes: translation in an IO-TLB with a bounded number of page walkers, memory latency with seeded
// tails, and the rule that a read does not overtake writes that came before it (PCIe 6.0 §2.4.1). Requests are looked at
// in the order in which they are put on the link, which is the order in which they arrive.
import { IOTLB, WALKER_FREE } from '../abi/state_map.ts';
import { CTL_POSTED_LAST, CTL_RNG } from '../abi/control.ts';
import { FN_IOAS } from '../abi/function.ts';
import { IOTLB_ENTRY_BYTES, IOTLB_PAGE, IOTLB_READY, IOTLB_USED } from '../abi/port.ts';
import { C_IOTLB_HITS, C_IOTLB_MISSES } from '../abi/counter.ts';
import {
  P_EXTRA_MAX,
  P_EXTRA_P50,
  P_HOST_READ,
  P_HOST_WRITE,
  P_IOTLB_SETS,
  P_IOTLB_SHIFT,
  P_IOTLB_WALK,
  P_IOTLB_WALKER,
  P_IOTLB_WALKERS,
  P_IOTLB_WAYS,
} from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';

const SPACE_SHIFT: u64 = 52;

/** Cycle in which memory answers a read whose address is translated in cycle `translated`. */
export function readServed(translated: u64): u64 {
  return max(translated, load<u64>(CTL_POSTED_LAST)) + param(P_HOST_READ) + extraLatency();
}

/** Cycle in which a write whose address is translated in cycle `translated` takes effect: never before an earlier one. */
export function writeTakesEffect(translated: u64): u64 {
  const effect = max(translated + param(P_HOST_WRITE), load<u64>(CTL_POSTED_LAST));
  store<u64>(CTL_POSTED_LAST, effect);
  return effect;
}

// ---- latency tails ------------------------------------------------------------------------------------------------------

// the quantiles of P_EXTRA_P50 .. P_EXTRA_MAX in 2^-20
const P50: u32 = 1 << 19;
const P95: u32 = 996147;
const P99: u32 = 1038090;
const P999: u32 = 1047527;
const P100: u32 = 1 << 20;

/** What a read takes longer than P_HOST_READ: the quantile function at a random point, linear between what is given. */
function extraLatency(): u64 {
  if (param(P_EXTRA_MAX) == 0) return 0;
  // xorshift64*
  let x = load<u64>(CTL_RNG);
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  store<u64>(CTL_RNG, x);
  const at = <u32>((x * 0x2545f4914f6cdd1d) >> 44);
  if (at < P50) return (<u64>param(P_EXTRA_P50) * at) / P50;
  if (at < P95) return between(at, P50, P95, P_EXTRA_P50, P_EXTRA_P50 + 1);
  if (at < P99) return between(at, P95, P99, P_EXTRA_P50 + 1, P_EXTRA_P50 + 2);
  if (at < P999) return between(at, P99, P999, P_EXTRA_P50 + 2, P_EXTRA_P50 + 3);
  return between(at, P999, P100, P_EXTRA_P50 + 3, P_EXTRA_MAX);
}

function between(at: u32, from: u32, to: u32, lowParam: i32, highParam: i32): u64 {
  const low = <u64>param(lowParam);
  return low + ((<u64>param(highParam) - low) * (at - from)) / (to - from);
}

// ---- IO-TLB ---------------------------------------------------------------------------------------------------------------

/** Cycle in which the address of a request that arrives in cycle `arrival` is translated. No request crosses a page. */
export function translationDone(f: usize, iova: u64, arrival: u64): u64 {
  const sets = param(P_IOTLB_SETS);
  if (sets == 0) return arrival;
  const page = iova >> param(P_IOTLB_SHIFT);
  const key = ((<u64>load<u32>(f, FN_IOAS)) << SPACE_SHIFT) | (page + 1);
  const ways = param(P_IOTLB_WAYS);
  const set: usize = IOTLB + ((<u32>page) & (sets - 1)) * ways * IOTLB_ENTRY_BYTES;
  let victim = set;
  for (let way: u32 = 0, entry = set; way < ways; way++, entry += IOTLB_ENTRY_BYTES) {
    if (load<u64>(entry, IOTLB_PAGE) == key) {
      count(C_IOTLB_HITS);
      store<u64>(entry, arrival, IOTLB_USED);
      return max(arrival, load<u64>(entry, IOTLB_READY)); // the walk may still be under way
    }
    if (load<u64>(entry, IOTLB_USED) < load<u64>(victim, IOTLB_USED)) victim = entry;
  }
  count(C_IOTLB_MISSES);
  const done = walk(arrival);
  store<u64>(victim, key, IOTLB_PAGE);
  store<u64>(victim, arrival, IOTLB_USED);
  store<u64>(victim, done, IOTLB_READY);
  return done;
}

/** Takes the page walker that is free first. */
function walk(arrival: u64): u64 {
  let walker: usize = WALKER_FREE;
  const end: usize = WALKER_FREE + <i32>(param(P_IOTLB_WALKERS) << 3);
  for (let other = walker + 8; other < end; other += 8) {
    if (load<u64>(other) < load<u64>(walker)) walker = other;
  }
  const start = max(arrival, load<u64>(walker));
  store<u64>(walker, start + param(P_IOTLB_WALKER));
  return start + param(P_IOTLB_WALK);
}

/** Empties the IO-TLB of an address space; whoever takes a mapping away does. */
export function invalidateIotlb(ioas: u32): void {
  const end: usize = IOTLB + param(P_IOTLB_SETS) * param(P_IOTLB_WAYS) * IOTLB_ENTRY_BYTES;
  for (let entry: usize = IOTLB; entry < end; entry += IOTLB_ENTRY_BYTES) {
    if (load<u64>(entry, IOTLB_PAGE) >> SPACE_SHIFT == ioas) memory.fill(entry, 0, IOTLB_ENTRY_BYTES);
  }
}
