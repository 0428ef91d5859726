// SPDX-License-Identifier: Apache-2.0
// Transmission (virtio 1.4 §5.1.6.2): a gathered chain is a header and a frame. No offload is negotiable, so a header
// that asks for one is refused; NEEDS_CSUM and unknown flags are disregarded. What the function's profile forbids is
// dropped. The buffer is used once the switch has taken the frame.
import { PACKET } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import * as JOB from '../abi/job.ts';
import * as DMA from '../abi/dma_context.ts';
import { PACKET_FRAME } from '../abi/switch_state.ts';
import {
  ENGINE_TX,
  FORWARD_BEGIN,
  FORWARD_DONE,
  FORWARD_DROPPED,
  TX_RULE_SOURCE,
  TX_RULE_UNTAGGED,
} from '../abi/state_value.ts';
import {
  C_DMA_READ_BYTES,
  C_DMA_READS,
  FC_CHAINS,
  FC_TX_BYTES,
  FC_TX_DROP_BAD_HEADER,
  FC_TX_DROP_OVERSIZE,
  FC_TX_DROP_SHORT,
  FC_TX_DROP_SPOOFED,
  FC_TX_DROP_TAGGED,
  FC_TX_FRAMES,
} from '../abi/counter.ts';
import {
  VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM,
  VIRTIO_NET_HDR_FLAGS,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TYPE,
} from '../abi/virtio_net.ts';
import * as P from '../abi/timing_param.ts';
import { bytesInPlace } from '../host/root_complex.ts';
import { count, countFn, param } from '../mem/arena.ts';
import { postedWait } from '../pcie/posted.ts';
import { isFunctional } from '../sim/time.ts';
import { delayJob, occupyJob, retryJob } from '../virtio/job_delay.ts';
import { complete, countOnlySegment, onlySegment } from '../virtio/ring/ring.ts';
import { charge } from './rate.ts';
import { ADDRESS_BYTES, ETHERNET_HEADER, isOversize, macOf, parse } from './packet.ts';
import { forward } from './switch.ts';
import { vidOf } from './vlan.ts';

const STEP_BEGIN = 0;
const STEP_CHECK = 1;
const STEP_FORWARD = 2;
const STEP_USE = 3;

/** Takes the oldest frame of a transmit queue one step further; true when its buffer is used and the job may go. */
export function stepTransmit(job: usize): bool {
  const f: usize = load<u32>(job, JOB.CONTEXT + DMA.FN);
  const q: usize = load<u32>(job, JOB.QUEUE);
  if (load<u8>(job, JOB.STATUS) == STEP_BEGIN) {
    store<u8>(job, STEP_CHECK, JOB.STATUS);
    if (!isFunctional()) {
      occupyJob(job, ENGINE_TX, P.TX_ENGINES, param(P.TX), param(P.WRITEBACK));
      return false;
    }
  }
  let packet: usize = 0; // as refusal() has read it, or what lies in the job, when another frame may have come in between
  if (load<u8>(job, JOB.STATUS) == STEP_CHECK) {
    const cause = refusal(f, load<u32>(job, JOB.BUFFER), load<u32>(job, JOB.READ_BYTES));
    if (cause >= 0) countFn(f, cause);
    store<u32>(job, FORWARD_BEGIN, JOB.FLOOD);
    store<u8>(job, cause >= 0 ? STEP_USE : STEP_FORWARD, JOB.STATUS);
    packet = PACKET;
  }
  if (load<u8>(job, JOB.STATUS) == STEP_FORWARD) {
    const header = load<u32>(f, FN.HEADER_BYTES);
    const length = load<u32>(job, JOB.LENGTH) - header;
    if (packet == 0) packet = parse(load<u32>(job, JOB.BUFFER) + header, length, load<u32>(f, FN.INDEX));
    const progress = forward(packet, load<u32>(job, JOB.FLOOD));
    if (progress != <u32>FORWARD_DONE && progress != <u32>FORWARD_DROPPED) {
      store<u32>(job, progress, JOB.FLOOD);
      retryJob(job);
      return false;
    }
    if (progress == <u32>FORWARD_DONE) {
      countFn(f, FC_TX_FRAMES);
      countFn(f, FC_TX_BYTES, length);
      charge(f, length);
    }
    store<u8>(job, STEP_USE, JOB.STATUS);
  }
  const wait = postedWait(2, 16);
  if (wait != 0) {
    delayJob(job, wait);
    return false;
  }
  complete(q, job, load<u16>(job, JOB.ID), load<u16>(job, JOB.DESCRIPTORS), 0);
  return true;
}

