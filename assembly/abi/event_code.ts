// SPDX-License-Identifier: Apache-2.0
// Events of the wheel, the reasons why run() returns, kinds of output records, priorities. One switch
// (nic/dispatch.ts) maps event codes to handlers.

export const EV_INBOUND = 1; // a0: slot. A posted host write reaches the device
export const EV_DMA_HOST = 2; // a0: context, a1: generation. A DMA read is served by host memory
export const EV_FE_DONE = 3; // a0: queue, a1: generation. Ring fetch of a queue is back
export const EV_JOB_DONE = 4; // a0: job, a1: generation. A job's DMA read is back
export const EV_JOB_STEP = 5; // a0: job, a1: generation. A job's delay is over
export const EV_QUEUE = 6; // a0: queue. The scheduler visits a queue
export const EV_NOTIFY_DONE = 7; // a0: queue, a1: generation. Suppression words are back
export const EV_MSI = 8; // a0: function << 16 | vector, a1: data. An MSI-X write reaches the host
export const EV_INTX = 9; // a0: function, a1: level
export const EV_WIRE_TX = 10; // a0: address of the frame in the wire ring, a1: length << 11 | function
export const EV_WIRE_RX = 11; // the frame in WIRE_INPUT is complete

export const PRIO_POSTED = 0; // arrival of writes, before anything that looks at their effect
export const PRIO_NORMAL = 1;
export const PRIO_LATE = 2; // queue visits, after all completions of the cycle

export const RUN_REACHED = 0; // the time asked for is reached
export const RUN_EVENT = 1; // there is output for the host
export const RUN_IDLE = 2; // nothing is left to do; time stands at the time asked for

export const OUT_MSI = 1; // a: vector, b: data, c: address low, d: address high
export const OUT_INTX = 2; // a: level
export const OUT_FRAME = 3; // a: address of the frame, b: length; function: port that sent it
export const OUT_ADMIN = 4; // a: address of the trace record
