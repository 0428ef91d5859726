// SPDX-License-Identifier: Apache-2.0
// The one switch over event codes, and over what a read that came back was for.
import * as CTL from '../abi/control.ts';
import * as DMA from '../abi/dma_context.ts';
import * as EV from '../abi/event_code.ts';
import * as JOB from '../abi/job.ts';
import * as Q from '../abi/queue.ts';
import { emitWrite } from '../host/outside.ts';
import { arriveFrame } from '../net/switch.ts';
import { completeRead, expireRead, readCopied, serveRead } from '../pcie/completions.ts';
import { stepGenerator } from '../pcie/generator.ts';
import { handOut } from '../pcie/owed_reads.ts';
import { arriveIntx, arriveMsi } from '../pcie/posted.ts';
import { readReady, wakeReads } from '../pcie/requests.ts';
import { eventA0, eventA1, eventCode } from '../sim/scheduler.ts';
import { isFunctional } from '../sim/time.ts';
import { finishTake } from '../virtio/ring/ring.ts';
import { makeReady, pickQueue } from '../virtio/visit.ts';
import { finishSignal } from '../virtio/signal.ts';
import { frameSent } from '../net/wire.ts';
import { stepRequest } from './request.ts';
import { arriveWrite } from './router.ts';
import { continueJob, retryFetch, serviceQueue, visit } from './service.ts';

/** Runs one event that was taken off the wheel. */
export function dispatch(node: usize): void {
  const code = eventCode(node);
  const a0 = eventA0(node);
  const a1 = eventA1(node);
  store<u64>(CTL.EVENTS_RUN, load<u64>(CTL.EVENTS_RUN) + 1);
  switch (code) {
    case EV.INBOUND:
      arriveWrite(a0);
      return;
    case EV.DMA_READY:
      readReady(a0, a1);
      return;
    case EV.DMA_HOST:
      serveRead(a0);
      return;
    case EV.DMA_DONE:
      readDone(completeRead(a0));
      return;
    case EV.DMA_COPIED:
      readDone(readCopied(a0, a1));
      return;
    case EV.DMA_TIMEOUT:
      readDone(expireRead(a0, a1));
      return;
    case EV.DMA_WAKE:
      wakeReads();
      return;
    case EV.JOB_STEP:
      if (load<u32>(a0, DMA.GENERATION) != a1) return;
      store<u8>(a0, 0, JOB.BUSY);
      retryFetch(a0);
      serviceQueue(load<u32>(a0, JOB.QUEUE));
      return;
    case EV.QUEUE:
      if (isFunctional()) visit(a0);
      else makeReady(a0);
      return;
    case EV.PICK:
      visit(pickQueue());
      return;
    case EV.GENERATOR:
      stepGenerator(a0);
      return;
    case EV.MSI:
      arriveMsi(a0 >> 16, a0 & 0xffff, a1);
      return;
    case EV.INTX:
      arriveIntx(a0, a1);
      return;
    case EV.WIRE_TX:
      frameSent(a0, a1);
      return;
    case EV.WIRE_RX:
      arriveFrame();
      return;
    default:
      stepRequest(code, a0);
  }
}

/** The same where memory is outside, which has events of its own. */
export function dispatchOutside(node: usize): void {
  switch (eventCode(node)) {
    case EV.READ_OUT:
      handOut(eventA0(node));
      return;
    case EV.WRITE_OUT:
      emitWrite();
      return;
    case EV.ACCESS:
    case EV.ANSWER:
    case EV.COMPLETED:
      stepRequest(eventCode(node), eventA0(node));
      return;
    default:
      dispatch(node);
  }
}

/** All of a read is there, or has failed: its owner goes on. 0: there is nobody to wake. */
export function readDone(context: usize): void {
  if (context == 0) return;
  switch (load<u32>(context, DMA.DONE_EVENT)) {
    case EV.FE_DONE: {
      const q: usize = context - Q.CONTEXT;
      finishTake(q);
      serviceQueue(q);
      return;
    }
    case EV.JOB_DONE:
      store<u8>(context, 0, JOB.BUSY);
      continueJob(context);
      serviceQueue(load<u32>(context, JOB.QUEUE));
      return;
    case EV.NOTIFY_DONE:
      finishSignal(context - Q.NOTIFY_CONTEXT);
      return;
    case EV.GENERATOR_DONE:
      stepGenerator(context);
      return;
    default:
      unreachable();
  }
}
