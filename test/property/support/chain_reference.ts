// SPDX-License-Identifier: Apache-2.0
// What a transmit chain means, read once more from virtio 1.4 §2.7.5 and written down as plainly as possible: the bytes
// of the packet, or every fault of the first descriptor that has one.
import type { Descriptor } from '../../support/raw_ring.ts';

export type Meaning = { readonly bytes: Uint8Array; readonly hasWritable: boolean } | { readonly faults: string[] };

export interface Tables {
  readonly direct: readonly Descriptor[];
  /** Indirect tables by device address. */
  readonly indirect: ReadonlyMap<number, readonly Descriptor[]>;
  readonly hasIndirect: boolean;
  readonly read: (addr: number, length: number) => Uint8Array;
}

export function meaningOf(tables: Tables, head: number): Meaning {
  const parts: number[] = [];
  let [table, index, isIndirect, walked, hasWritable, total] = [tables.direct, head, false, 0, false, 0];
  if (head >= table.length) return { faults: ['bad_head'] };
  for (;;) {
    const { addr, len, flags = 0, next = 0 } = table[index]!;
    const isTable = (flags & 4) !== 0;
    const faults: string[] = [];
    // an indirect descriptor is not a buffer: the chain's length is that of the buffers
    if (!isTable && ++walked > tables.direct.length) faults.push('bad_loop');
    if (isTable && (!tables.hasIndirect || isIndirect || (flags & 1) !== 0 || len === 0 || len % 16 !== 0)) {
      faults.push('bad_indirect');
    }
    if (!isTable && (flags & 2) === 0 && hasWritable) faults.push('bad_order');
    if (!isTable && total + len > 0xffff_ffff) faults.push('bad_length');
    if ((flags & 1) !== 0 && next >= table.length) faults.push('bad_next');
    if (faults.length > 0) return { faults };
    if (isTable) {
      [table, index, isIndirect] = [tables.indirect.get(addr)!, 0, true];
      continue;
    }
    if ((flags & 2) !== 0) hasWritable = true;
    else for (const byte of tables.read(addr, len)) parts.push(byte);
    total += len;
    if ((flags & 1) === 0) return { bytes: Uint8Array.from(parts), hasWritable };
    index = next;
  }
}
