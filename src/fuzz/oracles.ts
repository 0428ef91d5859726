// SPDX-License-Identifier: Apache-2.0
// What must hold when a program has run and the card is idle, whatever the program did. Asked after every execution, so
// each question is a few loads. The ids are those of docs/fuzzing.md.
import { CAP_EXP, CAP_MSIX } from '../../assembly/abi/config_layout.ts';
import { STATUS_DEVICE_NEEDS_RESET, STATUS_DRIVER_OK } from '../../assembly/abi/device_status.ts';
import { ARENA_BASE, FUNCTIONS as FUNCTION_BLOCKS } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as FN from '../../assembly/abi/function.ts';
import { PRISTINE } from '../../assembly/abi/fuzz_memory.ts';
import { PCI_EXP_DEVCTL2, PCI_EXP_DEVCTL2_COMP_TMOUT_DIS } from '../../assembly/abi/pci_express.ts';
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
} from '../../assembly/abi/pci_msix.ts';
import { COMMON_DEVICE_STATUS } from '../../assembly/abi/virtio_pci_common.ts';
import { VIRTQ_USED_IDX, VIRTQ_USED_RING } from '../../assembly/abi/virtio_ring.ts';
import { MESSAGE_VECTORS, MSIX_CLEARED, MSIX_TOUCHED } from './books.ts';
import type { Executor } from './executor.ts';
import { FUNCTIONS, MAPPED_BYTES, QUEUE_RX, QUEUE_SIZE, QUEUES, RING_BYTES, RING_USED, SLICE_BYTES } from './layout.ts';
import type { Violation } from './target.ts';

const PAGE_BYTES = 256;

/** The first rule that the run broke. */
export function checkRun(executor: Executor): Violation | null {
  if (mayWaitForEver(executor)) return checkPages(executor);
  return checkIdle(executor) ?? checkPages(executor) ?? checkQueues(executor);
}

/** With Completion Timeout Disable a completion that is lost is waited for, with all that it holds up (PCIe 6.0 §2.8). */
function mayWaitForEver({ card: { u16 } }: Executor): boolean {
  const control = u16[(blockOf(0) + FN.CONFIG + CAP_EXP + PCI_EXP_DEVCTL2) >> 1]!;
  return (control & PCI_EXP_DEVCTL2_COMP_TMOUT_DIS) !== 0;
}

function broken(oracle: string, message: string): Violation {
  return { oracle, message };
}

/** O10: an idle card has everything back that it lent out, and its clock did not go back. */
function checkIdle({ card: { u32 }, hasGoneBack }: Executor): Violation | null {
  if (hasGoneBack) return broken('O10', 'time went back');
  if (u32[CTL.TAGS_USED >> 2] !== 0)
    return broken('O10', `the card is idle with ${u32[CTL.TAGS_USED >> 2]} tags in use`);
  if (u32[CTL.POSTED_HEAD >> 2] !== u32[CTL.POSTED_TAIL >> 2]) {
    return broken('O10', 'the card is idle with posted writes under way');
  }
  return null;
}

function blockOf(fn: number): number {
  return FUNCTION_BLOCKS + fn * FN.STRIDE;
}

/**
 * O4: nothing written behind the mapped part of a slice. O5: a function that nobody addressed is as it was. O9: there is no
 * state beside the arena, which a snapshot would leave out.
 */
function checkPages({ card, books }: Executor): Violation | null {
  const { u8, slices } = card;
  const acted = books.acted[0]!;
  let found: Violation | null = null;
  card.forEachChangedPage((at) => {
    if (at < ARENA_BASE) found ??= broken('O9', `state outside of the arena changed, at 0x${at.toString(16)}`);
    const inSlices = at - slices;
    if (inSlices >= 0 && inSlices < FUNCTIONS * SLICE_BYTES) {
      const fn = Math.floor(inSlices / SLICE_BYTES);
      const offset = inSlices % SLICE_BYTES;
      const isQuiet = (acted & (1 << fn)) === 0 && wasDead(u8, fn);
      if (offset >= MAPPED_BYTES || isQuiet) {
        found ??= broken('O4', `function ${fn}'s memory was written at 0x${offset.toString(16)}, where it may not be`);
      }
      return;
    }
    const inBlocks = at - FUNCTION_BLOCKS;
    if (inBlocks < 0 || inBlocks >= FUNCTIONS * FN.STRIDE) return;
    const fn = Math.floor(inBlocks / FN.STRIDE);
    if (Math.floor((inBlocks + PAGE_BYTES - 1) / FN.STRIDE) !== fn) return;
    if ((acted & (1 << fn)) !== 0 || !wasDead(u8, fn)) return;
    found ??= broken('O5', `the state of function ${fn} changed, and nobody addressed it`);
  });
  return found;
}

/** Neither live at the beginning of the run nor now: nothing that others do may reach it. */
function wasDead(u8: Uint8Array, fn: number): boolean {
  const at = blockOf(fn) + FN.LIVE;
  return u8[at] === 0 && u8[at + PRISTINE] === 0;
}

/** O2, O3, O12 for every queue that the executor still knows. */
function checkQueues(executor: Executor): Violation | null {
  const { books } = executor;
  for (let fn = 0; fn < FUNCTIONS; fn++) {
    for (let q = 0; q < QUEUES; q++) {
      const queue = fn * QUEUES + q;
      if (books.trusted[queue] === 0) continue;
      const found = checkUsed(executor, fn, q, queue) ?? checkLiveness(executor, fn, q, queue);
      if (found !== null) return found;
    }
    const found = checkPending(executor, fn);
    if (found !== null) return found;
  }
  return null;
}

