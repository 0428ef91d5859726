// SPDX-License-Identifier: Apache-2.0
// What sets one kind of queue (QUEUE_*) apart from another, a row each. What a job of a queue does, step by step, is the
// business of its engine: nic/service.ts.
import * as Q from '../abi/queue.ts';
import { QUEUE_ADMIN, QUEUE_CTRL, QUEUE_RX, QUEUE_TX, QUEUE_UNUSED } from '../abi/state_value.ts';

/** Its jobs begin with a frame and look for buffers; each does all its steps as the oldest. */
export const KIND_RECEIVES: u32 = 1;
/** In functional mode a chain may be used on the spot, without a job. */
export const KIND_DIRECT: u32 = 2;
/** No faster than the rate of its function. */
export const KIND_PACED: u32 = 4;
/** Its jobs are commands, which are traced and recorded one by one. */
export const KIND_COMMANDS: u32 = 8;
/** Beyond what was negotiated: nobody serves it. */
export const KIND_IDLE: u32 = 16;

/** A byte for each kind. */
const ROWS: u64 =
  ((<u64>KIND_RECEIVES) << (QUEUE_RX << 3)) |
  ((<u64>(KIND_DIRECT | KIND_PACED)) << (QUEUE_TX << 3)) |
  ((<u64>0) << (QUEUE_CTRL << 3)) |
  ((<u64>KIND_COMMANDS) << (QUEUE_ADMIN << 3)) |
  ((<u64>KIND_IDLE) << (QUEUE_UNUSED << 3));

/** KIND_* of a queue. */
export function kindOf(q: usize): u32 {
  return (<u32>(ROWS >> (load<u8>(q, Q.KIND) << 3))) & 0xff;
}
