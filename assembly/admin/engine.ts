// SPDX-License-Identifier: Apache-2.0
// The administration queue's engine: what happens to a gathered command until it is used. Commands of the queue execute
// in order (AMB-21); fetching the next ones goes on meanwhile. With CFG_TRACE_ADMIN each command leaves a record of its
// life, one time for each step:
//
//   0 opcode u16, group u16 | 4 member u32 | 8 status u16, qualifier u16 | 12 head u32 | 16 doorbell issued u64 |
//   24 doorbell arrived | 32 visited | 40 index read | 48 ring read | 56 started | 64 descriptors known | 72 data known |
//   80 executing | 88 executed | 96 written back | 104 notified (arrival, 0 if none) | 112 TLPs up, down u16[2] |
//   116 bytes up u32 | 120 bytes down u32 | 124 queue's jobs u32 | 128 lives of its reads, LIFE_* of dma_context.ts: index,
//   ring, descriptors, data | 336 cycles until an engine took it u32 | 340 bytes of the command u32 | 344 the first 40 of them
import { ADMIN_TRACE, ADMIN_TRACE_RECORDS } from '../abi/state_map.ts';
import { CTL_NOW, CTL_TRACE_HEAD } from '../abi/control.ts';
import { Q_CONTEXT, Q_IDX_READ, Q_JOBS, Q_KICK_ARRIVED, Q_KICK_ISSUED, Q_RING_READ, Q_VISITED } from '../abi/queue.ts';
import {
  JOB_BUFFER,
  JOB_ENGINE_WAIT,
  JOB_EXECUTED,
  JOB_EXECUTING,
  JOB_GATHERED,
  JOB_HEAD,
  JOB_LENGTH,
  JOB_LIVES,
  JOB_MEMBER,
  JOB_OPCODE,
  JOB_OUT,
  JOB_OUT_BYTES,
  JOB_QUALIFIER,
  JOB_QUEUE,
  JOB_QUEUE_TIMES,
  JOB_RESULT,
  JOB_RETIRED,
  JOB_STARTED,
  JOB_STATUS,
  JOB_WALKED,
  JOB_WRITE_BYTES,
} from '../abi/job.ts';
import { DMA_DOWN_BYTES, DMA_DOWN_TLPS, DMA_UP_BYTES, DMA_UP_TLPS, LIFE_BYTES } from '../abi/dma_context.ts';
import { ADMIN_TRACE_BYTES } from '../abi/record.ts';
import { ENGINE_ADMIN } from '../abi/state_value.ts';
import { CFG_TRACE_ADMIN } from '../abi/nic_config.ts';
import { FC_BAD_CHAIN } from '../abi/counter.ts';
import { OUT_ADMIN } from '../abi/event_code.ts';
import { P_ADMIN_ENGINES, P_WRITEBACK } from '../abi/timing_param.ts';
import { config, param } from '../mem/arena.ts';
import { postedWait } from '../pcie/posted.ts';
import { emit } from '../sim/output.ts';
import { isFunctional } from '../sim/time.ts';
import { delayJob, occupyJob } from '../virtio/job.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { flushUsed, postUsedElement, scatter } from '../virtio/used.ts';
import { executeCommand, executionCycles, padHeader } from './command.ts';

/** Header and 16 bytes of data, in the record of a command. */
const COMMAND_KEPT: u32 = 40;

const STEP_BEGIN = 0;
const STEP_EXECUTED = 1;
const STEP_WRITE_BACK = 2;

