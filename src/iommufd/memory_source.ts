// SPDX-License-Identifier: Apache-2.0
// What a mapping leads to: a place in the card's guest window, or memory of someone else, from an offset on.
import type { ForeignMemory } from '../device/foreign.ts';
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { needed, optionProblems, wholeFrom, type OptionCheck, type OptionChecks } from '../util/options.ts';

/** Granule of mappings and of dirty bitmaps, in bytes. */
export const PAGE_BYTES = 4096;

/** Memory to map: bytes of the guest window from `window` on, or foreign memory from `offset` (default 0) on. */
export type MemorySource = { readonly window: number } | { readonly foreign: ForeignMemory; readonly offset?: number };

/** A place in memory or in an address space. */
export const ADDRESS = wholeFrom(0, Number.MAX_SAFE_INTEGER);

const WINDOW = { window: needed(ADDRESS) };
const FOREIGN = {
  foreign: needed({
    what: 'an object with read() and write()',
    isGood: (memory) =>
      typeof (memory as Partial<ForeignMemory> | null)?.read === 'function' &&
      typeof (memory as Partial<ForeignMemory>).write === 'function',
  }),
  offset: ADDRESS,
};

/** Refuses what a call cannot take: bad names, bad values. Throws EINVAL that names all of them. */
export function checkArguments<T extends object>(what: string, given: T, checks: OptionChecks<T>): void {
  const problems = optionProblems(given, checks);
  if (problems !== null) throw new VfioError('EINVAL', `${what}: ${problems}`);
}

/** Refuses what is no memory. Throws EINVAL. */
export function checkSource(source: MemorySource): void {
  const isWindow = typeof source === 'object' && source !== null && 'window' in source;
  const checks: Readonly<Record<string, OptionCheck>> = isWindow ? WINDOW : FOREIGN;
  checkArguments('memory to map', source, checks as OptionChecks<MemorySource>);
}

/** The same memory `bytes` further on. */
export function sourceAt(source: MemorySource, bytes: number): MemorySource {
  if ('window' in source) return { window: source.window + bytes };
  return { foreign: source.foreign, offset: (source.offset ?? 0) + bytes };
}

/** Offset of a source in what it is a part of. */
export function offsetOf(source: MemorySource): number {
  return 'window' in source ? source.window : (source.offset ?? 0);
}

/** Copies bytes of a source into `data`; false where foreign memory has none, or not at once. */
export function readSource(nic: Nic, source: MemorySource, data: Uint8Array): boolean {
  if (!('window' in source)) return source.foreign.read(source.offset ?? 0, data.length, data, 0) === true;
  const at = nic.core.windowBase + source.window;
  data.set(nic.core.u8.subarray(at, at + data.length));
  return true;
}

/** Copies `data` into a source likewise. */
export function writeSource(nic: Nic, source: MemorySource, data: Uint8Array): boolean {
  if (!('window' in source)) return source.foreign.write(source.offset ?? 0, data.length, data, 0) !== false;
  nic.core.u8.set(data, nic.core.windowBase + source.window);
  return true;
}

/** Foreign memory as the card sees it through a mapping that begins at `offset`. */
export function foreignFrom(foreign: ForeignMemory, offset: number): ForeignMemory {
  if (offset === 0) return foreign;
  return {
    read: (at, length, target, to) => foreign.read(offset + at, length, target, to),
    write: (at, length, source, from) => foreign.write(offset + at, length, source, from),
  };
}
