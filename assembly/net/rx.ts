// SPDX-License-Identifier: Apache-2.0
// Reception (virtio 1.4 §5.1.6.3, §5.1.6.4): a frame takes one chain, or with MRG_RXBUF as many as it needs; header and
// frame are written, then all used elements, then one index. A frame that finds no buffer, or one too small, is dropped
// and the buffers stay available; of a card that holds frames back, one that lacks a buffer waits for it, with those that
// come after it, as long as there is room.
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as JOB from '../abi/job.ts';
import * as DMA from '../abi/dma_context.ts';
import { ENGINE_RX, JOB_RETIRE, JOB_RX_HEAD, JOB_RX_WALK } from '../abi/state_value.ts';
import {
  FC_BAD_CHAIN,
  FC_RX_BYTES,
  FC_RX_DROP_NO_BUFFER,
  FC_RX_DROP_TOO_SMALL,
  FC_RX_FRAMES,
  FC_RX_HELD,
} from '../abi/counter.ts';
import { VIRTIO_NET_HDR_NUM_BUFFERS } from '../abi/virtio_net.ts';
import * as P from '../abi/timing_param.ts';
import { countFn, param } from '../mem/arena.ts';
import { postedWait } from '../pcie/posted.ts';
import { isFunctional } from '../sim/time.ts';
import { copyOldest, hasHeld, holdFrame, oldestLength, releaseOldest } from '../virtio/hold.ts';
import { beginBuffer, hasReceiveJob, startReceiveJob } from '../virtio/job.ts';
import { delayJob, occupyJob, RETRY_CYCLES } from '../virtio/job_delay.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { TAKE_BROKEN, TAKE_PENDING, WALK_DONE, WALK_PENDING } from '../virtio/ring/contract.ts';
import { complete, nextPosition, putBack, take, walk } from '../virtio/ring/ring.ts';
import { scatter } from '../virtio/segments.ts';
import { retryVisit } from '../virtio/visit.ts';
import { FRAME_OFFSET } from './port.ts';

const MAY_READ_INDEX = 0; // the available index may be fetched for this frame
const INDEX_WAS_READ = 1;

/** Takes the oldest frame of a receive queue as far as it goes; true when it is done with, one way or the other. */
export function stepReceive(job: usize): bool {
  const f: usize = load<u32>(job, JOB.CONTEXT + DMA.FN);
  const q: usize = load<u32>(job, JOB.QUEUE);
  const header = load<u32>(f, FN.HEADER_BYTES);
  const need = header + load<u32>(job, JOB.LENGTH);
  while (true) {
    const state = load<u8>(job, JOB.STATE);
    if (state == JOB_RX_HEAD) {
      if (hasHeld(q) && load<u8>(job, JOB.HELD) == 0) return holdBehind(job, q, f);
      const mayRead = load<u8>(job, JOB.STATUS) == MAY_READ_INDEX;
      const before = nextPosition(q);
      const id = take(q, mayRead);
      if (mayRead) store<u8>(job, INDEX_WAS_READ, JOB.STATUS);
      if (id == TAKE_PENDING || id == TAKE_BROKEN) return false;
      const buffers = load<u32>(job, JOB.BUFFERS);
      if (buffers == JOB.MERGE_MAX) return drop(job, q, f, FC_RX_DROP_NO_BUFFER);
      if (id < 0) return holdOrDrop(job, q, f);
      if (buffers == 0) store<u16>(job, before, JOB.POSITION);
      beginBuffer(job, q, <u32>id);
      store<u16>(job + JOB.MERGE + buffers * JOB.MERGED_BYTES, <u16>id, JOB.MERGED_ID);
      store<u32>(job, buffers + 1, JOB.BUFFERS);
      store<u8>(job, JOB_RX_WALK, JOB.STATE);
    } else if (state == JOB_RX_WALK) {
      const walked = walk(job);
      if (walked == WALK_PENDING) return false;
      if (walked != WALK_DONE || load<u32>(job, JOB.READABLE) != 0) {
        breakQueue(q, walked != WALK_DONE ? walked : FC_BAD_CHAIN);
        return false;
      }
      const room = load<u32>(job, JOB.WRITE_BYTES);
      const merged = job + JOB.MERGE + (load<u32>(job, JOB.BUFFERS) - 1) * JOB.MERGED_BYTES;
      store<u32>(merged, room, JOB.MERGED_ROOM);
      store<u16>(merged, load<u16>(job, JOB.DESCRIPTORS), JOB.MERGED_DESCRIPTORS);
      if (room >= need) {
        store<u8>(job, JOB_RETIRE, JOB.STATE);
        if (!isFunctional()) {
          const decode = load<u32>(job, JOB.WRITABLE) * param(P.DESCRIPTOR);
          occupyJob(job, ENGINE_RX, P.RX_ENGINES, param(P.RX), decode + param(P.WRITEBACK));
          return false;
        }
      } else if (load<u8>(f, FN.MERGEABLE) == 0) {
        return drop(job, q, f, FC_RX_DROP_TOO_SMALL);
      } else {
        store<u8>(job, MAY_READ_INDEX, JOB.STATUS);
        store<u8>(job, JOB_RX_HEAD, JOB.STATE);
      }
    } else {
      return write(job, q, f, header, need);
    }
  }
}