function usedIndex({ card }: Executor, fn: number, q: number): number {
  return card.u16[card.at(fn, q * RING_BYTES + RING_USED + VIRTQ_USED_IDX) >> 1]!;
}

const seen = new Uint8Array(QUEUE_SIZE);

/** O3: what is used was made available, no more often than that, and nothing longer than its writable part. */
function checkUsed(executor: Executor, fn: number, q: number, queue: number): Violation | null {
  const { books, card } = executor;
  const used = usedIndex(executor, fn, q);
  if (used === 0) return null;
  const name = `queue ${q} of function ${fn}`;
  if (used > books.pushed[queue]!) {
    return broken('O3', `${name}: ${used} chains used, ${books.pushed[queue]} made available`);
  }
  seen.fill(0);
  const ring = card.at(fn, q * RING_BYTES + RING_USED + VIRTQ_USED_RING) >> 2;
  for (let i = Math.max(0, used - QUEUE_SIZE); i < used; i++) {
    const id = card.u32[ring + 2 * (i % QUEUE_SIZE)]!;
    const length = card.u32[ring + 2 * (i % QUEUE_SIZE) + 1]!;
    if (id >= QUEUE_SIZE) return broken('O3', `${name}: id ${id} used, the queue has ${QUEUE_SIZE}`);
    const entry = queue * QUEUE_SIZE + id;
    seen[id]!++;
    if (seen[id]! > books.heads[entry]!) {
      return broken('O3', `${name}: id ${id} used ${seen[id]} times, made available ${books.heads[entry]} times`);
    }
    if (books.roomKnown[queue] === 1 && length > books.room[entry]!) {
      return broken('O3', `${name}: id ${id} used with ${length} bytes, it has room for ${books.room[entry]}`);
    }
  }
  return null;
}

/** O2: what a doorbell announced is used, unless the device asked for a reset or may not work. */
function checkLiveness(executor: Executor, fn: number, q: number, queue: number): Violation | null {
  const { books, card } = executor;
  if (q === QUEUE_RX) return null;
  const used = usedIndex(executor, fn, q);
  if (used >= books.kicked[queue]!) return null;
  const block = blockOf(fn);
  const status = card.u8[block + FN.COMMON + COMMON_DEVICE_STATUS]!;
  const isWorking =
    card.u8[block + FN.PRESENT] === 1 &&
    card.u8[block + FN.BUS_MASTER] === 1 &&
    (status & STATUS_DRIVER_OK) !== 0 &&
    (status & STATUS_DEVICE_NEEDS_RESET) === 0;
  if (!isWorking) return null;
  return broken(
    'O2',
    `queue ${q} of function ${fn}: ${books.kicked[queue]} chains announced, ${used} used, and no DEVICE_NEEDS_RESET`,
  );
}

/** O12: a message that may be sent does not stay pending, and what was used was signalled. */
function checkPending({ card, books }: Executor, fn: number): Violation | null {
  const { u8, u16, u32 } = card;
  const block = blockOf(fn);
  if (u8[block + FN.PRESENT] === 0 || u8[block + FN.BUS_MASTER] === 0) return null;
  const flags = u16[(block + FN.CONFIG + CAP_MSIX + PCI_MSIX_FLAGS) >> 1]!;
  if ((flags & PCI_MSIX_FLAGS_ENABLE) === 0) return null;
  const pending = u32[(block + FN.MSIX_PBA) >> 2]!;
  if (pending !== 0 && (flags & PCI_MSIX_FLAGS_MASKALL) === 0) {
    for (let vector = 0; vector < MESSAGE_VECTORS; vector++) {
      const control = block + FN.MSIX_TABLE + vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL;
      if (((pending >>> vector) & 1) === 0 || (u32[control >> 2]! & PCI_MSIX_ENTRY_CTRL_MASKBIT) !== 0) continue;
      return broken('O12', `vector ${vector} of function ${fn} is pending, and neither masked nor sent`);
    }
  }
  return (books.msix[fn]! & (MSIX_TOUCHED | MSIX_CLEARED)) === 0 ? checkMessages(card, books, fn, pending) : null;
}

/** Queues that the executor knows, with notifications on: each used something only if its vector was signalled. */
function checkMessages(
  card: Executor['card'],
  books: Executor['books'],
  fn: number,
  pending: number,
): Violation | null {
  for (let q = 0; q < QUEUES; q++) {
    const queue = fn * QUEUES + q;
    const vector = books.vector[queue]!;
    if (books.trusted[queue] === 0 || vector >= MESSAGE_VECTORS || vector === 0) continue;
    const used = card.u16[card.at(fn, q * RING_BYTES + RING_USED + VIRTQ_USED_IDX) >> 1]!;
    const messages = books.messages[fn * MESSAGE_VECTORS + vector]!;
    if (used > 0 && messages === 0 && ((pending >>> vector) & 1) === 0 && books.isAlone(queue)) {
      return broken(
        'O12',
        `queue ${q} of function ${fn} used ${used} chains, and its vector ${vector} was never signalled`,
      );
    }
    if (messages > used && books.isAlone(queue)) {
      return broken(
        'O12',
        `vector ${vector} of function ${fn} was signalled ${messages} times for ${used} used chains`,
      );
    }
  }
  return null;
}
