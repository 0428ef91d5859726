// SPDX-License-Identifier: Apache-2.0
// Registers, queues and jobs as records of the trace ring. Callers ask isTracing(TRACE.MASK_STATE) first.
import * as DMA from '../abi/dma_context.ts';
import * as FN from '../abi/function.ts';
import * as JOB from '../abi/job.ts';
import { PCI_MSIX_ENTRY_DATA, PCI_MSIX_ENTRY_SIZE } from '../abi/pci_msix.ts';
import * as Q from '../abi/queue.ts';
import { JOBS } from '../abi/state_map.ts';
import { JOB_EXECUTE, JOB_FREE } from '../abi/state_value.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { ADMIN_CMD_GROUP_MEMBER_ID, ADMIN_CMD_OPCODE } from '../abi/virtio_admin.ts';
import { COMMON_DEVICE_STATUS } from '../abi/virtio_pci_common.ts';
import { record } from '../sim/trace.ts';
import { KIND_COMMANDS, kindOf } from './queue_kind.ts';

/** In the place of a BAR. */
export const TRACE_SPACE_CONFIG: u32 = 7;
export const TRACE_SPACE_LEGACY: u32 = 6;

export function traceRegister(f: usize, space: u32, offset: u32, size: u32, value: u32, isWrite: bool): void {
  const sub = (space << 1) | (isWrite ? 1 : 0);
  record(TRACE.REGISTER, load<u32>(f, FN.INDEX), sub, offset | (size << 24), value, 0);
}

export function traceStatus(f: usize): void {
  record(TRACE.STATUS, load<u32>(f, FN.INDEX), 0, load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS), 0, 0);
}

/** A message of `vector` for a queue, or for the configuration (TRACE.NOBODY), which its handler sees in cycle `handled`. */
export function traceMsix(f: usize, vector: u32, queue: u32, handled: u64): void {
  const data = load<u32>(f + FN.MSIX_TABLE + vector * PCI_MSIX_ENTRY_SIZE, PCI_MSIX_ENTRY_DATA);
  record(TRACE.MSIX, load<u32>(f, FN.INDEX), vector, data, queue, handled);
}

/** A value of a queue, TRACE_QUEUE_*. */
export function traceQueue(q: usize, what: u32, value: u32): void {
  const f: usize = load<u32>(q, Q.CONTEXT + DMA.FN);
  record(TRACE.QUEUE, load<u32>(f, FN.INDEX), load<u32>(q, Q.INDEX), what, value, 0);
}

/** A job is in a new state, JOB_FREE at its end. */
export function traceJob(job: usize, state: u32): void {
  const q: usize = load<u32>(job, JOB.QUEUE);
  const f: usize = load<u32>(job, JOB.CONTEXT + DMA.FN);
  const isCommand = (kindOf(q) & KIND_COMMANDS) != 0;
  let what = <u64>load<u16>(job, JOB.ID);
  if (isCommand && state == JOB_EXECUTE) {
    const command: usize = load<u32>(job, JOB.BUFFER);
    what = (load<u64>(command, ADMIN_CMD_GROUP_MEMBER_ID) << 32) | load<u16>(command, ADMIN_CMD_OPCODE);
  }
  const answer = isCommand && state == JOB_FREE ? load<u32>(job, JOB.QUALIFIER) : 0;
  const number = <u32>((job - JOBS) / JOB.STRIDE);
  record(TRACE.JOB, load<u32>(f, FN.INDEX), load<u32>(q, Q.INDEX), number, state, what, answer);
}
