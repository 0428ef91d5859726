// SPDX-License-Identifier: Apache-2.0
// The life of a ring fetch, kept for the administration commands that come with it (admin/life.ts).
import * as DMA from '../../abi/dma_context.ts';
import * as CFG from '../../abi/nic_config.ts';
import * as Q from '../../abi/queue.ts';
import { config } from '../../mem/arena.ts';
import { KIND_COMMANDS, kindOf } from '../queue_kind.ts';

/** The life of the next fetch is added up at `life`, if it is the admin queue's. */
export function keepLife(q: usize, life: usize): void {
  if (config(CFG.TRACE_ADMIN) == 0 || (kindOf(q) & KIND_COMMANDS) == 0) return;
  memory.fill(life, 0, DMA.LIFE_BYTES);
  store<u32>(q, <u32>life, Q.CONTEXT + DMA.LIFE);
}
