// SPDX-License-Identifier: Apache-2.0
// The one switch over event codes, and over what a read that came back was for.
import { CTL_EVENTS_RUN } from '../abi/control.ts';
import { DMA_DONE_EVENT, DMA_GENERATION } from '../abi/dma_context.ts';
import {
  EV_DMA_COPIED,
  EV_DMA_DONE,
  EV_DMA_HOST,
  EV_DMA_READY,
  EV_DMA_TIMEOUT,
  EV_DMA_WAKE,
  EV_FE_DONE,
  EV_GENERATOR,
  EV_GENERATOR_DONE,
  EV_INBOUND,
  EV_INTX,
  EV_JOB_DONE,
  EV_JOB_STEP,
  EV_MSI,
  EV_NOTIFY_DONE,
  EV_PICK,
  EV_QUEUE,
  EV_WIRE_RX,
  EV_WIRE_TX,
  OUT_INTX,
} from '../abi/event_code.ts';
import { JOB_BUSY, JOB_QUEUE } from '../abi/job.ts';
import { Q_CONTEXT, Q_NOTIFY_CONTEXT } from '../abi/queue.ts';
import { frameSent } from '../net/switch.ts';
import { completeRead, expireRead, readCopied, serveRead } from '../pcie/completions.ts';
import { stepGenerator } from '../pcie/generator.ts';
import { arriveMsi, deliverPosted } from '../pcie/posted.ts';
import { readReady, wakeReads } from '../pcie/requests.ts';
import { emit } from '../sim/output.ts';
import { eventA0, eventA1, eventCode } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { finishFetch } from '../virtio/queue.ts';
import { makeReady, pickQueue } from '../virtio/visit.ts';
import { finishSignal } from '../virtio/used.ts';
import { arriveFrame } from '../net/wire.ts';
import { arriveWrite } from './router.ts';
import { continueJob, serviceQueue, visit } from './service.ts';

/** Runs one event that was taken off the wheel. */
export function dispatch(node: usize): void {
  const code = eventCode(node);
  const a0 = eventA0(node);
  const a1 = eventA1(node);
  store<u64>(CTL_EVENTS_RUN, load<u64>(CTL_EVENTS_RUN) + 1);
  switch (code) {
    case EV_INBOUND:
      arriveWrite(a0);
      return;
    case EV_DMA_READY:
      readReady(a0, a1);
      return;
    case EV_DMA_HOST:
      serveRead(a0);
      return;
    case EV_DMA_DONE:
      readDone(completeRead(a0));
      return;
    case EV_DMA_COPIED:
      readDone(readCopied(a0, a1));
      return;
    case EV_DMA_TIMEOUT:
      readDone(expireRead(a0, a1));
      return;
    case EV_DMA_WAKE:
      wakeReads();
      return;
    case EV_JOB_STEP:
      if (load<u32>(a0, DMA_GENERATION) != a1) return;
      store<u8>(a0, 0, JOB_BUSY);
      serviceQueue(load<u32>(a0, JOB_QUEUE));
      return;
    case EV_QUEUE:
      if (isFunctional()) visit(a0);
      else makeReady(a0);
      return;
    case EV_PICK:
      visit(pickQueue());
      return;
    case EV_GENERATOR:
      stepGenerator(a0);
      return;
    case EV_MSI:
      arriveMsi(a0 >> 16, a0 & 0xffff, a1);
      return;
    case EV_INTX:
      deliverPosted();
      emit(OUT_INTX, a0, a1, 0, 0, 0);
      return;
    case EV_WIRE_TX:
      frameSent(a0, a1);
      return;
    case EV_WIRE_RX:
      arriveFrame();
      return;
    default:
      unreachable();
  }
}

/** All of a read is there, or has failed: its owner goes on. 0: there is nobody to wake. */
export function readDone(context: usize): void {
  if (context == 0) return;
  switch (load<u32>(context, DMA_DONE_EVENT)) {
    case EV_FE_DONE: {
      const q: usize = context - Q_CONTEXT;
      finishFetch(q);
      serviceQueue(q);
      return;
    }
    case EV_JOB_DONE:
      store<u8>(context, 0, JOB_BUSY);
      continueJob(context);
      serviceQueue(load<u32>(context, JOB_QUEUE));
      return;
    case EV_NOTIFY_DONE:
      finishSignal(context - Q_NOTIFY_CONTEXT);
      return;
    case EV_GENERATOR_DONE:
      stepGenerator(context);
      return;
    default:
      unreachable();
  }
}
