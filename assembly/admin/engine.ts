// SPDX-License-Identifier: Apache-2.0
// The administration queue's engine: what happens to a gathered command until it is used. Commands of the queue execute
// in order (AMB-21); fetching the next ones goes on meanwhile. With CFG.TRACE_ADMIN each command leaves
// a record of its life, one time for each step (record.ts).
import { ADMIN_TRACE, ADMIN_TRACE_RECORDS } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as Q from '../abi/queue.ts';
import * as JOB from '../abi/job.ts';
import * as DMA from '../abi/dma_context.ts';
import {
  ADMIN_TRACE_BYTES,
  ADMIN_TRACE_CHAIN,
  ADMIN_TRACE_COMMAND,
  ADMIN_TRACE_COMMAND_BYTES,
  ADMIN_TRACE_DOWN_BYTES,
  ADMIN_TRACE_DOWN_TLPS,
  ADMIN_TRACE_ENGINE_WAIT,
  ADMIN_TRACE_EXECUTED,
  ADMIN_TRACE_EXECUTING,
  ADMIN_TRACE_GATHERED,
  ADMIN_TRACE_IDX_READ,
  ADMIN_TRACE_JOBS,
  ADMIN_TRACE_KICK_ARRIVED,
  ADMIN_TRACE_KICK_ISSUED,
  ADMIN_TRACE_LENGTH,
  ADMIN_TRACE_LIVES,
  ADMIN_TRACE_MEMBER,
  ADMIN_TRACE_NOTIFIED,
  ADMIN_TRACE_OPCODE,
  ADMIN_TRACE_RETIRED,
  ADMIN_TRACE_RING_READ,
  ADMIN_TRACE_STARTED,
  ADMIN_TRACE_STATUS,
  ADMIN_TRACE_UP_BYTES,
  ADMIN_TRACE_UP_TLPS,
  ADMIN_TRACE_VISITED,
  ADMIN_TRACE_WALKED,
} from '../abi/record.ts';
import { ENGINE_ADMIN } from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
import { FC_BAD_CHAIN } from '../abi/counter.ts';
import * as EV from '../abi/event_code.ts';
import * as P from '../abi/timing_param.ts';
import { DEBUG, config, param } from '../mem/arena.ts';
import { postedWait } from '../pcie/posted.ts';
import { emit } from '../sim/output.ts';
import { isFunctional } from '../sim/time.ts';
import { delayJob, occupyJob } from '../virtio/job_delay.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { complete } from '../virtio/ring/ring.ts';
import { scatter } from '../virtio/segments.ts';
import { flushUsed } from '../virtio/signal.ts';
import { executeCommand, executionCycles, padHeader } from './command.ts';

/** Bytes that are kept in the ring of posted writes for an answer. */
const ANSWER_ROOM = 2048;
const STEP_BEGIN = 0;
const STEP_EXECUTED = 1;
const STEP_WRITE_BACK = 2;

/** Takes the oldest command of the queue one step further; true when it is used and the job may go. */
export function stepAdmin(job: usize): bool {
  const q: usize = load<u32>(job, JOB.QUEUE);
  if (load<u8>(job, JOB.STATUS) == STEP_BEGIN) {
    if (load<u32>(job, JOB.WRITE_BYTES) == 0) {
      breakQueue(q, FC_BAD_CHAIN); // no room for any answer; a short one is cut (ADM-VQ-02)
      return false;
    }
    padHeader(job);
    store<u64>(job, load<u64>(CTL.NOW), JOB.EXECUTING);
    store<u8>(job, STEP_EXECUTED, JOB.STATUS);
    if (!isFunctional()) {
      // one event for both
      const wait = occupyJob(job, ENGINE_ADMIN, P.ADMIN_ENGINES, executionCycles(job), param(P.WRITEBACK));
      store<u32>(job, wait, JOB.ENGINE_WAIT);
      return false;
    }
  }
  if (load<u8>(job, JOB.STATUS) == STEP_EXECUTED) {
    if (!executeCommand(job)) return false;
    store<u64>(job, load<u64>(CTL.NOW) - (isFunctional() ? 0 : param(P.WRITEBACK)), JOB.EXECUTED);
    store<u8>(job, STEP_WRITE_BACK, JOB.STATUS);
  }
  const wait = postedWait(64, ANSWER_ROOM);
  if (wait != 0) {
    delayJob(job, wait);
    return false;
  }
  if (DEBUG) assert(load<u32>(job, JOB.RESULT) <= <u32>JOB.OUT_BYTES); // a command that answers more has to be lent room
  const stored = scatter(job, 0, job + JOB.OUT, load<u32>(job, JOB.RESULT));
  complete(q, job, load<u16>(job, JOB.ID), load<u16>(job, JOB.DESCRIPTORS), stored);
  store<u64>(job, load<u64>(CTL.NOW), JOB.RETIRED);
  // in functional mode all commands of a visit share one notification, as frames do
  if (isFunctional() && config(CFG.TRACE_ADMIN) == 0) return true;
  const notified = flushUsed(q, job);
  if (config(CFG.TRACE_ADMIN) != 0) trace(job, q, notified);
  return true;
}

