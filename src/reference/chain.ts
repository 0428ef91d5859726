// SPDX-License-Identifier: Apache-2.0
// Is a descriptor chain one that a driver may offer? virtio 1.4 §2.7.5, walked plainly over the driver's memory. A chain that
// breaks a rule stops the device (DEVICE_NEEDS_RESET), as this card documents it.

/** Descriptor flags, §2.7.5. */
const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const DESCRIPTOR_BYTES = 16;
const FOUR_GIB = 2 ** 32;
/** A card may cut a longer command or frame without reading all of it: what lies behind so many bytes need not be mapped. */
const SHORT = 4096;

/** The memory of a driver: `length` bytes from device address `base` on. */
export interface ChainMemory {
  readonly view: DataView;
  readonly base: number;
  readonly length: number;
}

/** A queue as far as chains depend on it. */
export interface ChainQueue {
  /** Offset of the descriptor table in the memory. */
  readonly table: number;
  readonly size: number;
  readonly hasIndirect: boolean;
}

/** How many descriptors more than the queue has a chain must have before it is certainly too long. */
const MARGIN = 1;

/** What is certainly wrong with the chain that begins at `head`; null: nothing, or it cannot be told from the memory. */
export function chainFault(memory: ChainMemory, queue: ChainQueue, head: number): string | null {
  let { table } = queue;
  let entries = queue.size;
  let index = head;
  let isIndirect = false;
  let sawWritable = false;
  let [readable, writable] = [0, 0];
  for (let budget = queue.size + MARGIN; ; budget--) {
    if (index >= entries) return isIndirect ? 'next beyond the indirect table' : 'index beyond the queue';
    if (budget === 0) return 'longer than the queue, or a loop';
    const at = table + index * DESCRIPTOR_BYTES;
    const address = memory.view.getUint32(at, true) + memory.view.getUint32(at + 4, true) * FOUR_GIB;
    const length = memory.view.getUint32(at + 8, true);
    const flags = memory.view.getUint16(at + 12, true);
    const next = memory.view.getUint16(at + 14, true);
    if ((flags & INDIRECT) !== 0) {
      if (isIndirect) return 'an indirect table in an indirect table';
      if (!queue.hasIndirect) return 'indirect, and not negotiated';
      if ((flags & NEXT) !== 0) return 'INDIRECT and NEXT';
      if (length === 0 || length % DESCRIPTOR_BYTES !== 0) return 'an indirect table of odd length';
      if (!isInside(memory, address, length)) return null;
      [table, entries, index, isIndirect] = [address - memory.base, length / DESCRIPTOR_BYTES, 0, true];
      budget++; // the one that names the table is not one of the chain's buffers
      continue;
    }
    const isWritable = (flags & WRITE) !== 0;
    if (sawWritable && !isWritable) return 'readable behind writable';
    sawWritable ||= isWritable;
    if (isWritable) writable += length;
    else readable += length;
    if (readable >= FOUR_GIB || writable >= FOUR_GIB) return 'longer than 4 GiB';
    const isRead = !isWritable && length > 0 && readable < SHORT;
    if (isRead && isNowhere(address, memory)) return 'a buffer that is not mapped';
    if ((flags & NEXT) === 0) return null;
    index = next;
  }
}

/** Neither in the memory nor in as much again behind it, where something else may be mapped. */
function isNowhere(address: number, { base, length }: ChainMemory): boolean {
  return address < base || address >= base + 4 * length;
}

function isInside({ base, length: bytes }: ChainMemory, address: number, length: number): boolean {
  return address >= base && address + length <= base + bytes;
}
