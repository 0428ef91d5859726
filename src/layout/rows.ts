// SPDX-License-Identifier: Apache-2.0
// The form of the layout table: blocks of state, each a list of rows in the order of their addresses. A row's offset
// follows from the row before it and its own alignment, so a field is added by adding a row.

/** Who writes state: the folders of the core, of which `host` is the computer around the card, and `src`, what runs the core. */
export const ROOMS = ['mem', 'sim', 'host', 'pcie', 'pci', 'virtio', 'admin', 'net', 'nic', 'src'] as const;

export interface RowOptions {
  /** Offset, for a place that is not simply the next: the fields before it leave a gap. */
  readonly at?: number;
  /** Rooms that write it, separated by blanks; without it those of the block. '': nobody, it is as it was created. */
  readonly by?: string;
}

/**
 * A field: the name of its constant; its type, `u8` to `u64` or the name of a block, and how many of them in brackets,
 * a product of numbers and names of numbers (`[]`: as many as the configuration asks for); what it is.
 */
export type Row = readonly [name: string, type: string, what: string, options?: RowOptions];

/** A number that the layout needs: how many there are of something, or how large it is. */
export type LayoutNumber = readonly [name: string, value: number, what: string];

export interface Block {
  /** By this name rows and other blocks have it as their type. */
  readonly name: string;
  readonly title: string;
  /** File of assembly/abi that its constants stand in. */
  readonly file: string;
  /** Rooms that write its fields. */
  readonly by: string;
  /** Constant for its size, where somebody needs it. */
  readonly sizeName?: string;
  /** Its size, where that is more than what the rows need. */
  readonly bytes?: number;
  /** The block is there once, and its constants are addresses: this row of another block says where. */
  readonly within?: string;
  readonly numbers?: readonly LayoutNumber[];
  readonly rows: readonly Row[];
}

export type Table = readonly Block[];
