// SPDX-License-Identifier: Apache-2.0
// A traffic generator on the card's port, for what pcie-bench measures: reads, writes, both, a write and a read of the same
// place, and the traffic of a simple NIC. Up to GENERATOR_CONTEXTS_MAX operations are under way at a time; each takes the
// way of any other request of the card. It records when an operation begins and ends, nothing is computed.
import {
  CREDIT_DOWN_NP,
  CREDIT_DOWN_P,
  GENERATOR,
  GENERATOR_BUFFER,
  GENERATOR_CONTEXTS,
  GENERATOR_SAMPLES,
  GENERATOR_SAMPLES_MAX,
} from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as DMA from '../abi/dma_context.ts';
import * as GEN from '../abi/generator.ts';
import * as TRACE from '../abi/trace_kind.ts';
import { GENERATE_READ, GENERATE_SIMPLE_NIC, GENERATE_WRITE, GENERATE_WRITE_READ } from '../abi/state_value.ts';
import * as EV from '../abi/event_code.ts';
import { scheduleAt } from '../sim/scheduler.ts';
import { completionReady, receiveRequest, sendCompletion } from './completer.ts';
import { postedWait, postWrite } from './posted.ts';
import { readInto } from './requester.ts';
import { requestBytes } from './tlp.ts';

const DESCRIPTOR = 16;
const REGISTER = 4;
/** Bus address of the registers that the host of a simple NIC rings and reads; above 4 GiB, as its memory is. */
const REGISTERS: u64 = 0x8000000000;

/** Starts `outstanding` operations of those that GENERATOR describes; each starts the next when it ends. */
export function startGenerator(f: usize, outstanding: u32): void {
  store<u32>(GENERATOR, <u32>f, GEN.FUNCTION);
  for (let i: u32 = 0; i < outstanding; i++) {
    const context: usize = GENERATOR_CONTEXTS + i * GEN.CONTEXT_BYTES;
    store<u32>(context, <u32>f, DMA.FN);
    store<u32>(context, EV.GENERATOR_DONE, DMA.DONE_EVENT);
    begin(context);
  }
}

function begin(context: usize): void {
  const left = load<u32>(GENERATOR, GEN.LEFT);
  if (left == 0) return;
  store<u32>(GENERATOR, left - 1, GEN.LEFT);
  store<u64>(context, load<u64>(CTL.NOW), GEN.BEGUN);
  store<u32>(context, 0, GEN.STEP);
  stepGenerator(context);
}

/** Where the next operation goes: naturally aligned places of the window. */
function place(): u64 {
  const bytes = load<u32>(GENERATOR, GEN.BYTES);
  const window = load<u32>(GENERATOR, GEN.WINDOW);
  // places are a power of two apart, at least a cache line, so that an operation crosses as few boundaries as it can
  const stride = max<u32>(64, 1 << (32 - clz(bytes - 1)));
  let offset: u32;
  if (load<u32>(GENERATOR, GEN.RANDOM) != 0) {
    let x = load<u64>(GENERATOR, GEN.SEED);
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    store<u64>(GENERATOR, x, GEN.SEED);
    offset = (<u32>(x >> 32) % (window / stride)) * stride;
  } else {
    offset = load<u32>(GENERATOR, GEN.NEXT);
    store<u32>(GENERATOR, (offset + stride) % window, GEN.NEXT);
  }
  return load<u64>(GENERATOR, GEN.IOVA) + offset;
}

/** EV.GENERATOR, or a read that is done: takes an operation as far as it goes. */
export function stepGenerator(context: usize): void {
  const bytes = load<u32>(GENERATOR, GEN.BYTES);
  const step = load<u32>(context, GEN.STEP);
  const operation = load<u32>(GENERATOR, GEN.OPERATION);
  store<u32>(context, step + 1, GEN.STEP);
  if (operation == GENERATE_SIMPLE_NIC) return stepNic(context, step, bytes);
  if (step == 0 && operation != GENERATE_READ) {
    const wait = postedWait(1, bytes);
    if (wait != 0) {
      store<u32>(context, 0, GEN.STEP);
      return continueAt(context, load<u64>(CTL.NOW) + wait);
    }
  }
  if (step == 0) {
    const iova = place();
    if (operation == GENERATE_READ) read(context, iova, bytes);
    else if (operation == GENERATE_WRITE) continueAt(context, postWrite(context, iova, bytes, GENERATOR_BUFFER));
    else {
      postWrite(context, iova, bytes, GENERATOR_BUFFER);
      read(context, operation == GENERATE_WRITE_READ ? iova : place(), bytes);
    }
    return;
  }
  end(context);
}

