// SPDX-License-Identifier: Apache-2.0
// Where the time of an administration command's reads goes, for its record: contexts add the lives of their reads up where
// DMA.LIFE says. Index and ring are read for the queue (virtio/queue.ts), and belong to every command that came with them;
// descriptors may take several reads.
import { ADMIN_INDEX_LIFE, ADMIN_RING_LIFE } from '../abi/state_map.ts';
import * as JOB from '../abi/job.ts';
import * as DMA from '../abi/dma_context.ts';
import * as CFG from '../abi/nic_config.ts';
import { config } from '../mem/arena.ts';

const DESCRIPTORS = 2;
const DATA = 3;

/** A command is taken: what was read for its queue was read for it, too. */
export function beginLife(job: usize): void {
  if (config(CFG.TRACE_ADMIN) == 0) return;
  memory.copy(job + JOB.LIVES, ADMIN_INDEX_LIFE, DMA.LIFE_BYTES);
  memory.copy(job + JOB.LIVES + DMA.LIFE_BYTES, ADMIN_RING_LIFE, DMA.LIFE_BYTES);
  memory.fill(job + JOB.LIVES + DESCRIPTORS * DMA.LIFE_BYTES, 0, 2 * DMA.LIFE_BYTES);
  store<u32>(job, <u32>(job + JOB.LIVES + DESCRIPTORS * DMA.LIFE_BYTES), DMA.LIFE);
}

/** The command's chain is known: what it reads from now on is data. */
export function watchData(job: usize): void {
  if (load<u32>(job, DMA.LIFE) != 0) store<u32>(job, <u32>(job + JOB.LIVES + DATA * DMA.LIFE_BYTES), DMA.LIFE);
}