function drop(job: usize, q: usize, f: usize, cause: i32): bool {
  if (load<u32>(job, JOB.BUFFERS) != 0) putBack(q, load<u16>(job, JOB.POSITION));
  if (load<u8>(job, JOB.HELD) != 0) releaseOldest(q);
  countFn(f, cause);
  return true;
}

/** The frame waits until those are delivered that were there before it; one that comes is a reason to look for buffers. */
function holdBehind(job: usize, q: usize, f: usize): bool {
  store<u8>(q, 0, Q.STALLED);
  const isHeld = holdFrame(q, load<u32>(job, JOB.BUFFER) + FRAME_OFFSET, load<u32>(job, JOB.LENGTH));
  countFn(f, isHeld ? FC_RX_HELD : FC_RX_DROP_NO_BUFFER);
  return true;
}

/** There are too few buffers: the frame waits for more, if there is room and the driver could make more available. */
function holdOrDrop(job: usize, q: usize, f: usize): bool {
  const isHeld = load<u8>(job, JOB.HELD) != 0;
  const isRingFull = load<u32>(job, JOB.WRITABLE) >= <u32>load<u16>(q, Q.SIZE);
  if (isRingFull || (!isHeld && !holdFrame(q, load<u32>(job, JOB.BUFFER) + FRAME_OFFSET, load<u32>(job, JOB.LENGTH))))
    return drop(job, q, f, FC_RX_DROP_NO_BUFFER);
  if (load<u32>(job, JOB.BUFFERS) != 0) putBack(q, load<u16>(job, JOB.POSITION));
  if (!isHeld) countFn(f, FC_RX_HELD);
  store<u8>(q, 1, Q.STALLED);
  return true;
}

/** Takes the oldest frame that is held back up again, where buffers may have come; true if there is a job to be done. */
export function resumeHeld(q: usize): bool {
  if (!hasHeld(q) || load<u32>(q, Q.JOBS) != 0) return false;
  if (load<u8>(q, Q.STALLED) != 0 && load<u8>(q, Q.KICKED) == 0) return false;
  const bytes = FRAME_OFFSET + oldestLength(q);
  if (!hasReceiveJob(bytes)) {
    retryVisit(q, RETRY_CYCLES);
    return false;
  }
  store<u8>(q, 0, Q.STALLED);
  const job = startReceiveJob(q, bytes);
  store<u32>(job, copyOldest(q, load<u32>(job, JOB.BUFFER) + FRAME_OFFSET), JOB.LENGTH);
  store<u8>(job, JOB_RX_HEAD, JOB.STATE);
  store<u8>(job, 1, JOB.HELD);
  return true;
}

function write(job: usize, q: usize, f: usize, header: u32, need: u32): bool {
  const buffers = load<u32>(job, JOB.BUFFERS);
  const wait = postedWait(buffers * 8 + 64, need + (buffers << 3) + 8);
  if (wait != 0) {
    delayJob(job, wait);
    return false;
  }
  const start = load<u32>(job, JOB.BUFFER) + FRAME_OFFSET - header;
  memory.fill(start, 0, header);
  if (header > <u32>VIRTIO_NET_HDR_NUM_BUFFERS) store<u16>(start, <u16>buffers, VIRTIO_NET_HDR_NUM_BUFFERS);
  scatter(job, 0, start, need);
  let written: u32 = 0;
  for (let i: u32 = 0; i < buffers; i++) {
    const merged = job + JOB.MERGE + i * JOB.MERGED_BYTES;
    const end = min(load<u32>(merged, JOB.MERGED_ROOM), need);
    complete(q, job, load<u16>(merged, JOB.MERGED_ID), load<u16>(merged, JOB.MERGED_DESCRIPTORS), end - written);
    written = end;
  }
  if (load<u8>(job, JOB.HELD) != 0) releaseOldest(q);
  countFn(f, FC_RX_FRAMES);
  countFn(f, FC_RX_BYTES, load<u32>(job, JOB.LENGTH));
  return true;
}
