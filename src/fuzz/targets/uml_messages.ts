// SPDX-License-Identifier: Apache-2.0
// Messages and commands of a User Mode Linux kernel from records: a template, filled with the record's fields, then changed
// by the patches before it. Numbers are the protocols', typed again.
import { encodeRecords, record, type FuzzRecord, type RecordGrammar } from './records.ts';
import { ANSWERS_AT, COMMANDS_AT, ENTRIES, RAM_BASE, RAM_BYTES, RINGS } from './uml_model.ts';

/** Kinds of records behind the first. */
export const KIND = {
  MESSAGE: 0,
  PATCH: 1,
  FILES: 2,
  CUT: 3,
  CONNECT: 4,
  HANG_UP: 5,
  ROOM: 6,
  COMMAND: 7,
  MEMORY: 8,
  CARD: 9,
  COMMAND_TOO: 10,
  SHRINK: 11,
  DESCRIPTOR: 12,
} as const;
export const KINDS = 13;
const HEADER = 12;
const VERSION = 1;
const NEED_REPLY = 8;

interface Template {
  readonly name: string;
  readonly request: number;
  payload(entry: FuzzRecord): Uint8Array;
}

const OWNED = RAM_BASE;
const TABLES: readonly (readonly (readonly [guest: number, size: number, user: number, offset: number])[])[] = [
  [[OWNED, RAM_BYTES, OWNED, 0]],
  [[OWNED, RAM_BYTES, 0x7000_0000_0000, 0]],
  [[OWNED, RAM_BYTES / 2, OWNED, 0], [OWNED + RAM_BYTES / 2, RAM_BYTES / 2, OWNED + RAM_BYTES / 2, RAM_BYTES / 2]],
  [[OWNED, 0x2000, OWNED, 0], [OWNED + 0x1000, 0x2000, OWNED + 0x4000, 0]],
  [[OWNED, RAM_BYTES + 1, OWNED, 0]],
  [[OWNED, 0, OWNED, 0]],
  [[0, 2 ** 53, 0, 0]],
  [],
]; // prettier-ignore

const TEMPLATES: readonly Template[] = [
  { name: 'SET_OWNER', request: 3, payload: () => new Uint8Array(0) },
  { name: 'GET_FEATURES', request: 1, payload: () => new Uint8Array(0) },
  { name: 'GET_PROTOCOL_FEATURES', request: 15, payload: () => new Uint8Array(0) },
  { name: 'SET_PROTOCOL_FEATURES', request: 16, payload: ({ value }) => fields([8, 0x4028 ^ value]) },
  { name: 'SET_SLAVE_REQ_FD', request: 21, payload: () => new Uint8Array(0) },
  { name: 'SET_FEATURES', request: 2, payload: ({ value }) => fields([4, 0x4000_0000 ^ value], [4, 1]) },
  { name: 'SET_MEM_TABLE', request: 5, payload: ({ at }) => table(at) },
  { name: 'SET_VRING_NUM', request: 8, payload: ({ at, value }) => fields([4, at], [4, ENTRIES ^ value]) },
  { name: 'SET_VRING_BASE', request: 10, payload: ({ at, value }) => fields([4, at], [4, value]) },
  { name: 'SET_VRING_ADDR', request: 9, payload: rings },
  { name: 'SET_VRING_ENABLE', request: 18, payload: ({ at, value }) => fields([4, at], [4, 1 ^ value]) },
  { name: 'VRING_KICK', request: 35, payload: ({ at }) => fields([4, at], [4, 0]) },
  { name: 'nothing known', request: 24, payload: ({ at }) => new Uint8Array(at & 0x1ff) },
];
const [CHANNEL, TABLE] = [4, 6];

type Field = readonly [bytes: number, value: number];

export function fields(...list: readonly Field[]): Uint8Array {
  const data = new Uint8Array(list.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of list) {
    let rest = BigInt(value);
    for (let i = 0; i < bytes; i++, rest >>= 8n) data[at + i] = Number(rest & 0xffn);
    at += bytes;
  }
  return data;
}

function table(at: number): Uint8Array {
  const regions = TABLES[at % TABLES.length]!;
  return fields([4, regions.length], [4, 0], ...regions.flatMap((region) => region.map((word): Field => [8, word])));
}

/** Rings of a queue where they belong, but for one, which `value` moves. */
function rings({ at, value }: FuzzRecord): Uint8Array {
  const [desc, avail, used] = RINGS[at & 1]!;
  const moved = (value >>> 16) & 3;
  const place = (ring: number, offset: number): Field => [8, RAM_BASE + offset + (moved === ring ? value & 0xffff : 0)];
  return fields([4, at], [4, at >>> 8], place(1, desc), place(3, used), place(2, avail), [8, 0]);
}

/** Files that a message of a template comes with, where no record says otherwise. */
export function filesOf({ arg, at }: FuzzRecord): { kind: 'memory' | 'channel'; count: number } {
  const template = (arg & 0x1f) % TEMPLATES.length;
  if (template === TABLE) return { kind: 'memory', count: TABLES[at % TABLES.length]!.length };
  return { kind: 'channel', count: template === CHANNEL ? 1 : 0 };
}

