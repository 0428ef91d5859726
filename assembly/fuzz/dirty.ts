// SPDX-License-Identifier: Apache-2.0
// Reset of a fuzzed card by what changed. The instrumented core calls dirtied() where it stores: the first change of a page
// puts the page on a list, and reset() copies just those pages back.
import { CARD_BYTES_MAX, DIRTY_COUNT, DIRTY_LIST, DIRTY_MAP, DIRTY_PAGE_SHIFT, PRISTINE } from '../abi/fuzz_memory.ts';

const PAGE_BYTES = 1 << DIRTY_PAGE_SHIFT;
const PAGES = CARD_BYTES_MAX >> DIRTY_PAGE_SHIFT;

function addPage(page: usize): void {
  store<u8>(page, 1, DIRTY_MAP);
  const count = load<u32>(DIRTY_COUNT);
  store<u32>(DIRTY_LIST + (count << 2), <u32>page);
  store<u32>(DIRTY_COUNT, count + 1);
}

/** `at` as it came, with the page of `at + offset` on the list; for a store that does not cross a page. */
export function dirtied(at: usize, offset: usize): usize {
  const page = (at + offset) >> DIRTY_PAGE_SHIFT;
  if (page >= <usize>PAGES) unreachable(); // outside of the card
  if (load<u8>(page, DIRTY_MAP) == 0) addPage(page);
  return at;
}

/** `at` as it came, with every page of [at, at + bytes) on the list. */
export function dirtiedRange(at: usize, bytes: usize): usize {
  if (bytes == 0) return at;
  const last = (at + bytes - 1) >> DIRTY_PAGE_SHIFT;
  if (last >= <usize>PAGES) unreachable();
  for (let page = at >> DIRTY_PAGE_SHIFT; page <= last; page++) {
    if (load<u8>(page, DIRTY_MAP) == 0) addPage(page);
  }
  return at;
}

/** Puts every page back to what it was at keep(); returns how many there were. */
export function putBack(): u32 {
  const count = load<u32>(DIRTY_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const page: usize = load<u32>(DIRTY_LIST + (i << 2));
    store<u8>(page, 0, DIRTY_MAP);
    const to = page << DIRTY_PAGE_SHIFT;
    const from = to + PRISTINE;
    for (let at: usize = 0; at < <usize>PAGE_BYTES; at += 64) {
      v128.store(to + at, v128.load(from + at));
      v128.store(to + at, v128.load(from + at, 16), 16);
      v128.store(to + at, v128.load(from + at, 32), 32);
      v128.store(to + at, v128.load(from + at, 48), 48);
    }
  }
  store<u32>(DIRTY_COUNT, 0);
  return count;
}

/** Forgets the list: what is there now is what putBack() goes back to. */
export function forgetDirty(): void {
  const count = load<u32>(DIRTY_COUNT);
  for (let i: u32 = 0; i < count; i++) store<u8>(load<u32>(DIRTY_LIST + (i << 2)), 0, DIRTY_MAP);
  store<u32>(DIRTY_COUNT, 0);
}
