// SPDX-License-Identifier: Apache-2.0
// The control queue as far as drivers need it to come up (virtio 1.4 §5.1.6.5): RX modes, MAC table and address, number
// of queue pairs. A command that is unknown, not negotiated or badly formed is acknowledged with VIRTIO_NET_ERR.
import * as CTL from '../abi/control.ts';
import { FC_BAD_CHAIN } from '../abi/counter.ts';
import * as DMA from '../abi/dma_context.ts';
import * as FN from '../abi/function.ts';
import * as JOB from '../abi/job.ts';
import {
  CONTROL_COMMANDS,
  CONTROL_ROW_CLASS,
  CONTROL_ROW_COMMAND,
  CONTROL_ROW_FEATURE,
  CONTROL_ROW_FIELDS,
  CONTROL_ROW_OR_FEATURE,
} from '../abi/net_control.ts';
import { ENGINE_CTRL, RX_MODE_ALLMULTI, RX_MODE_PROMISC } from '../abi/state_value.ts';
import * as P from '../abi/timing_param.ts';
import {
  VIRTIO_NET_CTRL_HDR_SIZE,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_RX_PROMISC,
  VIRTIO_NET_ERR,
  VIRTIO_NET_MAC_SIZE,
  VIRTIO_NET_OK,
} from '../abi/virtio_net.ts';
import { param } from '../mem/arena.ts';
import { postedWait } from '../pcie/posted.ts';
import { isFunctional } from '../sim/time.ts';
import { hasFeature } from '../virtio/features.ts';
import { delayJob, occupyJob } from '../virtio/job_delay.ts';
import { isTrusted, setMac } from './config.ts';
import { setPromiscuous } from './port_map.ts';
import { breakQueue } from '../virtio/needs_reset.ts';
import { complete } from '../virtio/ring/ring.ts';
import { isCut, scatter } from '../virtio/segments.ts';

const FILTERS_MAX = 32;
const STEP_BEGIN = 0;
const STEP_EXECUTE = 1;

/** Takes the oldest command of a control queue one step further; true when it is used and the job may go. */
export function stepControl(job: usize): bool {
  const f: usize = load<u32>(job, JOB.CONTEXT + DMA.FN);
  const q: usize = load<u32>(job, JOB.QUEUE);
  if (load<u8>(job, JOB.STATUS) == STEP_BEGIN) {
    if (load<u32>(job, JOB.WRITE_BYTES) == 0) {
      breakQueue(q, FC_BAD_CHAIN); // nowhere to put the ack
      return false;
    }
    store<u64>(job, load<u64>(CTL.NOW), JOB.EXECUTING);
    store<u8>(job, STEP_EXECUTE, JOB.STATUS);
    if (!isFunctional()) {
      occupyJob(job, ENGINE_CTRL, P.CTRL_ENGINES, param(P.CTRL), param(P.WRITEBACK));
      return false;
    }
  }
  const wait = postedWait(3, 32);
  if (wait != 0) {
    delayJob(job, wait);
    return false;
  }
  store<u8>(job, execute(job, f) ? <u8>VIRTIO_NET_OK : <u8>VIRTIO_NET_ERR, JOB.OUT);
  scatter(job, 0, job + JOB.OUT, 1);
  complete(q, job, load<u16>(job, JOB.ID), load<u16>(job, JOB.DESCRIPTORS), 1);
  return true;
}

/** The command in the job's buffer; false: VIRTIO_NET_ERR, and nothing was changed. */
function execute(job: usize, f: usize): bool {
  const length = load<u32>(job, JOB.LENGTH);
  if (length < <u32>VIRTIO_NET_CTRL_HDR_SIZE || isCut(job)) return false;
  const command: usize = load<u32>(job, JOB.BUFFER);
  const type = <u32>load<u8>(command);
  const code = <u32>load<u8>(command, 1);
  if (!isOffered(f, type, code)) return false;
  const data = command + VIRTIO_NET_CTRL_HDR_SIZE;
  const bytes = length - VIRTIO_NET_CTRL_HDR_SIZE;
  switch (type) {
    case VIRTIO_NET_CTRL_RX:
      return setRxMode(f, code, data, bytes);
    case VIRTIO_NET_CTRL_MAC:
      return code == VIRTIO_NET_CTRL_MAC_ADDR_SET ? setAddress(f, data, bytes) : setTable(f, data, bytes);
    default:
      return setPairs(f, data, bytes);
  }
}

