// SPDX-License-Identifier: Apache-2.0
// What a ring format is: a file of this folder that exports the functions of ring.ts under the same names. Between the
// engines and a format a buffer is a number, its id, by which the driver knows it; where it stood in the ring is a
// position, 16 bits that only the format can read. beginWalk() follows the take() of its buffer, before another is taken,
// and so does onlySegment(). What was completed becomes visible with publish(), all of it at once: a driver that polls sees
// nothing earlier. How much was shown is a number that counts on through 65536, in units of the format. What a format
// remembers of a queue are fields of the queue; of a walk, fields of the job.

/** take(): a fetch is under way, EV.FE_DONE will come. */
export const TAKE_PENDING = -1;
/** take(): the driver has made nothing available. */
export const TAKE_NONE = -2;
/** take(): the queue was stopped by a driver's mistake. */
export const TAKE_BROKEN = -3;

/** walk(): the segments of the buffer are known. */
export const WALK_DONE = 0;
/** walk(): a read is under way, EV.JOB_DONE will come. */
export const WALK_PENDING = -1;
/** addSegment(): the walk goes on. */
export const WALK_ON = -2;
// positive results are the counter of the rule that the driver broke
