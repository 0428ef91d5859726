// SPDX-License-Identifier: Apache-2.0
// What a device may put into the used ring of a split virtqueue (virtio 1.4 §2.7.8): chains that were made available and
// not yet used, each once, with a length that fits its device-writable part.

/** Chains that the device holds: writable bytes of each, by head; oldest first where a driver gave one head twice. */
export type OutstandingChains = Map<number, number[]>;

/** The driver made the chain at `head` available. */
export function makeAvailable(chains: OutstandingChains, head: number, writableBytes: number): void {
  const same = chains.get(head);
  if (same === undefined) chains.set(head, [writableBytes]);
  else same.push(writableBytes);
}

/** Takes one used element. Returns what is wrong with it, or null. */
export function usedFault(chains: OutstandingChains, id: number, length: number): string | null {
  const writable = chains.get(id)?.shift();
  if (writable === undefined) return `used id ${id}: no such chain is outstanding`;
  if (chains.get(id)!.length === 0) chains.delete(id);
  return length <= writable ? null : `used id ${id}: length ${length}, but ${writable} bytes are writable`;
}
