// SPDX-License-Identifier: Apache-2.0
// TLPs as records of the trace ring. Called behind the link, when it is known when a TLP arrives.
import { TRACE_CONTROL } from '../abi/state_map.ts';
import * as FN from '../abi/function.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { NONE } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';
import { isTracing, recordAt } from '../sim/trace.ts';
import { wireCycles } from './link.ts';

/** Four bytes for the data of messages and registers, behind the words of the ring. */
export const TRACE_SCRATCH: usize = TRACE_CONTROL + 24;

/**
 * Records a TLP that arrives in cycle `arrival`. `sub`: TLP_* with its flags; `left`: bytes that completions still carry
 * from this one on, or a PASID; `payload`: address of its data, 0 if it has none.
 */
export function traceTlp(
  sub: u32,
  f: usize,
  tag: u32,
  address: u64,
  length: u32,
  left: u32,
  bytes: u32,
  arrival: u64,
  payload: usize,
): void {
  const latency = param((sub & TRACE.TLP_DOWN) != 0 ? P.DOWN_LATENCY : P.UP_LATENCY);
  const out = latency + wireCycles(bytes);
  const flags = address >> 32 != 0 && (sub & 0xf) <= <u32>TRACE.TLP_MWR ? TRACE.TLP_4DW : 0;
  const carried = payload != 0 && isTracing(TRACE.MASK_DATA) ? length : 0;
  recordAt(
    arrival - out,
    TRACE.TLP,
    load<u32>(f, FN.INDEX),
    sub | flags,
    length | (tag << 16),
    out,
    address,
    left,
    bytes,
    payload,
    carried,
  );
}

/** Records a memory request of the card, with the PASID of its function. */
export function traceMemory(
  sub: u32,
  f: usize,
  tag: u32,
  address: u64,
  length: u32,
  bytes: u32,
  arrival: u64,
  payload: usize,
): void {
  const pasid = load<u32>(f, FN.PASID);
  if (pasid == NONE) traceTlp(sub, f, tag, address, length, 0, bytes, arrival, payload);
  else traceTlp(sub | TRACE.TLP_PASID, f, tag, address, length, pasid, bytes, arrival, payload);
}

/** Records a TLP with the four bytes `data`. */
export function traceWord(sub: u32, f: usize, address: u64, size: u32, data: u32, bytes: u32, arrival: u64): void {
  store<u32>(TRACE_SCRATCH, data);
  traceTlp(sub, f, 0, address, size, 0, bytes, arrival, TRACE_SCRATCH);
}

/** Records Assert_INTA or Deassert_INTA. */
export function traceIntx(f: usize, level: u32, bytes: u32, arrival: u64): void {
  traceTlp(TRACE.TLP_MSG, f, 0, 0, level, 0, bytes, arrival, 0);
}
