// SPDX-License-Identifier: Apache-2.0
// Events of the wheel, the reasons why run() returns, kinds of output records, priorities. One switch
// (nic/dispatch.ts) maps event codes to handlers.

export const INBOUND = 1; // a0: slot. A posted host write reaches the device
export const DMA_HOST = 2; // a0: tag record. A request of a DMA read is served by host memory
export const FE_DONE = 3; // DMA.DONE_EVENT of a queue's ring fetch
export const JOB_DONE = 4; // of a job's read
export const JOB_STEP = 5; // a0: job, a1: generation. A job's delay is over
export const QUEUE = 6; // a0: queue. It waits for its visit from now on
export const NOTIFY_DONE = 7; // DMA.DONE_EVENT of a read of suppression words
export const MSI = 8; // a0: function << 16 | vector, a1: data. An MSI-X write reaches the host
export const INTX = 9; // a0: function, a1: level
export const WIRE_TX = 10; // a0: address of the frame in the wire ring, a1: length << 11 | function
export const WIRE_RX = 11; // the frame in WIRE_INPUT is complete
export const DMA_READY = 12; // a0: context, a1: generation. A DMA read is set up, its requests may go out
export const DMA_DONE = 13; // a0: tag record. The last completion of a request is in
export const DMA_WAKE = 14; // credits are back for requests that wait
export const DMA_TIMEOUT = 15; // a0: tag record. Its completion is lost
export const PICK = 16; // the scheduler visits the next queue
export const DMA_COPIED = 19; // a0: context, a1: generation. What a read brought has been stored once more
export const GENERATOR = 17; // a0: context of the traffic generator. Its next step
export const GENERATOR_DONE = 18; // DMA.DONE_EVENT of the traffic generator
export const READ_OUT = 20; // a0: tag record. A request of a DMA read is at the root complex, and its memory outside
export const WRITE_OUT = 21; // the oldest DMA write that is kept is at the root complex, likewise
export const ACCESS = 22; // a0: request of a driver. Its register is read, or written
export const ANSWER = 23; // a0: likewise. Its completion may be sent
export const COMPLETED = 24; // a0: likewise. Its completion is with the host

export const PRIO_POSTED = 0; // arrival of writes, before anything that looks at their effect
export const PRIO_NORMAL = 1;
export const PRIO_LATE = 2; // queue visits, after all completions of the cycle
export const PRIO_LAST = 3; // a driver's request looks at what the cycle left

export const RUN_REACHED = 0; // the time asked for is reached
export const RUN_EVENT = 1; // there is output for the host
export const RUN_IDLE = 2; // nothing is left to do; time stands at the time asked for

export const OUT_MSI = 1; // a: vector, b: data, c: address low, d: address high
export const OUT_INTX = 2; // a: level
export const OUT_FRAME = 3; // a: address of the frame, b: length; function: port that sent it
export const OUT_ADMIN = 4; // a: address of the trace record
export const OUT_DMA_READ = 5; // a: tag, b: bytes, c: address low, d: address high
export const OUT_DMA_WRITE = 6; // a: address of its bytes, b: bytes, c: address low, d: address high
export const OUT_COMPLETION = 7; // a: tag of the request, b: value

/** Above the kind of OUT_DMA_READ and OUT_DMA_WRITE: PASID + 1 of the request, 0 if it has none. */
export const OUT_PASID_SHIFT = 8;
