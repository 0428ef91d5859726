// SPDX-License-Identifier: Apache-2.0
// What jobs are lent while they need it: a buffer of one of two sizes for the bytes of a chain or a frame, and a list where
// a chain has more segments than a job. Both pools of jobs have buffers and lists of their own, so that receiving goes on
// while transmitting is blocked. Small buffers are as many as jobs; whoever finds no large one, or no list, comes back.
//
//   LENT, for each pool of jobs:   SMALL_BUFFERS small | LARGE_BUFFERS large | SEGMENT_LISTS lists
import * as DMA from '../abi/dma_context.ts';
import * as JOB from '../abi/job.ts';
import {
  LARGE_BUFFER_BYTES,
  LARGE_BUFFERS,
  LENT,
  LENT_BYTES,
  LENT_FREE,
  RX_JOBS,
  SEGMENT_LIST_BYTES,
  SEGMENT_LISTS,
  SMALL_BUFFER_BYTES,
  SMALL_BUFFERS,
} from '../abi/state_map.ts';
import { DEBUG } from '../mem/arena.ts';

// index of the free list among those of its pool
const SMALL: u32 = 0;
const LARGE: u32 = 1;
const LISTS: u32 = 2;
const KINDS: u32 = 3;

const TRANSMIT: u32 = 0;
const RECEIVE: u32 = 1;

const LARGE_AT: usize = SMALL_BUFFERS * SMALL_BUFFER_BYTES;
const LISTS_AT: usize = LARGE_AT + LARGE_BUFFERS * LARGE_BUFFER_BYTES;

export function initLent(): void {
  for (let pool = TRANSMIT; pool <= RECEIVE; pool++) {
    const base: usize = LENT + pool * LENT_BYTES;
    chain(pool, SMALL, base, SMALL_BUFFERS, SMALL_BUFFER_BYTES);
    chain(pool, LARGE, base + LARGE_AT, LARGE_BUFFERS, LARGE_BUFFER_BYTES);
    chain(pool, LISTS, base + LISTS_AT, SEGMENT_LISTS, SEGMENT_LIST_BYTES);
  }
}

/** All free; each begins with the address of the next. */
function chain(pool: u32, kind: u32, base: usize, count: u32, bytes: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const at = base + i * bytes;
    store<u32>(at, i + 1 == count ? 0 : <u32>(at + bytes));
  }
  store<u32>(freeList(pool, kind), <u32>base);
}

function freeList(pool: u32, kind: u32): usize {
  return LENT_FREE + ((pool * KINDS + kind) << 2);
}

function poolOf(job: usize): u32 {
  return job < <usize>RX_JOBS ? TRANSMIT : RECEIVE;
}

function kindFor(bytes: u32): u32 {
  return bytes <= <u32>SMALL_BUFFER_BYTES ? SMALL : LARGE;
}

function take(pool: u32, kind: u32): u32 {
  const list = freeList(pool, kind);
  const at = load<u32>(list);
  if (at != 0) store<u32>(list, load<u32>(at));
  return at;
}

function giveBack(pool: u32, kind: u32, at: u32): void {
  const list = freeList(pool, kind);
  store<u32>(at, load<u32>(list));
  store<u32>(list, at);
}

/** Could a receive job be lent a buffer for this many bytes? */
export function hasReceiveBuffer(bytes: u32): bool {
  return load<u32>(freeList(RECEIVE, kindFor(bytes))) != 0;
}

/** Lends the job a buffer for `bytes`, LARGE_BUFFER_BYTES at most; false if none is free. */
export function lendBuffer(job: usize, bytes: u32): bool {
  if (DEBUG) assert(load<u32>(job, JOB.BUFFER) == 0 && bytes <= <u32>LARGE_BUFFER_BYTES); // it has one at a time
  const at = take(poolOf(job), kindFor(bytes));
  store<u32>(job, at, JOB.BUFFER);
  return at != 0;
}

/** Lends the job a list for SEGMENTS_MAX segments, with those in it that it has; false if none is free. */
export function lendList(job: usize): bool {
  const at = take(poolOf(job), LISTS);
  if (at == 0) return false;
  memory.copy(at, job + JOB.SEGMENTS, JOB.SEGMENTS_INLINE * DMA.SEGMENT_BYTES);
  store<u32>(job, at, JOB.LIST);
  return true;
}

/** The job is done, or given up: everything goes back. */
export function returnLent(job: usize): void {
  const pool = poolOf(job);
  const buffer = load<u32>(job, JOB.BUFFER);
  if (buffer != 0) {
    giveBack(pool, buffer - (LENT + pool * LENT_BYTES) < <u32>LARGE_AT ? SMALL : LARGE, buffer);
    store<u32>(job, 0, JOB.BUFFER);
  }
  const list = load<u32>(job, JOB.LIST);
  if (list != <u32>(job + JOB.SEGMENTS)) giveBack(pool, LISTS, list);
}