/** Takes the oldest command of the queue one step further; true when it is used and the job may go. */
export function stepAdmin(job: usize): bool {
  const q: usize = load<u32>(job, JOB_QUEUE);
  if (load<u8>(job, JOB_STATUS) == STEP_BEGIN) {
    if (load<u32>(job, JOB_WRITE_BYTES) == 0) {
      breakQueue(q, FC_BAD_CHAIN); // no room for any answer; a short one is cut (ADM-VQ-02)
      return false;
    }
    padHeader(job);
    store<u64>(job, load<u64>(CTL_NOW), JOB_EXECUTING);
    store<u8>(job, STEP_EXECUTED, JOB_STATUS);
    if (!isFunctional()) {
      // one event for both
      const wait = occupyJob(job, ENGINE_ADMIN, P_ADMIN_ENGINES, executionCycles(job), param(P_WRITEBACK));
      store<u32>(job, wait, JOB_ENGINE_WAIT);
      return false;
    }
  }
  if (load<u8>(job, JOB_STATUS) == STEP_EXECUTED) {
    executeCommand(job);
    store<u64>(job, load<u64>(CTL_NOW) - (isFunctional() ? 0 : param(P_WRITEBACK)), JOB_EXECUTED);
    store<u8>(job, STEP_WRITE_BACK, JOB_STATUS);
  }
  const wait = postedWait(64, JOB_OUT_BYTES);
  if (wait != 0) {
    delayJob(job, wait);
    return false;
  }
  const stored = scatter(job, 0, job + JOB_OUT, load<u32>(job, JOB_RESULT));
  postUsedElement(q, job, load<u16>(job, JOB_HEAD), stored);
  store<u64>(job, load<u64>(CTL_NOW), JOB_RETIRED);
  // in functional mode all commands of a visit share one notification, as frames do
  if (isFunctional() && config(CFG_TRACE_ADMIN) == 0) return true;
  const notified = flushUsed(q, job);
  if (config(CFG_TRACE_ADMIN) != 0) trace(job, q, notified);
  return true;
}

function trace(job: usize, q: usize, notified: u64): void {
  const head = load<u32>(CTL_TRACE_HEAD);
  store<u32>(CTL_TRACE_HEAD, head + 1);
  const record: usize = ADMIN_TRACE + (head & (ADMIN_TRACE_RECORDS - 1)) * ADMIN_TRACE_BYTES;
  const times = job + JOB_QUEUE_TIMES - Q_KICK_ISSUED; // laid out as in the queue
  store<u32>(record, load<u32>(job, JOB_OPCODE));
  store<u32>(record, load<u32>(job, JOB_MEMBER), 4);
  store<u32>(record, load<u32>(job, JOB_QUALIFIER), 8);
  store<u32>(record, load<u16>(job, JOB_HEAD), 12);
  store<u64>(record, load<u64>(times, Q_KICK_ISSUED), 16);
  store<u64>(record, load<u64>(times, Q_KICK_ARRIVED), 24);
  store<u64>(record, load<u64>(times, Q_VISITED), 32);
  store<u64>(record, load<u64>(times, Q_IDX_READ), 40);
  store<u64>(record, load<u64>(times, Q_RING_READ), 48);
  store<u64>(record, load<u64>(job, JOB_STARTED), 56);
  store<u64>(record, load<u64>(job, JOB_WALKED), 64);
  store<u64>(record, load<u64>(job, JOB_GATHERED), 72);
  store<u64>(record, load<u64>(job, JOB_EXECUTING), 80);
  store<u64>(record, load<u64>(job, JOB_EXECUTED), 88);
  store<u64>(record, load<u64>(job, JOB_RETIRED), 96);
  store<u64>(record, notified, 104);
  // the ring fetches since the last record are this command's
  const ring = q + Q_CONTEXT;
  store<u16>(record, <u16>(load<u32>(job, DMA_UP_TLPS) + load<u32>(ring, DMA_UP_TLPS)), 112);
  store<u16>(record, <u16>(load<u32>(job, DMA_DOWN_TLPS) + load<u32>(ring, DMA_DOWN_TLPS)), 114);
  store<u32>(record, load<u32>(job, DMA_UP_BYTES) + load<u32>(ring, DMA_UP_BYTES), 116);
  store<u32>(record, load<u32>(job, DMA_DOWN_BYTES) + load<u32>(ring, DMA_DOWN_BYTES), 120);
  store<u32>(record, load<u32>(q, Q_JOBS), 124);
  memory.copy(record + 128, job + JOB_LIVES, 4 * LIFE_BYTES);
  store<u32>(record, load<u32>(job, JOB_ENGINE_WAIT), 336);
  store<u32>(record, load<u32>(job, JOB_LENGTH), 340);
  memory.fill(record + 344, 0, COMMAND_KEPT);
  memory.copy(record + 344, job + JOB_BUFFER, min<u32>(load<u32>(job, JOB_LENGTH), COMMAND_KEPT));
  memory.fill(ring + DMA_UP_TLPS, 0, 16);
  emit(OUT_ADMIN, 0, <u32>record, 0, 0, 0);
}