/**
 * Functional mode's short cut for the common frame: one readable segment, its bytes in one piece of host memory, for
 * one receiver. The frame is forwarded from where it lies, with the checks and the outcome of the general way; false,
 * with nothing done, if the general way has to be taken.
 */
export function transmitDirect(q: usize, f: usize, id: u32): bool {
  const segment = onlySegment(q, f, id);
  if (segment == 0) return false;
  const length = load<u32>(segment, DMA.SEGMENT_LENGTH);
  const buffer = bytesInPlace(f, load<u64>(segment, DMA.SEGMENT_IOVA), length);
  const header = load<u32>(f, FN.HEADER_BYTES);
  if (buffer == 0 || length < header + ETHERNET_HEADER) return false;
  const isForMany = (load<u8>(buffer + header) & 1) != 0 || load<u32>(CTL.PROMISC_PORTS) != 0;
  if (isForMany || refusal(f, buffer, length) >= 0) return false;
  const progress = forward(PACKET, FORWARD_BEGIN); // refusal() has read it
  if (progress == <u32>FORWARD_BEGIN) return false;
  countOnlySegment(q);
  count(C_DMA_READS);
  count(C_DMA_READ_BYTES, length);
  countFn(f, FC_CHAINS);
  if (progress == <u32>FORWARD_DONE) {
    countFn(f, FC_TX_FRAMES);
    countFn(f, FC_TX_BYTES, length - header);
  }
  complete(q, q + Q.CONTEXT, id, 1, 0);
  return true;
}

/** Counter of the reason why the frame is not sent, -1 if it is. */
function refusal(f: usize, buffer: usize, length: u32): i32 {
  const header = load<u32>(f, FN.HEADER_BYTES);
  if (length < header + ETHERNET_HEADER) return FC_TX_DROP_SHORT;
  const packet = parse(buffer + header, length - header, load<u32>(f, FN.INDEX));
  if (isOversize(f, packet)) return FC_TX_DROP_OVERSIZE;
  const isOffload =
    load<u8>(buffer, VIRTIO_NET_HDR_GSO_TYPE) != VIRTIO_NET_HDR_GSO_NONE ||
    (load<u8>(buffer, VIRTIO_NET_HDR_FLAGS) & VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM) != 0;
  if (isOffload) return FC_TX_DROP_BAD_HEADER;
  return load<u8>(f, FN.TX_RULES) == 0 ? -1 : violation(f, packet);
}

/** As refusal(), for the rules of the function's profile. */
function violation(f: usize, packet: usize): i32 {
  const frame: usize = load<u32>(packet, PACKET_FRAME);
  const rules = load<u8>(f, FN.TX_RULES);
  if ((rules & TX_RULE_SOURCE) != 0 && !isOwnAddress(f, macOf(frame + ADDRESS_BYTES))) return FC_TX_DROP_SPOOFED;
  return (rules & TX_RULE_UNTAGGED) != 0 && vidOf(packet) != 0 ? FC_TX_DROP_TAGGED : -1;
}

/** The function's address, or one of its unicast filters. */
function isOwnAddress(f: usize, mac: u64): bool {
  if (mac == (load<u64>(f, FN.MAC) & 0xffffffffffff)) return true;
  const unicast = load<u32>(f, FN.FILTERS) & 0xffff;
  for (let i: u32 = 0; i < unicast; i++) if (load<u64>(f + FN.FILTER + (i << 3)) == mac) return true;
  return false;
}
