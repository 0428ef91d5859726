// SPDX-License-Identifier: Apache-2.0
// Descriptors with memory behind them, and the shortest way to send or receive one frame over a raw ring.
import { chained, INDIRECT, WRITE, writeDescriptors, type Descriptor } from '../../../support/raw_ring.ts';
import type { RawFunction } from '../../../support/raw_function.ts';

/** Device-readable descriptors, one for each part. */
export function readable(fn: RawFunction, ...parts: readonly Uint8Array[]): Descriptor[] {
  return parts.map((part) => ({ addr: fn.place(part), len: part.length }));
}

/** Device-writable descriptors of these lengths. */
export function writable(fn: RawFunction, ...lengths: readonly number[]): Descriptor[] {
  return lengths.map((len) => ({ addr: fn.space(len), len, flags: WRITE }));
}

/** A descriptor of an indirect table that holds `entries`, linked in order unless they bring their own links. */
export function indirect(fn: RawFunction, entries: readonly Descriptor[], isLinked = false): Descriptor {
  const at = fn.memory.alloc(16 * entries.length, 16);
  writeDescriptors(fn.memory, at, isLinked ? entries : chained(entries));
  return { addr: fn.memory.iova(at), len: 16 * entries.length, flags: INDIRECT };
}

/** Offers one chain from descriptor `first` on and kicks. */
export function submit(fn: RawFunction, queue: number, descriptors: readonly Descriptor[], first = 0): void {
  const ring = fn.ring(queue);
  ring.offer(ring.chain(descriptors, first));
  fn.kick(queue);
}

/** What a chain of writable descriptors holds, one part after the other. */
export function contents(fn: RawFunction, descriptors: readonly Descriptor[]): Uint8Array {
  const parts = descriptors.map(({ addr, len }) => fn.bytesAt(addr, len));
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The bytes cut at the given positions. */
export function cut(bytes: Uint8Array, ...positions: readonly number[]): Uint8Array[] {
  const edges = [0, ...positions, bytes.length];
  return edges.slice(1).map((end, i) => bytes.slice(edges[i], end));
}
