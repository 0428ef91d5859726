// SPDX-License-Identifier: Apache-2.0
// Reads the hand-typed tables of spec_pci.ts and spec_virtio.ts: the second entry of the double entry. Structures are
// lines `offset width name access [reset [mask]]`, numbers are pairs `value NAME`; both as a reader of the
// specification would copy them. Fields of 8 and 6 bytes become two rows, NAME and NAME_HI, as the declarations have them.

/** The exports of one file of assembly/abi. */
export type AbiModule = Readonly<Record<string, number | readonly number[]>>;

/** A structure: the table of rows, the prefix of its constants and its typed lines. */
export interface SpecBlock {
  readonly table: string;
  readonly prefix: string;
  readonly lines: string;
}

/** What the specifications say about one file of assembly/abi. */
export interface SpecFile {
  readonly file: string;
  readonly abi: AbiModule;
  readonly blocks: readonly SpecBlock[];
  /** Pairs `value NAME` for each prefix. */
  readonly numbers: readonly (readonly [prefix: string, pairs: string])[];
}

/** Offset, width, access code, reset value, write mask. */
export type SpecRow = readonly [number, number, number, number, number];

const ACCESS_CODES: Readonly<Record<string, number>> = { RO: 0, RW: 1, W1C: 2, RC: 3, WO: 4 };
const ALL_ONES: Readonly<Record<number, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

/** Rows of a structure with the names of their constants. */
export function specRows({ prefix, lines }: SpecBlock): [name: string, row: SpecRow][] {
  return linesOf(lines).flatMap((line) => {
    const [offset = '', bytes = '', field = '', access = '', reset = '0', mask] = line.split(/\s+/);
    const name = prefix + field.toUpperCase();
    const code = ACCESS_CODES[access];
    if (code === undefined) throw new Error(`no access in the line "${line}"`);
    const row = (at: number, width: number): SpecRow => {
      const written = mask === undefined ? (code === 1 ? ALL_ONES[width] : 0) : Number(mask);
      return [at, width, code, Number(reset), written ?? NaN];
    };
    const at = Number(offset);
    const width = Number(bytes);
    if (width <= 4) return [[name, row(at, width)]];
    return [
      [name, row(at, 4)],
      [`${name}_HI`, row(at + 4, width - 4)],
    ];
  });
}

/** Every constant that the tables of a file speak of. */
export function specConstants({ blocks, numbers }: SpecFile): Map<string, number> {
  const constants = new Map<string, number>();
  for (const block of blocks) for (const [name, [offset]] of specRows(block)) constants.set(name, offset);
  for (const [prefix, pairs] of numbers) {
    const words = pairs.trim().split(/\s+/);
    for (let index = 0; index < words.length; index += 2)
      constants.set(prefix + words[index + 1], Number(words[index]));
  }
  return constants;
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
