// SPDX-License-Identifier: Apache-2.0
// An input for the card: a header and operations of 16 bytes each, so that any bytes are a program and a mutation never
// shifts what follows.
//
//   header     flags u32 (bit 0: timed mode), 12 bytes that are not used
//   operation  kind u8 | function u8 | a u8 | b u8 | offset u32 | value u32 | value2 u32
//
// An operation is one access, or what a driver does in one go: set a queue up, send a frame, give an administration
// command. Values out of range are wanted; what cannot exist (a fifth function, say) is reduced to what can.

export const OP_BYTES = 16;
export const OP_WORDS = OP_BYTES / 4;
/** Operations that are executed; what follows is left out. */
export const OPS_MAX = 400;
export const PROGRAM_TIMED = 1;

export const OP = {
  configRead: 0,
  configWrite: 1,
  mmioRead: 2,
  mmioWrite: 3,
  memory: 4,
  descriptor: 5,
  available: 6,
  kick: 7,
  queueSetup: 8,
  bringUp: 9,
  driverOk: 10,
  admin: 11,
  legacy: 12,
  control: 13,
  receive: 14,
  transmit: 15,
  advance: 16,
  frame: 17,
  flr: 18,
  vfEnable: 19,
  readFault: 20,
  attach: 21,
  fill: 22,
  region: 23,
  indirect: 24,
  queueReset: 25,
} as const;

/** What an operation of a program does. */
export type OpName = keyof typeof OP;

export const OP_NAMES = Object.keys(OP) as OpName[];

/** One operation, taken apart. */
export interface Operation {
  readonly name: OpName;
  readonly fn: number;
  readonly a: number;
  readonly b: number;
  readonly offset: number;
  readonly value: number;
  readonly value2: number;
}

/** The fields of an operation that matter; the others are 0. */
export type OperationFields = { readonly name: OpName } & Partial<Omit<Operation, 'name'>>;

/** Operations as input bytes. */
export function encodeProgram(operations: readonly OperationFields[], isTimed = false): Uint8Array {
  const bytes = new Uint8Array(OP_BYTES * (operations.length + 1));
  const words = new Uint32Array(bytes.buffer);
  words[0] = isTimed ? PROGRAM_TIMED : 0;
  operations.forEach(({ name, fn = 0, a = 0, b = 0, offset = 0, value = 0, value2 = 0 }, index) => {
    const at = OP_WORDS * (index + 1);
    words[at] = OP[name] + (fn << 8) + (a << 16) + b * 0x1000000;
    words[at + 1] = offset;
    words[at + 2] = value;
    words[at + 3] = value2;
  });
  return bytes;
}

/** Input bytes as operations; a rest that is no whole operation is left out. */
export function decodeProgram(input: Uint8Array): { isTimed: boolean; operations: Operation[] } {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const count = Math.max(0, Math.min(OPS_MAX, Math.floor(input.length / OP_BYTES) - 1));
  const operations = Array.from({ length: count }, (_, index): Operation => {
    const at = OP_BYTES * (index + 1);
    return {
      name: OP_NAMES[input[at]! % OP_NAMES.length]!,
      fn: input[at + 1]!,
      a: input[at + 2]!,
      b: input[at + 3]!,
      offset: view.getUint32(at + 4, true),
      value: view.getUint32(at + 8, true),
      value2: view.getUint32(at + 12, true),
    };
  });
  return { isTimed: input.length >= 4 && (view.getUint32(0, true) & PROGRAM_TIMED) !== 0, operations };
}
