// SPDX-License-Identifier: Apache-2.0
// Reception (virtio 1.4 §5.1.6.3, §5.1.6.4): a frame takes one chain, or with MRG_RXBUF as many as it needs; header and
// frame are written, then all used elements, then one index. A frame that finds no buffer, or one too small, is dropped
// and the buffers stay available.
import {
  DMA_FN,
  FN_HEADER_BYTES,
  FN_MERGEABLE,
  JOB_BUFFER,
  JOB_CONTEXT,
  JOB_FIRST_IDX,
  JOB_HEADS,
  JOB_LENGTH,
  JOB_MERGE,
  JOB_QUEUE,
  JOB_READABLE,
  JOB_RETIRE,
  JOB_RX_HEAD,
  JOB_RX_WALK,
  JOB_STATE,
  JOB_STATUS,
  JOB_WRITABLE,
  JOB_WRITE_BYTES,
  MERGE_MAX,
  Q_AVAIL_IDX,
} from '../abi/function_state.ts';
import { ENGINE_RX } from '../abi/state_map.ts';
import { FC_BAD_CHAIN, FC_RX_BYTES, FC_RX_DROP_NO_BUFFER, FC_RX_DROP_TOO_SMALL, FC_RX_FRAMES } from '../abi/counter.ts';
import { VIRTIO_NET_HDR_NUM_BUFFERS } from '../abi/virtio_net.ts';
import { P_DESCRIPTOR, P_RX, P_RX_ENGINES, P_WRITEBACK } from '../abi/timing_param.ts';
import { countFn, param } from '../mem/arena.ts';
import { postedWait } from '../pcie/posted.ts';
import { isFunctional } from '../sim/time.ts';
import { walk, WALK_DONE, WALK_PENDING } from '../virtio/chain.ts';
import { beginWalk, delayJob, occupyJob } from '../virtio/job.ts';
import { HEAD_BROKEN, HEAD_PENDING, returnHeads, takeHead } from '../virtio/queue.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { postUsedElement, scatter } from '../virtio/used.ts';
import { FRAME_OFFSET } from './switch.ts';

const MAY_READ_INDEX = 0; // the available index may be fetched for this frame
const INDEX_WAS_READ = 1;

/** Takes the oldest frame of a receive queue as far as it goes; true when it is done with, one way or the other. */
export function stepReceive(job: usize): bool {
  const f: usize = load<u32>(job, JOB_CONTEXT + DMA_FN);
  const q: usize = load<u32>(job, JOB_QUEUE);
  const header = load<u32>(f, FN_HEADER_BYTES);
  const need = header + load<u32>(job, JOB_LENGTH);
  while (true) {
    const state = load<u8>(job, JOB_STATE);
    if (state == JOB_RX_HEAD) {
      const mayRead = load<u8>(job, JOB_STATUS) == MAY_READ_INDEX;
      const before = load<u16>(q, Q_AVAIL_IDX);
      const head = takeHead(q, mayRead);
      if (mayRead) store<u8>(job, INDEX_WAS_READ, JOB_STATUS);
      if (head == HEAD_PENDING || head == HEAD_BROKEN) return false;
      const heads = load<u32>(job, JOB_HEADS);
      if (head < 0 || heads == MERGE_MAX) return drop(job, q, f, FC_RX_DROP_NO_BUFFER);
      if (heads == 0) store<u16>(job, before, JOB_FIRST_IDX);
      beginWalk(job, q, <u32>head);
      store<u16>(job + JOB_MERGE + (heads << 3), <u16>head);
      store<u32>(job, heads + 1, JOB_HEADS);
      store<u8>(job, JOB_RX_WALK, JOB_STATE);
    } else if (state == JOB_RX_WALK) {
      const walked = walk(job);
      if (walked == WALK_PENDING) return false;
      if (walked != WALK_DONE || load<u32>(job, JOB_READABLE) != 0) {
        breakQueue(q, walked != WALK_DONE ? walked : FC_BAD_CHAIN);
        return false;
      }
      const room = load<u32>(job, JOB_WRITE_BYTES);
      store<u32>(job + JOB_MERGE + ((load<u32>(job, JOB_HEADS) - 1) << 3), room, 4);
      if (room >= need) {
        store<u8>(job, JOB_RETIRE, JOB_STATE);
        if (!isFunctional()) {
          const decode = load<u32>(job, JOB_WRITABLE) * param(P_DESCRIPTOR);
          occupyJob(job, ENGINE_RX, P_RX_ENGINES, param(P_RX), decode + param(P_WRITEBACK));
          return false;
        }
      } else if (load<u8>(f, FN_MERGEABLE) == 0) {
        return drop(job, q, f, FC_RX_DROP_TOO_SMALL);
      } else {
        store<u8>(job, MAY_READ_INDEX, JOB_STATUS);
        store<u8>(job, JOB_RX_HEAD, JOB_STATE);
      }
    } else {
      return write(job, q, f, header, need);
    }
  }
}

function drop(job: usize, q: usize, f: usize, cause: i32): bool {
  if (load<u32>(job, JOB_HEADS) != 0) returnHeads(q, load<u16>(job, JOB_FIRST_IDX));
  countFn(f, cause);
  return true;
}

function write(job: usize, q: usize, f: usize, header: u32, need: u32): bool {
  const heads = load<u32>(job, JOB_HEADS);
  const wait = postedWait(heads * 8 + 64, need + (heads << 3) + 8);
  if (wait != 0) {
    delayJob(job, wait);
    return false;
  }
  const start = job + JOB_BUFFER + FRAME_OFFSET - header;
  memory.fill(start, 0, header);
  if (header > <u32>VIRTIO_NET_HDR_NUM_BUFFERS) store<u16>(start, <u16>heads, VIRTIO_NET_HDR_NUM_BUFFERS);
  scatter(job, 0, start, need);
  let written: u32 = 0;
  for (let i: u32 = 0; i < heads; i++) {
    const merge = job + JOB_MERGE + (i << 3);
    const end = min(load<u32>(merge, 4), need);
    postUsedElement(q, job, load<u16>(merge), end - written);
    written = end;
  }
  countFn(f, FC_RX_FRAMES);
  countFn(f, FC_RX_BYTES, load<u32>(job, JOB_LENGTH));
  return true;
}