function trace(job: usize, q: usize, notified: u64): void {
  const head = load<u32>(CTL.TRACE_HEAD);
  store<u32>(CTL.TRACE_HEAD, head + 1);
  const record: usize = ADMIN_TRACE + (head & (ADMIN_TRACE_RECORDS - 1)) * ADMIN_TRACE_BYTES;
  const times = job + JOB.QUEUE_TIMES - Q.KICK_ISSUED; // laid out as in the queue
  store<u32>(record, load<u32>(job, JOB.OPCODE), ADMIN_TRACE_OPCODE); // and the group type
  store<u32>(record, load<u32>(job, JOB.MEMBER), ADMIN_TRACE_MEMBER);
  store<u32>(record, load<u32>(job, JOB.QUALIFIER), ADMIN_TRACE_STATUS); // and the qualifier
  store<u32>(record, load<u16>(job, JOB.ID), ADMIN_TRACE_CHAIN);
  store<u64>(record, load<u64>(times, Q.KICK_ISSUED), ADMIN_TRACE_KICK_ISSUED);
  store<u64>(record, load<u64>(times, Q.KICK_ARRIVED), ADMIN_TRACE_KICK_ARRIVED);
  store<u64>(record, load<u64>(times, Q.VISITED), ADMIN_TRACE_VISITED);
  store<u64>(record, load<u64>(times, Q.IDX_READ), ADMIN_TRACE_IDX_READ);
  store<u64>(record, load<u64>(times, Q.RING_READ), ADMIN_TRACE_RING_READ);
  store<u64>(record, load<u64>(job, JOB.STARTED), ADMIN_TRACE_STARTED);
  store<u64>(record, load<u64>(job, JOB.WALKED), ADMIN_TRACE_WALKED);
  store<u64>(record, load<u64>(job, JOB.GATHERED), ADMIN_TRACE_GATHERED);
  store<u64>(record, load<u64>(job, JOB.EXECUTING), ADMIN_TRACE_EXECUTING);
  store<u64>(record, load<u64>(job, JOB.EXECUTED), ADMIN_TRACE_EXECUTED);
  store<u64>(record, load<u64>(job, JOB.RETIRED), ADMIN_TRACE_RETIRED);
  store<u64>(record, notified, ADMIN_TRACE_NOTIFIED);
  // the ring fetches since the last record are this command's
  const ring = q + Q.CONTEXT;
  store<u16>(record, <u16>(load<u32>(job, DMA.UP_TLPS) + load<u32>(ring, DMA.UP_TLPS)), ADMIN_TRACE_UP_TLPS);
  store<u16>(record, <u16>(load<u32>(job, DMA.DOWN_TLPS) + load<u32>(ring, DMA.DOWN_TLPS)), ADMIN_TRACE_DOWN_TLPS);
  store<u32>(record, load<u32>(job, DMA.UP_BYTES) + load<u32>(ring, DMA.UP_BYTES), ADMIN_TRACE_UP_BYTES);
  store<u32>(record, load<u32>(job, DMA.DOWN_BYTES) + load<u32>(ring, DMA.DOWN_BYTES), ADMIN_TRACE_DOWN_BYTES);
  store<u32>(record, load<u32>(q, Q.JOBS), ADMIN_TRACE_JOBS);
  memory.copy(record + ADMIN_TRACE_LIVES, job + JOB.LIVES, 4 * DMA.LIFE_BYTES);
  store<u32>(record, load<u32>(job, JOB.ENGINE_WAIT), ADMIN_TRACE_ENGINE_WAIT);
  store<u32>(record, load<u32>(job, JOB.LENGTH), ADMIN_TRACE_LENGTH);
  memory.fill(record + ADMIN_TRACE_COMMAND, 0, ADMIN_TRACE_COMMAND_BYTES);
  memory.copy(
    record + ADMIN_TRACE_COMMAND,
    load<u32>(job, JOB.BUFFER),
    min<u32>(load<u32>(job, JOB.LENGTH), ADMIN_TRACE_COMMAND_BYTES),
  );
  memory.fill(ring + DMA.UP_TLPS, 0, 16);
  emit(EV.OUT_ADMIN, 0, <u32>record, 0, 0, 0);
}