/** The bytes of a message, with the patches on it. */
export function messageOf(entry: FuzzRecord, patches: readonly FuzzRecord[]): Uint8Array {
  const template = TEMPLATES[(entry.arg & 0x1f) % TEMPLATES.length]!;
  const payload = template.payload(entry);
  const flags = VERSION | ((entry.arg & 0x20) === 0 ? NEED_REPLY : 0);
  const bytes = Uint8Array.from([...fields([4, template.request], [4, flags], [4, payload.length]), ...payload]);
  for (const { arg, at, value } of patches) {
    const from = (arg & 4) === 0 ? at % HEADER : HEADER + (at % Math.max(1, payload.length));
    const width = 1 << (arg & 3);
    for (let i = 0; i < width && from + i < bytes.length; i++) {
      bytes[from + i] = i < 4 ? value >>> (8 * i) : (arg & 8) === 0 ? 0 : 0xff;
    }
  }
  return bytes;
}

/** What a command puts into the memory: bytes by offset. */
export type Writes = (readonly [offset: number, bytes: Uint8Array])[];

const SIZES = [1, 2, 4, 8, 3, 16, 0, 0x10001];

/** A command in the buffers of one slot of four, as a chain of two descriptors. */
export function commandOf({ arg, at, value }: FuzzRecord): { writes: Writes; head: number } {
  const slot = at >>> 14;
  const op = arg & 7;
  const size = SIZES[(arg >>> 3) & 7]!;
  const [bar, address] = op === 1 || op === 2 ? [0, at & 0xfff] : [(at >>> 11) & 6, at & 0xfff];
  const isRead = op === 1 || op === 3;
  const data = isRead ? [] : [4, 4, 4, 4].map((bytes): Field => [bytes, value]);
  const [readable, writable] = [COMMANDS_AT + 64 * slot, ANSWERS_AT + 256 * slot];
  const head = 2 * slot;
  const length = 16 + (isRead ? 0 : Math.min(size, 16) || 16);
  return {
    head,
    writes: [
      [readable, fields([1, op], [1, bar], [2, 0], [4, size], [8, address], ...data)],
      [RINGS[0]![0] + 16 * head, fields([8, RAM_BASE + readable], [4, length], [2, isRead ? 1 : 0], [2, head + 1])],
      [RINGS[0]![0] + 16 * (head + 1), fields([8, RAM_BASE + writable], [4, Math.max(1, size & 0xff)], [2, 2], [2, 0])],
    ],
  };
}

/** A descriptor of queue 0 or 1, in part. */
export function descriptorOf({ arg, at, value }: FuzzRecord): Writes {
  const place = RINGS[arg >>> 7]![0] + 16 * (at % ENTRIES);
  const part = (arg >>> 4) & 3;
  const [offset, bytes] = [[0, 8] as const, [8, 4] as const, [12, 2] as const, [14, 2] as const][part]!;
  return [[place + offset, fields([bytes, part === 0 ? RAM_BASE + value : value])]];
}

export const UML_GRAMMAR: RecordGrammar = {
  kinds: KINDS,
  places: [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 0x10, 0x18, 0x20, 0x34, 0xfc, 0x100, 0x148, 0x150, 0x400, 0x402].concat([
    0x800, 0x802, 0x1002, 0x1014, 0x1402, 0x1802, 0x2004, 0x4000, 0x5014, 0x8000, 0xc000, 0xfff, 0xffff,
  ]),
  values: [0, 1, 2, 3, 4, 6, 7, 8, 9, 15, 16, 20, 24, 64, 255, 256, 0x1000, 0x7fff, 0x8000, 0xffff, 0x10000].concat([
    0x10001, 0x20001, 0x30002, 0x1f800, 0xa0000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
  ]),
};

const message = (template: number, at = 0, value = 0): FuzzRecord => record(KIND.MESSAGE, template, at, value);
/** A configuration read, of 4 bytes. */
const look = (at: number): FuzzRecord => record(KIND.COMMAND, 1 | (2 << 3), at);
const command = (op: number, sizeCode: number, at: number, value = 0): FuzzRecord =>
  record(KIND.COMMAND, op | (sizeCode << 3), at, value);

/** What a kernel says when it finds the function. */
export const START: readonly FuzzRecord[] = [
  ...[0, 1, 2, 3, 4, 5, 6].map((template) => message(template)),
  ...[0, 1].flatMap((queue) => [7, 8, 9].map((template) => message(template, queue))),
  ...[0, 1].map((queue) => message(10, queue)),
  message(11, 1),
];

