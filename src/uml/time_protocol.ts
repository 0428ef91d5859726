// SPDX-License-Identifier: Apache-2.0
// What a User Mode Linux kernel with time-travel=ext says to the calendar that keeps its time, and the calendar to it
// (include/uapi/linux/um_timetravel.h). A message is | op u32 | sequence u32 | time u64, ns |, little-endian; each but ACK
// is answered by an ACK with its sequence number.
export const MESSAGE_BYTES = 16;
export const OP = 0;
export const SEQUENCE = 4;
export const TIME = 8;

export const ACK = 0;
/** The kernel is there. */
export const START = 1;
/** The kernel wants to run at a time; the last one counts. */
export const REQUEST = 2;
/** The kernel has nothing to do until then, or an interrupt. */
export const WAIT = 3;
/** The kernel asks for the time, which comes with the ACK. */
export const GET = 4;
/** The kernel's time, which is the calendar's from now on. */
export const UPDATE = 5;
/** The calendar's: it is that late, go on. */
export const RUN = 6;
/** The kernel asks for the time of day, likewise. */
export const GET_TOD = 8;
/** The same for every member of a calendar with several. */
export const BROADCAST = 9;