/**
 * One frame sent and one received: two doorbells; the descriptors of both, which one request fetches; the frame read and
 * the other written with its descriptor; two interrupts; two reads of a pointer by the host.
 */
function stepNic(context: usize, step: u32, bytes: u32): void {
  const f: usize = load<u32>(context, DMA.FN);
  switch (step) {
    case 0: {
      const wire = requestBytes(REGISTERS) + REGISTER;
      receiveRequest(CREDIT_DOWN_P, wire, TRACE.TLP_MWR | TRACE.TLP_DOWN, f, REGISTERS, REGISTER, 0, 1);
      continueAt(
        context,
        receiveRequest(CREDIT_DOWN_P, wire, TRACE.TLP_MWR | TRACE.TLP_DOWN, f, REGISTERS, REGISTER, 0, 1),
      );
      return;
    }
    case 1:
      return read(context, place(), 2 * DESCRIPTOR);
    case 2: {
      const wait = postedWait(4, bytes + 64);
      if (wait != 0) {
        store<u32>(context, 2, GEN.STEP);
        return continueAt(context, load<u64>(CTL.NOW) + wait);
      }
      // the read first: behind the writes it would have to wait for them
      read(context, place(), bytes);
      postWrite(context, place(), bytes, GENERATOR_BUFFER);
      postWrite(context, place(), DESCRIPTOR, GENERATOR_BUFFER);
      return;
    }
    case 3:
      postWrite(context, place(), REGISTER, GENERATOR_BUFFER);
      return continueAt(context, postWrite(context, place(), REGISTER, GENERATOR_BUFFER));
    case 4: {
      const wire = requestBytes(REGISTERS);
      receiveRequest(CREDIT_DOWN_NP, wire, TRACE.TLP_MRD | TRACE.TLP_DOWN, f, REGISTERS, REGISTER, 0, 0);
      continueAt(
        context,
        receiveRequest(CREDIT_DOWN_NP, wire, TRACE.TLP_MRD | TRACE.TLP_DOWN, f, REGISTERS, REGISTER, 0, 0),
      );
      return;
    }
    case 5:
    case 6: {
      const ready = completionReady();
      if (ready > load<u64>(CTL.NOW)) {
        store<u32>(context, step, GEN.STEP);
        return continueAt(context, ready);
      }
      const back = sendCompletion(f, REGISTERS, REGISTER, 0);
      return step == 5 ? stepGenerator(context) : continueAt(context, back);
    }
    default:
      end(context);
  }
}

function read(context: usize, iova: u64, bytes: u32): void {
  if (readInto(context, iova, bytes, GENERATOR_BUFFER)) stepGenerator(context);
}

function continueAt(context: usize, time: u64): void {
  scheduleAt(time, EV.GENERATOR, EV.PRIO_NORMAL, <u32>context, 0);
}

function end(context: usize): void {
  const now = load<u64>(CTL.NOW);
  const done = load<u32>(GENERATOR, GEN.DONE) + 1;
  store<u32>(GENERATOR, done, GEN.DONE);
  if (done == load<u32>(GENERATOR, GEN.WARM)) store<u64>(GENERATOR, now, GEN.WARM_AT);
  if (done == load<u32>(GENERATOR, GEN.UNTIL)) store<u64>(GENERATOR, now, GEN.LAST_AT);
  const samples = load<u32>(GENERATOR, GEN.SAMPLES);
  if (samples < <u32>GENERATOR_SAMPLES_MAX) {
    store<u32>(GENERATOR_SAMPLES + (samples << 2), <u32>(now - load<u64>(context, GEN.BEGUN)));
    store<u32>(GENERATOR, samples + 1, GEN.SAMPLES);
  }
  begin(context);
}