/** A driver that runs, with its transmit queue in the memory: registers of BAR 2, then a doorbell. */
const DRIVER: readonly FuzzRecord[] = [
  command(2, 2, 0x18, 0xf0000000),
  command(2, 2, 0x20, 0xf0010000),
  command(2, 1, 0x04, 6),
  ...[1, 3].map((status) => command(4, 0, 0x1014, status)),
  command(4, 2, 0x1008, 1),
  command(4, 2, 0x100c, 1),
  command(4, 0, 0x1014, 0xb),
  command(4, 1, 0x1016, 1),
  command(4, 1, 0x1018, 4),
  ...[0x20, 0x28, 0x30].map((at, i) => command(4, 2, 0x1000 + at, RAM_BASE + 0xc000 + 0x400 * i)),
  command(4, 1, 0x101c, 1),
  command(4, 0, 0x1014, 0xf),
  record(KIND.MEMORY, 0, 0xc402, 1),
  record(KIND.CARD, 0),
  record(KIND.CARD, 1, 60),
  record(KIND.CARD, 2),
];

/** Inputs to begin with: each function, each kind of memory, a kernel's start, accesses, a driver, each kind of attack. */
export function umlSeeds(): Uint8Array[] {
  const seeds: FuzzRecord[][] = [];
  for (let fn = 0; fn < 3; fn++) {
    for (const memory of [1, 3]) {
      seeds.push([record(fn, memory), look(0), look(4), command(3, 2, 0x1012), command(5, 2, 0x2000, 7), look(8)]);
      seeds.push([record(fn, memory), ...DRIVER]);
    }
    seeds.push([record(fn, 0), ...START]);
  }
  for (let template = 0; template < TEMPLATES.length; template++) {
    for (const value of [0, 1, 3]) seeds.push([record(0, 1), message(template, value, value), look(0)]);
  }
  const attacks: readonly (readonly FuzzRecord[])[] = [
    [record(KIND.PATCH, 2, 8, 0xffffffff), message(1), look(0)],
    [record(KIND.PATCH, 2, 4, 2), message(1), look(0)],
    [record(KIND.CUT, 0, 9), message(1), look(0)],
    [record(KIND.CUT, 1, 1), message(1), look(0)],
    [record(KIND.CUT, 3), message(1), look(0)],
    [record(KIND.FILES, 0, 17), message(4), look(0)],
    [record(KIND.FILES, 2, 1), message(4), look(0)],
    [record(KIND.FILES, 3, 1), message(6), look(0)],
    [record(KIND.ROOM, 0, 0, 30), look(0), look(4)],
    [record(KIND.ROOM, 2, 0, 1), look(0), look(4), look(8), record(KIND.ROOM, 3)],
    [record(KIND.CONNECT), look(0)],
    [record(KIND.HANG_UP), record(KIND.CONNECT), ...START, look(0)],
    [record(KIND.SHRINK, 0, 0x1000), look(0)],
    [
      record(KIND.DESCRIPTOR, 0x30, 1, 0),
      record(KIND.DESCRIPTOR, 0x20, 1, 1),
      record(KIND.MEMORY, 0, 0x402, 1),
      message(11),
    ],
    [record(KIND.MEMORY, 0, 0x402, 0x8000), message(11)],
    ...TABLES.map((_, i) => [message(6, i), look(0)]),
  ];
  for (const memory of [1, 3]) attacks.forEach((attack, i) => seeds.push([record(i % 2, memory), ...attack]));
  return seeds.map(encodeRecords);
}

/** One line of a record. */
export function describeRecord({ kind, arg, at, value }: FuzzRecord): string {
  const template = TEMPLATES[(arg & 0x1f) % TEMPLATES.length]!.name;
  switch (kind % KINDS) {
    case KIND.MESSAGE:
      return `${template}${(arg & 0x20) === 0 ? '' : ', no reply wanted'}: ${hex(at)}, ${hex(value)}`;
    case KIND.PATCH:
      return `next message: ${(arg & 4) === 0 ? 'header' : 'payload'} + ${at} becomes ${hex(value)}, ${1 << (arg & 3)} bytes`;
    case KIND.FILES:
      return `next message: ${at % 20} descriptors of kind ${arg & 3}`;
    case KIND.CUT:
      return `next message: ${['only its first', 'in pieces of', 'followed by', 'together with the next,'][arg & 3]!} ${at} bytes`;
    case KIND.CONNECT:
      return 'another kernel comes';
    case KIND.HANG_UP:
      return 'the kernel is killed';
    case KIND.ROOM:
      return `the kernel reads ${(arg & 1) === 0 ? value & 0xffff : 'all'} ${(arg & 2) === 0 ? 'bytes of replies' : 'messages of its channels'}`;
    case KIND.COMMAND:
    case KIND.COMMAND_TOO:
      return `command ${arg & 7}, ${SIZES[(arg >>> 3) & 7]!} bytes at ${hex(at)}: ${hex(value)}${(arg & 0x40) === 0 ? '' : ', without a kick'}`;
    case KIND.MEMORY:
      return `the memory at ${hex(at)} becomes ${hex(value)}`;
    case KIND.SHRINK:
      return `the memory's file is cut to ${at} bytes`;
    case KIND.DESCRIPTOR:
      return `descriptor ${at % ENTRIES} of queue ${arg >>> 7}: part ${(arg >>> 4) & 3} becomes ${hex(value)}`;
    default:
      return ['the card works until it is idle', 'a frame comes in', 'the link changes'][arg % 3]!;
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
