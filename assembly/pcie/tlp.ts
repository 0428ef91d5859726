// SPDX-License-Identifier: Apache-2.0
// Sizes of TLPs, and where a request is cut (PCIe 6.0 §2.2.7, §2.3.1.1): nothing crosses 4 KiB, a read asks for MRRS at
// most, a write carries MPS at most, completions end at multiples of the read completion boundary. Data travels in whole
// dwords; what of the first and last one is meant, the byte enables say.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { NONE } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import { param } from '../mem/arena.ts';

const PAGE = 4096;

/** Bytes of a memory request without its data: 4 DW of header only for addresses that need them. */
export function requestBytes(address: u64): u32 {
  return param(address >> 32 != 0 ? P.TLP_4DW : P.TLP_3DW);
}

/** Bytes in front of a memory request of the function: the prefix that carries its PASID (PCIe 6.0 §6.20.1). */
export function prefixBytes(f: usize): u32 {
  return load<u32>(f, FN.PASID) == NONE ? 0 : 4;
}

/** Bytes of data in whole dwords. */
export function dwordBytes(address: u64, length: u32): u32 {
  return (((<u32>address) & 3) + length + 3) & ~3;
}

/** Data credits that so many bytes take: 16 bytes each. */
export function dataUnits(bytes: u32): u32 {
  return (bytes + 15) >> 4;
}

function cut(address: u64, left: u32, limit: u32): u32 {
  const low = <u32>address;
  return min(left, min(limit - (low & 3), PAGE - (low & (PAGE - 1))));
}

/** Bytes that the next read request of a range takes. */
export function readPiece(address: u64, left: u32): u32 {
  return cut(address, left, load<u32>(CTL.MRRS));
}

/** Bytes that the next write TLP of a range takes. */
export function writePiece(address: u64, left: u32): u32 {
  return cut(address, left, load<u32>(CTL.MPS));
}

/** Bytes in the next completion of a read: as many as fit, up to the last boundary that they reach. */
export function completionPiece(address: u64, left: u32): u32 {
  const limit = load<u32>(CTL.CPL_BYTES);
  const past = (<u32>address) & (param(P.RCB) - 1);
  return past + left <= limit ? left : limit - past;
}

/** Completions of a read: the first may be short, all others are as long as they get. */
export function completionCount(address: u64, length: u32): u32 {
  const limit = load<u32>(CTL.CPL_BYTES);
  const bytes = ((<u32>address) & (param(P.RCB) - 1)) + length;
  return bytes <= limit ? 1 : (bytes + limit - 1) / limit;
}

/** Bytes of data in the last completion of a read that needs several. */
export function completionRest(address: u64, length: u32): u32 {
  const limit = load<u32>(CTL.CPL_BYTES);
  const rest = (((<u32>address) & (param(P.RCB) - 1)) + length) % limit;
  return rest == 0 ? limit : rest;
}

/** Cycles that it takes to store `bytes` once more between the link and who needs them. */
export function copyCycles(bytes: u32): u32 {
  return <u32>((<u64>bytes * param(P.DMA_COPY) + 0xffff) >> 16);
}