/** Does the card have the command, and did its driver negotiate what it needs? */
function isOffered(f: usize, type: u32, code: u32): bool {
  for (let row = 0; row < CONTROL_COMMANDS.length; row += CONTROL_ROW_FIELDS) {
    if (field(row, CONTROL_ROW_CLASS) != type || field(row, CONTROL_ROW_COMMAND) != code) continue;
    return hasFeature(f, field(row, CONTROL_ROW_FEATURE)) || hasFeature(f, field(row, CONTROL_ROW_OR_FEATURE));
  }
  return false;
}

function field(row: i32, index: i32): u32 {
  return unchecked(CONTROL_COMMANDS[row + index]);
}

function setRxMode(f: usize, code: u32, data: usize, bytes: u32): bool {
  if (bytes != 1 || load<u8>(data) > 1) return false;
  const bit = <u8>(code == VIRTIO_NET_CTRL_RX_PROMISC ? RX_MODE_PROMISC : RX_MODE_ALLMULTI);
  const isOn = load<u8>(data) == 1;
  if (isOn && code == VIRTIO_NET_CTRL_RX_PROMISC && !isTrusted(f)) return false;
  const mode = load<u8>(f, FN.RX_MODE);
  store<u8>(f, isOn ? mode | bit : mode & ~bit, FN.RX_MODE);
  if (code == VIRTIO_NET_CTRL_RX_PROMISC) setPromiscuous(f, isOn);
  return true;
}

function setAddress(f: usize, data: usize, bytes: u32): bool {
  if (!isTrusted(f) || bytes != VIRTIO_NET_MAC_SIZE || (load<u8>(data) & 1) != 0) return false;
  setMac(f, macAt(data));
  return true;
}

function macAt(at: usize): u64 {
  return (<u64>load<u32>(at)) | ((<u64>load<u16>(at, 4)) << 32);
}

/** TABLE_SET: count and addresses, unicast then multicast, replace the filter; nothing changes if they do not fit. */
function setTable(f: usize, data: usize, bytes: u32): bool {
  if (bytes < 4) return false;
  const unicast = load<u32>(data);
  if (unicast > <u32>FILTERS_MAX) return false;
  const second = 4 + unicast * VIRTIO_NET_MAC_SIZE;
  if (bytes < <u32>(second + 4)) return false;
  const multicast = load<u32>(data + second);
  if (multicast > <u32>(FILTERS_MAX - unicast) || bytes < <u32>(second + 4 + multicast * VIRTIO_NET_MAC_SIZE))
    return false;
  for (let i: u32 = 0; i < unicast; i++) {
    store<u64>(f + FN.FILTER + (i << 3), macAt(data + 4 + i * VIRTIO_NET_MAC_SIZE));
  }
  for (let i: u32 = 0; i < multicast; i++) {
    store<u64>(f + FN.FILTER + ((unicast + i) << 3), macAt(data + second + 4 + i * VIRTIO_NET_MAC_SIZE));
  }
  store<u32>(f, unicast | (multicast << 16), FN.FILTERS);
  store<u32>(CTL.MAC_DIRTY, 1);
  return true;
}

function setPairs(f: usize, data: usize, bytes: u32): bool {
  const pairs = bytes == 2 ? <u32>load<u16>(data) : 0;
  if (pairs == 0 || pairs > load<u32>(f, FN.PAIRS)) return false;
  store<u32>(f, pairs, FN.ACTIVE_PAIRS);
  return true;
}
