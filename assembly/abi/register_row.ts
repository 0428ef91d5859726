// SPDX-License-Identifier: Apache-2.0
// Shape of a register row. Every block in this folder is one StaticArray<u32> with ROW_FIELDS numbers per register:
//
//   | offset | width | access | reset | write mask |      width is 1, 2 or 4 bytes, rows are sorted and leave no gap
//
// A 64-bit field is two rows, low half first (NAME, NAME_HI). The write mask holds the bits a driver's write changes (for W1C: clears).
// Values that depend on the instance (queue counts, BAR sizes, capability pointers) are 0 in the row and set by the function that owns it.
// Rule for all files here: non-negative literals up to 0xffffffff, sums, and `1 << n` with n <= 30; both compilers read them alike.

export const ROW_OFFSET = 0;
export const ROW_WIDTH = 1;
export const ROW_ACCESS = 2;
export const ROW_RESET = 3;
export const ROW_WRITE_MASK = 4;
export const ROW_FIELDS = 5;

// Access codes, as the driver sees the register.
export const RO = 0; // writes are ignored
export const RW = 1; // bits of the write mask are stored
export const W1C = 2; // a one clears the bit where the write mask has it
export const RC = 3; // reading clears, writes are ignored
export const WO = 4; // reads as zero; the write acts
