// SPDX-License-Identifier: Apache-2.0
// Transmission (virtio 1.4 §5.1.6.2): a gathered chain is a header and a frame. No offload is negotiable, so a header
// that asks for one is refused; NEEDS_CSUM and unknown flags are disregarded. The buffer is used once the switch has
// taken the frame.
import {
  DMA_FN,
  FN_HEADER_BYTES,
  FN_INDEX,
  FN_MAX_FRAME,
  JOB_BUFFER,
  JOB_CONTEXT,
  JOB_EXECUTED,
  JOB_EXECUTING,
  JOB_FLOOD,
  JOB_HEAD,
  JOB_LENGTH,
  JOB_QUEUE,
  JOB_READ_BYTES,
  JOB_STATUS,
} from '../abi/function_state.ts';
import { CTL_NOW } from '../abi/state_map.ts';
import {
  FC_TX_BYTES,
  FC_TX_DROP_BAD_HEADER,
  FC_TX_DROP_OVERSIZE,
  FC_TX_DROP_SHORT,
  FC_TX_FRAMES,
} from '../abi/counter.ts';
import {
  VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM,
  VIRTIO_NET_HDR_FLAGS,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TYPE,
} from '../abi/virtio_net.ts';
import { P_TX } from '../abi/timing_param.ts';
import { countFn, param } from '../mem/arena.ts';
import { postedWait } from '../pcie/requester.ts';
import { isFunctional } from '../sim/time.ts';
import { delayJob } from '../virtio/job.ts';
import { postUsedElement, postUsedIdx, signalUsed } from '../virtio/used.ts';
import { forward, FORWARD_BEGIN, FORWARD_DONE } from './switch.ts';

const ETHERNET_HEADER = 14;
/** Cycles until a frame is offered to a full switch again. */
const RETRY_CYCLES = 64;

const STEP_BEGIN = 0;
const STEP_FORWARD = 1;
const STEP_USE = 2;

/** Takes the oldest frame of a transmit queue one step further; true when its buffer is used and the job may go. */
export function stepTransmit(job: usize): bool {
  const f: usize = load<u32>(job, JOB_CONTEXT + DMA_FN);
  const q: usize = load<u32>(job, JOB_QUEUE);
  if (load<u8>(job, JOB_STATUS) == STEP_BEGIN) {
    store<u64>(job, load<u64>(CTL_NOW), JOB_EXECUTING);
    const cause = refusal(job, f);
    if (cause >= 0) countFn(f, cause);
    store<u32>(job, FORWARD_BEGIN, JOB_FLOOD);
    store<u8>(job, cause >= 0 ? STEP_USE : STEP_FORWARD, JOB_STATUS);
    if (!isFunctional() && param(P_TX) != 0) {
      delayJob(job, param(P_TX));
      return false;
    }
  }
  if (load<u8>(job, JOB_STATUS) == STEP_FORWARD) {
    const header = load<u32>(f, FN_HEADER_BYTES);
    const length = load<u32>(job, JOB_LENGTH) - header;
    const progress = forward(load<u32>(f, FN_INDEX), job + JOB_BUFFER + header, length, load<u32>(job, JOB_FLOOD));
    if (progress != FORWARD_DONE) {
      store<u32>(job, progress, JOB_FLOOD);
      delayJob(job, isFunctional() ? 0 : RETRY_CYCLES);
      return false;
    }
    countFn(f, FC_TX_FRAMES);
    countFn(f, FC_TX_BYTES, length);
    store<u8>(job, STEP_USE, JOB_STATUS);
  }
  const wait = postedWait(2, 16);
  if (wait != 0) {
    delayJob(job, wait);
    return false;
  }
  store<u64>(job, load<u64>(CTL_NOW), JOB_EXECUTED);
  postUsedElement(q, job, load<u16>(job, JOB_HEAD), 0);
  postUsedIdx(q, job);
  signalUsed(q);
  return true;
}

/** Counter of the reason why the frame is not sent, -1 if it is. */
function refusal(job: usize, f: usize): i32 {
  const header = load<u32>(f, FN_HEADER_BYTES);
  const length = load<u32>(job, JOB_READ_BYTES);
  if (length < header + ETHERNET_HEADER) return FC_TX_DROP_SHORT;
  if (length - header > load<u32>(f, FN_MAX_FRAME)) return FC_TX_DROP_OVERSIZE;
  const buffer = job + JOB_BUFFER;
  const isOffload =
    load<u8>(buffer, VIRTIO_NET_HDR_GSO_TYPE) != VIRTIO_NET_HDR_GSO_NONE ||
    (load<u8>(buffer, VIRTIO_NET_HDR_FLAGS) & VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM) != 0;
  return isOffload ? FC_TX_DROP_BAD_HEADER : -1;
}
