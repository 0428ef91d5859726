// SPDX-License-Identifier: Apache-2.0
// Memory of an instrumented core (.ci/instrument.mjs): where it notes which points of the code it passed and which pages
// of the card it changed. It lies behind the card, outside the arena, so that a reset of the card leaves it alone.
//
//   0x0000000  the card, as state_map.ts draws it; it has to end below CARD_BYTES_MAX
//   0x2000000  PRISTINE  copy of the card as keep() found it
//   0x4000000  DIRTY_MAP, DIRTY_LIST, COVERAGE, SEEN

// between the compiler's data and the trace control words: what a core of a coverage run has told
export const REPORTED = 0x8000;

export const CARD_BYTES_MAX = 0x2000000;
export const PRISTINE = CARD_BYTES_MAX;

export const DIRTY_PAGE_SHIFT = 8;
export const DIRTY_MAP = 0x4000000; // one byte for each page: 1 if it is on the list
export const DIRTY_LIST = 0x4020000; // u32 page numbers, in the order of their first change
export const DIRTY_COUNT = 0x40a0000; // u32
export const FUEL = 0x40a0004; // u32: turns of loops until the core traps; 0: no bound
export const COVERAGE = 0x40b0000; // one byte for each point: 1 if it was passed since the last collect()
export const SEEN = 0x40c0000; // one byte for each point: 0 if a collect() has reported it, else 0xff
export const POINTS_MAX = 0x8000;
export const FUZZ_MEMORY_BYTES = 0x40d0000;
