// SPDX-License-Identifier: Apache-2.0
// Event wheel: 1,024 slots of one cycle each, every slot a list ordered by (priority, sequence); events further away
// wait in a binary heap ordered by (time, priority, sequence) and enter the wheel when its window reaches them.
//
// Whenever `now` moves, all heap entries inside the new window move to the wheel before anything is dispatched, so an
// event scheduled earlier stays ahead of a later one of the same time and priority.
import { EVENT_HEAP, EVENT_NODE, EVENT_NODES, WHEEL, WHEEL_BITS, WHEEL_SLOTS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as EVENT from '../abi/event_node.ts';
import { DEBUG } from '../mem/arena.ts';

const SLOT_MASK = WHEEL_SLOTS - 1;

/** "No event": later than any time that is reached. */
export const NEVER: u64 = 0xffffffffffffffff;

export function initScheduler(): void {
  for (let i = 0; i < EVENT_NODES; i++) {
    const node: usize = EVENT_NODE + i * EVENT.NODE_BYTES;
    store<u32>(node, i + 1 < EVENT_NODES ? <u32>(node + EVENT.NODE_BYTES) : 0, EVENT.NEXT);
  }
  store<u32>(CTL.EVENT_FREE, EVENT_NODE);
}

/** Schedules `code` after `delay` cycles. */
export function schedule(delay: u64, code: i32, priority: i32, a0: u32, a1: u32): void {
  scheduleAt(load<u64>(CTL.NOW) + delay, code, priority, a0, a1);
}

/** Schedules `code` for the absolute time `time`, which is not in the past. */
export function scheduleAt(time: u64, code: i32, priority: i32, a0: u32, a1: u32): void {
  if (DEBUG) assert(time >= load<u64>(CTL.NOW)); // nothing happens in the past
  const node: usize = load<u32>(CTL.EVENT_FREE);
  if (node == 0) unreachable(); // a block has lost its bound on pending events: a bug of the model
  store<u32>(CTL.EVENT_FREE, load<u32>(node, EVENT.NEXT));
  store<u64>(node, time, EVENT.TIME);
  store<u16>(node, <u16>code, EVENT.CODE);
  store<u16>(node, <u16>priority, EVENT.PRIORITY);
  store<u32>(node, a0, EVENT.A0);
  store<u32>(node, a1, EVENT.A1);
  if (time - load<u64>(CTL.NOW) < <u64>WHEEL_SLOTS) insertIntoWheel(node, time);
  else pushHeap(node);
}

function insertIntoWheel(node: usize, time: u64): void {
  const slotIndex = (<u32>time) & SLOT_MASK;
  const slot: usize = WHEEL + slotIndex * EVENT.WHEEL_SLOT_BYTES;
  const head: usize = load<u32>(slot, EVENT.WHEEL_HEAD);
  store<u32>(node, 0, EVENT.NEXT);
  if (head == 0) {
    store<u32>(slot, <u32>node, EVENT.WHEEL_HEAD);
    store<u32>(slot, <u32>node, EVENT.WHEEL_TAIL);
    const word = slotIndex >> 5;
    const bits: usize = WHEEL_BITS + (word << 2);
    store<u32>(bits, load<u32>(bits) | (1 << (slotIndex & 31)));
    store<u32>(CTL.WHEEL_SUMMARY, load<u32>(CTL.WHEEL_SUMMARY) | (1 << word));
    return;
  }
  const tail: usize = load<u32>(slot, EVENT.WHEEL_TAIL);
  const priority = load<u16>(node, EVENT.PRIORITY);
  if (load<u16>(tail, EVENT.PRIORITY) <= priority) {
    store<u32>(tail, <u32>node, EVENT.NEXT);
    store<u32>(slot, <u32>node, EVENT.WHEEL_TAIL);
    return;
  }
  let before: usize = 0;
  let at = head;
  while (load<u16>(at, EVENT.PRIORITY) <= priority) {
    before = at;
    at = load<u32>(at, EVENT.NEXT);
  }
  store<u32>(node, <u32>at, EVENT.NEXT);
  if (before == 0) store<u32>(slot, <u32>node, EVENT.WHEEL_HEAD);
  else store<u32>(before, <u32>node, EVENT.NEXT);
}

/** Time of the first pending event, NEVER if there is none. */
export function nextEventTime(): u64 {
  const summary = load<u32>(CTL.WHEEL_SUMMARY);
  const time = load<u64>(CTL.NOW);
  if (summary == 0) {
    if (load<u32>(CTL.HEAP_COUNT) == 0) return NEVER;
    return load<u64>(load<u32>(EVENT_HEAP), EVENT.TIME);
  }
  // first occupied slot at or after the slot of `now`, around the wheel once
  const start = (<u32>time) & SLOT_MASK;
  const startWord = start >> 5;
  let bits = load<u32>(WHEEL_BITS + (startWord << 2)) & (0xffffffff << (start & 31));
  let word = startWord;
  if (bits == 0) {
    const later = startWord == 31 ? 0 : summary & (0xffffffff << (startWord + 1));
    word = ctz(later != 0 ? later : summary);
    bits = load<u32>(WHEEL_BITS + (word << 2));
    if (word == startWord) bits &= ~(0xffffffff << (start & 31));
  }
  const slotIndex = (word << 5) + ctz(bits);
  return time + ((slotIndex - start) & SLOT_MASK);
}

/** Moves the clock; `time` is not beyond the first pending event. */
export function moveTo(time: u64): void {
  if (DEBUG) assert(time >= load<u64>(CTL.NOW) && nextEventTime() >= time); // no event is passed over
  store<u64>(CTL.NOW, time);
  while (load<u32>(CTL.HEAP_COUNT) != 0) {
    const top: usize = load<u32>(EVENT_HEAP);
    const due = load<u64>(top, EVENT.TIME);
    if (due - time >= <u64>WHEEL_SLOTS) return;
    popHeap();
    insertIntoWheel(top, due);
  }
}

/** Takes the first event of the current cycle and gives its node back; 0 if there is none. Fields stay readable until the next schedule(). */
export function takeEvent(): usize {
  const slotIndex = (<u32>load<u64>(CTL.NOW)) & SLOT_MASK;
  const slot: usize = WHEEL + slotIndex * EVENT.WHEEL_SLOT_BYTES;
  const node: usize = load<u32>(slot, EVENT.WHEEL_HEAD);
  if (node == 0) return 0;
  if (DEBUG) assert(load<u64>(node, EVENT.TIME) == load<u64>(CTL.NOW)); // a slot holds events of one cycle
  const next = load<u32>(node, EVENT.NEXT);
  store<u32>(slot, next, EVENT.WHEEL_HEAD);
  if (next == 0) {
    const word = slotIndex >> 5;
    const bits: usize = WHEEL_BITS + (word << 2);
    const left = load<u32>(bits) & ~(1 << (slotIndex & 31));
    store<u32>(bits, left);
    if (left == 0) store<u32>(CTL.WHEEL_SUMMARY, load<u32>(CTL.WHEEL_SUMMARY) & ~(1 << word));
  }
  store<u32>(node, load<u32>(CTL.EVENT_FREE), EVENT.NEXT);
  store<u32>(CTL.EVENT_FREE, <u32>node);
  return node;
}

export function eventCode(node: usize): u32 {
  return load<u16>(node, EVENT.CODE);
}

export function eventA0(node: usize): u32 {
  return load<u32>(node, EVENT.A0);
}

export function eventA1(node: usize): u32 {
  return load<u32>(node, EVENT.A1);
}

// ---- heap of far events ----------------------------------------------------------------------------------------------

function isBefore(a: usize, b: usize): bool {
  const timeA = load<u64>(a, EVENT.TIME);
  const timeB = load<u64>(b, EVENT.TIME);
  if (timeA != timeB) return timeA < timeB;
  const priorityA = load<u16>(a, EVENT.PRIORITY);
  const priorityB = load<u16>(b, EVENT.PRIORITY);
  if (priorityA != priorityB) return priorityA < priorityB;
  return load<u64>(a, EVENT.SEQUENCE) < load<u64>(b, EVENT.SEQUENCE);
}

function pushHeap(node: usize): void {
  const sequence = load<u64>(CTL.EVENT_SEQ);
  store<u64>(CTL.EVENT_SEQ, sequence + 1);
  store<u64>(node, sequence, EVENT.SEQUENCE);
  let i = load<u32>(CTL.HEAP_COUNT);
  store<u32>(CTL.HEAP_COUNT, i + 1);
  while (i > 0) {
    const up = (i - 1) >> 1;
    const parent: usize = load<u32>(EVENT_HEAP + (up << 2));
    if (!isBefore(node, parent)) break;
    store<u32>(EVENT_HEAP + (i << 2), <u32>parent);
    i = up;
  }
  store<u32>(EVENT_HEAP + (i << 2), <u32>node);
}

function popHeap(): void {
  const size = load<u32>(CTL.HEAP_COUNT) - 1;
  store<u32>(CTL.HEAP_COUNT, size);
  const last: usize = load<u32>(EVENT_HEAP + (size << 2));
  let i: u32 = 0;
  while (true) {
    let child = (i << 1) + 1;
    if (child >= size) break;
    let candidate: usize = load<u32>(EVENT_HEAP + (child << 2));
    if (child + 1 < size) {
      const right: usize = load<u32>(EVENT_HEAP + ((child + 1) << 2));
      if (isBefore(right, candidate)) {
        candidate = right;
        child++;
      }
    }
    if (!isBefore(candidate, last)) break;
    store<u32>(EVENT_HEAP + (i << 2), <u32>candidate);
    i = child;
  }
  if (size > 0) store<u32>(EVENT_HEAP + (i << 2), <u32>last);
}
