// SPDX-License-Identifier: Apache-2.0
// The rate limit of a function, in the timed mode: a bucket of time. Each frame that was sent fills in the time that it
// takes at the rate, exactly; while that time is not over, the function's transmit queues take no new chains. So a function
// in debt holds nothing that others need, and what its queues have in work already is the burst that it may send.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';

/** A byte in millionths of a bit, of which FN.RATE * P.CLOCK_PS may be sent in a cycle. */
const BYTE: u64 = 8000000;
/** Cycles of sending that an idle function saves up; no time is lost between taking a chain and sending its frame. */
const CREDIT: u64 = 4096;

/** Cycles after which a queue looks again at the latest: the function may have been made anew, without a limit. */
const LOOK: u64 = 65536;

/** Books a frame that was sent. */
export function charge(f: usize, length: u32): void {
  const rate = load<u32>(f, FN.RATE);
  if (rate == 0) return;
  const perCycle = <u64>rate * param(P.CLOCK_PS);
  const now = load<u64>(CTL.NOW);
  let time = load<u64>(f, FN.RATE_TIME);
  let used = load<u64>(f, FN.RATE_REST);
  if (time + CREDIT < now) {
    time = now - CREDIT;
    used = 0;
  }
  used += length * BYTE;
  store<u64>(f, time + used / perCycle, FN.RATE_TIME);
  store<u64>(f, used % perCycle, FN.RATE_REST);
}

/** Cycles until it is worth asking again, 0 if the function may send now. */
export function rateWait(f: usize): u32 {
  if (load<u32>(f, FN.RATE) == 0) return 0;
  const time = load<u64>(f, FN.RATE_TIME);
  const now = load<u64>(CTL.NOW);
  return time > now ? <u32>min(time - now, LOOK) : 0;
}
