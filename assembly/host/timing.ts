// SPDX-License-Identifier: Apache-2.0
// How long the host takes: translation in an IO-TLB with a bounded number of page walkers, memory latency with seeded
// tails, and the rule that a read does not overtake writes that came before it (PCIe 6.0 §2.4.1). Requests are looked at
// in the order in which they are put on the link, which is the order in which they arrive.
import { IOTLB_ENTRIES, WALKER_FREE } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as IOTLB from '../abi/iotlb.ts';
import { C_IOTLB_HITS, C_IOTLB_MISSES } from '../abi/counter.ts';
import { NONE } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import { count, param } from '../mem/arena.ts';
import { NEVER } from '../sim/scheduler.ts';

const SPACE_SHIFT: u64 = 52;

/** Cycle in which memory answers a read whose address is translated in cycle `translated`; NEVER if it is outside. */
export function answerDue(translated: u64): u64 {
  const latency = param(P.HOST_READ);
  if (latency == NONE) return NEVER;
  return max(translated, load<u64>(CTL.POSTED_LAST)) + latency + extraLatency();
}

/** Cycle in which a write whose address is translated in cycle `translated` takes effect: never before an earlier one. */
export function writeTakesEffect(translated: u64): u64 {
  const effect = max(translated + param(P.HOST_WRITE), load<u64>(CTL.POSTED_LAST));
  store<u64>(CTL.POSTED_LAST, effect);
  return effect;
}

// ---- latency tails ------------------------------------------------------------------------------------------------------

// the quantiles of P.EXTRA_P50 .. P.EXTRA_MAX in 2^-20
const P50: u32 = 1 << 19;
const P95: u32 = 996147;
const P99: u32 = 1038090;
const P999: u32 = 1047527;
const P100: u32 = 1 << 20;

/** What a read takes longer than P.HOST_READ: the quantile function at a random point, linear between what is given. */
function extraLatency(): u64 {
  if (param(P.EXTRA_MAX) == 0) return 0;
  // xorshift64*
  let x = load<u64>(CTL.RNG);
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  store<u64>(CTL.RNG, x);
  const at = <u32>((x * 0x2545f4914f6cdd1d) >> 44);
  if (at < P50) return (<u64>param(P.EXTRA_P50) * at) / P50;
  if (at < P95) return between(at, P50, P95, P.EXTRA_P50, P.EXTRA_P50 + 1);
  if (at < P99) return between(at, P95, P99, P.EXTRA_P50 + 1, P.EXTRA_P50 + 2);
  if (at < P999) return between(at, P99, P999, P.EXTRA_P50 + 2, P.EXTRA_P50 + 3);
  return between(at, P999, P100, P.EXTRA_P50 + 3, P.EXTRA_MAX);
}

function between(at: u32, from: u32, to: u32, lowParam: i32, highParam: i32): u64 {
  const low = <u64>param(lowParam);
  return low + ((<u64>param(highParam) - low) * (at - from)) / (to - from);
}

// ---- IO-TLB ---------------------------------------------------------------------------------------------------------------

/** Cycle in which the address of a request that arrives in cycle `arrival` is translated. No request crosses a page. */
export function translationDone(f: usize, iova: u64, arrival: u64): u64 {
  const sets = param(P.IOTLB_SETS);
  if (sets == 0) return arrival;
  const page = iova >> param(P.IOTLB_SHIFT);
  const key = ((<u64>load<u32>(f, FN.IOAS)) << SPACE_SHIFT) | (page + 1);
  const ways = param(P.IOTLB_WAYS);
  const set: usize = IOTLB_ENTRIES + ((<u32>page) & (sets - 1)) * ways * IOTLB.ENTRY_BYTES;
  let victim = set;
  for (let way: u32 = 0, entry = set; way < ways; way++, entry += IOTLB.ENTRY_BYTES) {
    if (load<u64>(entry, IOTLB.PAGE) == key) {
      count(C_IOTLB_HITS);
      store<u64>(entry, arrival, IOTLB.USED);
      return max(arrival, load<u64>(entry, IOTLB.READY)); // the walk may still be under way
    }
    if (load<u64>(entry, IOTLB.USED) < load<u64>(victim, IOTLB.USED)) victim = entry;
  }
  count(C_IOTLB_MISSES);
  const done = walk(arrival);
  store<u64>(victim, key, IOTLB.PAGE);
  store<u64>(victim, arrival, IOTLB.USED);
  store<u64>(victim, done, IOTLB.READY);
  return done;
}

/** Takes the page walker that is free first. */
function walk(arrival: u64): u64 {
  let walker: usize = WALKER_FREE;
  const end: usize = WALKER_FREE + <i32>(param(P.IOTLB_WALKERS) << 3);
  for (let other = walker + 8; other < end; other += 8) {
    if (load<u64>(other) < load<u64>(walker)) walker = other;
  }
  const start = max(arrival, load<u64>(walker));
  store<u64>(walker, start + param(P.IOTLB_WALKER));
  return start + param(P.IOTLB_WALK);
}

/** Empties the IO-TLB of an address space; whoever takes a mapping away does. */
export function invalidateIotlb(ioas: u32): void {
  const end: usize = IOTLB_ENTRIES + param(P.IOTLB_SETS) * param(P.IOTLB_WAYS) * IOTLB.ENTRY_BYTES;
  for (let entry: usize = IOTLB_ENTRIES; entry < end; entry += IOTLB.ENTRY_BYTES) {
    if (load<u64>(entry, IOTLB.PAGE) >> SPACE_SHIFT == ioas) memory.fill(entry, 0, IOTLB.ENTRY_BYTES);
  }
}
