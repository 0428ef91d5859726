// SPDX-License-Identifier: Apache-2.0
// Records of the trace ring: what happened inside the card, in the order in which it happened. Little-endian, each a
// multiple of 8 bytes. `function` is the number of the function (0 = PF) or NOBODY; times are core cycles.
// The layout of a record is in record.ts.

export const NOBODY = 0xffff; // the root complex, the wire, the card as a whole

// what to record: bits of the trace mask
/** TLPs. */
export const MASK_TLP = 1;
/** Registers, queues, jobs, tags, credits. */
export const MASK_STATE = 2;
/** Frames of every function and of the wire. */
export const MASK_FRAMES = 4;
/** TLPs with their payload. */
export const MASK_DATA = 8;

/** A TLP. time: first symbol on the wire; sub: TLP_*, flags; a: data bytes | tag << 16; b: cycles until it has arrived;
 *  c: address of its first byte (of the data, for completions; register offset for configuration requests);
 *  d: bytes that this and later completions of the request still carry, 0 for requests, or their PASID; e: bytes on the wire, framing
 *  included; payload: the data, with MASK_DATA. function: who sends it upstream, or whom it is for downstream. */
export const TLP = 1;
export const TLP_TYPE_MASK = 0xf;
export const TLP_MRD = 1;
export const TLP_MWR = 2;
export const TLP_CPL = 3;
export const TLP_CPLD = 4;
export const TLP_CFGRD = 5;
export const TLP_CFGWR = 6;
export const TLP_MSG = 7; // Assert_INTA (a = 1), Deassert_INTA (a = 0)
export const TLP_DOWN = 0x10; // root complex to card; otherwise up
export const TLP_4DW = 0x20; // 64-bit address
export const TLP_POISONED = 0x40;
export const TLP_PASID = 0x80; // a memory request of the card with a PASID prefix; d is the PASID
export const TLP_STATUS_SHIFT = 8; // completion status: 0 successful, 1 Unsupported Request, 4 Completer Abort
/** Tags in use after a change. a: tags. */
export const TAGS = 2;
/** Credits taken. sub: pool, 0..5 for PH, PD, NPH, NPD, CPLH, CPLD; a: units taken; b: CREDITS_*;
 *  c: cycle in which the sender has them back. */
export const CREDITS = 3;
export const CREDITS_TAKEN = 1; // when they are back, a record of CREDITS_BACK says
export const CREDITS_BACK = 2; // they were taken before
export const CREDIT_DOWN = 8; // added for the pools that the root complex sends from
/** device_status after a change. a: value. */
export const STATUS = 4;
/** A queue's value after a change. sub: queue; a: TRACE_QUEUE_*; b: value. */
export const QUEUE = 5;
export const QUEUE_AVAIL_SEEN = 0; // driver's index as last read
export const QUEUE_AVAIL_IDX = 1; // next entry to take
export const QUEUE_USED_IDX = 2; // as last shown to the driver
export const QUEUE_JOBS = 3; // chains in work
export const QUEUE_FETCH = 4; // FETCH_* of state_value.ts
export const QUEUE_NOTIFY = 5; // NOTIFY_* of state_value.ts
/** A job's state. sub: queue; a: job number; b: JOB_* of state_value.ts, JOB_FREE at its end; c: head of the chain,
 *  or with JOB_EXECUTE on an admin queue opcode | member id << 32; d: status | qualifier << 16 with JOB_FREE. */
export const JOB = 6;
/** A DMA read. sub: DMA_ASKED ...; a: tag (0xffff before it has one) | data bytes << 16; b: owner: job number, or
 *  OWNER_QUEUE | queue for ring fetches, OWNER_NOTIFY | queue for suppression words; c: address; e: number of
 *  the request since creation. */
export const DMA = 7;
export const DMA_ASKED = 0;
export const DMA_ISSUED = 1;
export const DMA_SERVED = 2; // host memory was read
export const DMA_DONE = 3;
export const DMA_DROPPED = 4; // came back after its owner was reset
export const OWNER_QUEUE = 0x10000;
export const OWNER_NOTIFY = 0x20000;
/** A doorbell took effect. sub: queue; c: cycle in which the host wrote it. */
export const DOORBELL = 8;
/** An MSI-X message was decided. sub: vector; a: data; b: queue that is notified, 0xffff for the configuration; c: cycle
 *  of its arrival at the host. */
export const MSIX = 9;
/** A frame. sub: 0 into the switch (from function, or the wire: NOBODY), 1 out of it (to function or wire); a: bytes;
 *  payload: the frame. */
export const FRAME = 10;
/** A register access took effect. sub: 1 for a write, 0 for a read, + 2 * BAR (7: configuration space, 6: legacy
 *  registers); a: offset | size << 24; b: value. */
export const REGISTER = 11;
