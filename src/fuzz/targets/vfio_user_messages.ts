// SPDX-License-Identifier: Apache-2.0
// Messages of a vfio-user client from records: a template, filled with the record's fields, then changed by the patches
// before it. Numbers are the protocol's (docs/vfio-user.rst of libvfio-user), typed again.
import { encodeRecords, record, type FuzzRecord, type RecordGrammar } from './records.ts';

/** Kinds of records behind the first. */
export const KIND = {
  MESSAGE: 0,
  PATCH: 1,
  FILES: 2,
  CUT: 3,
  CONNECT: 4,
  HANG_UP: 5,
  ROOM: 6,
  DMA_ANSWER: 7,
  MEMORY: 8,
  CARD: 9,
  MESSAGE_TOO: 10,
  PATCH_TOO: 11,
} as const;
export const KINDS = 12;

const HEADER = 16;
/** DMA address of the first range; each further one lies as far behind the one before. */
export const RAM_BASE = 0x10000;
export const RAM_BYTES = 0x10000;
const MAP_SIZES = [0x10000, 0x1000, 0x8000, 0, 1, 0x20000, 2 ** 40, Number.MAX_SAFE_INTEGER];
/** Common configuration, ISR, device configuration and doorbells in BAR2. */
const STRUCTURES = [0, 0x1000, 0x2000, 0x3000];
const VERSIONS: readonly (string | null)[] = [
  '{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"pgsizes":4096,"write_multiple":true}}',
  null,
  '{}',
  '{"capabilities":{"max_data_xfer_size":4}}',
  '{"capabilities":{"max_data_xfer_size":0}}',
  '{"capabilities":{"max_msg_fds":-1}}',
  '{"capabilities":{"max_msg_fds":1e400}}',
  '{"capabilities":{"pgsizes":"4096"}}',
  '{"capabilities":null}',
  '{"capabilities":{"__proto__":{"max_msg_fds":[]},"toString":1}}',
  '[[[[[[[[',
  '"\ud800"',
  '',
];

/** A message template by name: its command, and what fills the payload. */
interface Template {
  readonly name: string;
  readonly command: number;
  payload(entry: FuzzRecord): Uint8Array;
}

const TEMPLATES: readonly Template[] = [
  { name: 'VERSION', command: 1, payload: ({ at }) => version(at) },
  { name: 'DMA_MAP', command: 2, payload: dmaMap },
  {
    name: 'DMA_UNMAP',
    command: 3,
    payload: ({ at, value }) =>
      fields(
        [4, 24],
        [4, value & 3],
        [8, (value & 2) === 0 ? rangeStart(at) : 0],
        [8, (value & 2) === 0 ? rangeSize(at) : 0],
      ),
  },
  { name: 'DEVICE_GET_INFO', command: 4, payload: () => fields([4, 16], [12, 0]) },
  { name: 'DEVICE_GET_REGION_INFO', command: 5, payload: ({ at }) => fields([4, 32], [4, 0], [4, at], [20, 0]) },
  { name: 'DEVICE_GET_REGION_IO_FDS', command: 6, payload: ({ at, value }) => fields([4, 16], [4, value], [8, at]) },
  { name: 'DEVICE_GET_IRQ_INFO', command: 7, payload: ({ at }) => fields([4, 16], [4, 0], [4, at], [4, 0]) },
  { name: 'DEVICE_SET_IRQS', command: 8, payload: setIrqs },
  {
    name: 'REGION_READ',
    command: 9,
    payload: ({ at, value }) => fields([8, at & 0xfff], [4, at >>> 12], [4, value & 0xffff]),
  },
  { name: 'REGION_WRITE', command: 10, payload: (entry) => write(entry, entry.at >>> 12, entry.at & 0xfff) },
  {
    name: 'REGION_WRITE of BAR2',
    command: 10,
    payload: (entry) => write(entry, 2, STRUCTURES[(entry.at >>> 12) & 3]! + (entry.at & 0xfff)),
  },
  { name: 'DEVICE_RESET', command: 13, payload: () => new Uint8Array(0) },
  { name: 'REGION_WRITE_MULTI', command: 15, payload: writeMulti },
  { name: 'DEVICE_FEATURE', command: 16, payload: ({ value }) => fields([4, 8], [4, value]) },
  { name: 'MIG_DATA_READ', command: 17, payload: () => new Uint8Array(8) },
  { name: 'DMA_READ', command: 11, payload: ({ at, value }) => fields([8, at], [8, value]) },
  { name: 'nothing known', command: 0x8001, payload: ({ at }) => new Uint8Array(at & 0xff) },
  {
    name: 'REGION_READ of BAR2',
    command: 9,
    payload: ({ at, value }) => fields([8, STRUCTURES[(at >>> 12) & 3]! + (at & 0xfff)], [4, 2], [4, (value & 7) + 1]),
  },
];

type Field = readonly [bytes: number, value: number];

function fields(...list: readonly Field[]): Uint8Array {
  const data = new Uint8Array(list.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of list) {
    let rest = BigInt(value);
    for (let i = 0; i < bytes; i++, rest >>= 8n) data[at + i] = Number(rest & 0xffn);
    at += bytes;
  }
  return data;
}

function version(at: number): Uint8Array {
  const json = VERSIONS[at % VERSIONS.length]!;
  return Uint8Array.from([0, 0, 0, 0, ...(json === null ? [] : [...new TextEncoder().encode(json), 0])]);
}

function rangeStart(at: number): number {
  return RAM_BASE + (at & 7) * RAM_BYTES;
}

function rangeSize(at: number): number {
  return MAP_SIZES[(at >>> 3) & 7]!;
}

function dmaMap({ at, value }: FuzzRecord): Uint8Array {
  return fields([4, 32], [4, value & 0xf], [8, (value >>> 8) & 0xffff], [8, rangeStart(at)], [8, rangeSize(at)]);
}

function setIrqs({ at, value }: FuzzRecord): Uint8Array {
  const count = at >>> 8;
  const bools: Field = [(value & 2) === 0 ? 0 : count & 0x3f, value >>> 8];
  return fields([4, 20], [4, value & 0x3f], [4, at & 7], [4, (at >>> 3) & 31], [4, count], bools);
}

function write({ arg, value }: FuzzRecord, region: number, offset: number): Uint8Array {
  const count = 1 << (arg >>> 6);
  return fields([8, offset], [4, region], [4, count], [count, value]);
}

function writeMulti({ at, value }: FuzzRecord): Uint8Array {
  const count = at & 15;
  const one = fields([8, STRUCTURES[(at >>> 4) & 3]! + (at >>> 8)], [4, 2], [4, (value & 7) + 1], [8, value]);
  return Uint8Array.from([...fields([8, count]), ...Array.from({ length: count }, () => [...one]).flat()]);
}

function templateOf({ arg }: FuzzRecord): Template {
  return TEMPLATES[(arg & 0x1f) % TEMPLATES.length]!;
}

/** The bytes of a message, with the patches on it. */
export function messageOf(entry: FuzzRecord, id: number, patches: readonly FuzzRecord[]): Uint8Array {
  const template = templateOf(entry);
  const payload = template.payload(entry);
  const flags = (entry.arg & 0x20) === 0 ? 0 : 0x10;
  const head = fields([2, id], [2, template.command], [4, HEADER + payload.length], [4, flags], [4, 0]);
  const bytes = Uint8Array.from([...head, ...payload]);
  for (const { arg, at, value } of patches) {
    const from = (arg & 4) === 0 ? at % HEADER : HEADER + (at % Math.max(1, payload.length));
    const width = 1 << (arg & 3);
    for (let i = 0; i < width && from + i < bytes.length; i++)
      bytes[from + i] = i < 4 ? value >>> (8 * i) : (arg & 8) === 0 ? 0 : 0xff;
  }
  return bytes;
}

/** What the client's memory holds: rings of queues 0 to 2 with chains made available, and their buffers. */
export function ramImage(): Uint8Array {
  const ram = new Uint8Array(RAM_BYTES);
  const view = new DataView(ram.buffer);
  for (let queue = 0; queue < 3; queue++) {
    const base = queue * 0x3000;
    for (let i = 0; i < 4; i++) {
      const desc = base + 16 * i;
      view.setUint32(desc, RAM_BASE + 0x9000 + (queue * 4 + i) * 0x800, true);
      view.setUint32(desc + 8, queue === 0 ? 0x800 : 76, true);
      view.setUint16(desc + 12, queue === 0 ? 2 : 0, true);
      view.setUint16(base + 0x1000 + 4 + 2 * i, i, true);
    }
    view.setUint16(base + 0x1000 + 2, queue === 1 ? 2 : 4, true);
  }
  // a frame to everybody
  for (let i = 0; i < 8; i++) ram.fill(0xff, 0x9000 + (4 + i) * 0x800 + 12, 0x9000 + (4 + i) * 0x800 + 18);
  return ram;
}

export const VFIO_USER_GRAMMAR: RecordGrammar = {
  kinds: KINDS,
  places: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 20, 24, 28, 32, 0x14, 0x16, 0x18, 0x1c].concat([
    0x7004, 0x7010, 0x7018, 0x7054, 0x704a, 0x3000, 0x1000, 0x0102, 0x0202, 0x0100, 0x2000, 0x8000, 0xffff,
  ]),
  values: [
    0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 32, 33, 34, 36, 64, 255, 256, 0x1000, 0x7fff, 0xffff, 0x10000, 0x100000,
  ].concat([0x100010, 0x100020, 0x100021, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff]),
};

const message = (template: number, at = 0, value = 0, sizeShift = 0): FuzzRecord =>
  record(KIND.MESSAGE, template | (sizeShift << 6), at, value);
const common = (register: number, value: number, sizeShift = 2): FuzzRecord => message(10, register, value, sizeShift);

/** A driver's start with three queues in the client's memory, and doorbells; a file of the kind holds the memory, if any. */
function bringUp(fileKind: number | null): FuzzRecord[] {
  const records = [
    ...(fileKind === null ? [] : [record(KIND.FILES, fileKind, 1)]),
    message(1, 0, 3),
    record(KIND.FILES, 2, 3),
    message(7, 0x0302, 0x24), // eventfds for three MSI-X vectors
    message(9, 0x7004, 6, 1),
    ...[0, 1, 3].map((status) => common(0x14, status, 0)),
    common(0x08, 1),
    common(0x0c, 1),
    common(0x14, 0xb, 0),
  ];
  for (let queue = 0; queue < 3; queue++) {
    const base = RAM_BASE + queue * 0x3000;
    records.push(common(0x16, queue, 1), common(0x18, 4, 1), common(0x1a, queue, 1));
    records.push(common(0x20, base), common(0x28, base + 0x1000), common(0x30, base + 0x2000), common(0x1c, 1, 1));
  }
  records.push(common(0x14, 0xf, 0), ...DOORBELLS);
  return records;
}

const DOORBELLS: readonly FuzzRecord[] = [
  common(0x3004, 1, 1),
  common(0x3000, 0, 1),
  record(KIND.CARD, 1, 60),
  message(7, 0x0002, 0x21), // vectors off
  record(KIND.CARD, 1, 60),
  message(3),
];

/** Inputs to begin with: each function, each template, a driver's start with files and by messages, each kind of attack. */
export function vfioUserSeeds(): Uint8Array[] {
  const seeds: FuzzRecord[][] = [];
  for (let fn = 0; fn < 3; fn++) {
    seeds.push([record(fn, 1), ...TEMPLATES.map((_, i) => message(i, 2, 1))]);
    seeds.push([record(fn, 1), ...bringUp(0), record(KIND.HANG_UP), record(KIND.CONNECT), message(0), message(3)]);
    seeds.push([record(fn, 1), ...bringUp(1)], [record(fn, 1), ...bringUp(null)]);
  }
  const start = bringUp(null);
  for (let answer = 0; answer < 12; answer++) {
    const asked = record(KIND.DMA_ANSWER, answer, 2);
    seeds.push([record(0, 1), ...start.slice(0, -DOORBELLS.length), asked, ...DOORBELLS]);
  }
  // the memory goes away under a driver that runs
  for (const fileKind of [0, 1, null]) {
    seeds.push([record(0, 1), ...bringUp(fileKind), message(2, 0, 0), record(KIND.CARD, 1, 60), ...DOORBELLS]);
  }
  VERSIONS.forEach((_, i) => seeds.push([record(0, 0), message(0, i), message(3)]));
  const info = message(3);
  const attacks: readonly (readonly FuzzRecord[])[] = [
    [record(KIND.PATCH, 2, 4, 3), info, info],
    [record(KIND.PATCH, 2, 4, 0xffffffff), info],
    [record(KIND.PATCH, 2, 8, 0x10), info],
    [record(KIND.CUT, 0, 9), info, info],
    [record(KIND.CUT, 1, 1), info],
    [record(KIND.CUT, 2, 20), info],
    [record(KIND.CUT, 3), info, info],
    [record(KIND.FILES, 2, 17), message(7, 0x0102, 0x24), info],
    [record(KIND.FILES, 2, 17), message(7 | 0x20, 0x0102, 0x24), info],
    [record(KIND.FILES, 2, 1), message(7, 0x0102, 0x24), message(7, 0x0002, 0x21), info],
    [record(KIND.FILES, 2, 1), message(7, 0x0100, 0x24), message(7, 0x0100, 0x11), info],
    [record(KIND.FILES, 1, 1), message(1, 0, 3), message(1, 0, 3), message(2, 0), info],
    [record(KIND.FILES, 0, 1), message(1, 0, 1), message(2, 0), info],
    [record(KIND.ROOM, 0, 0, 10), info, info, record(KIND.ROOM, 1), info],
    [record(KIND.CONNECT), info],
    [record(KIND.CUT, 0, 5), info, record(KIND.HANG_UP), record(KIND.CONNECT), message(0), info],
  ];
  attacks.forEach((attack, i) => seeds.push([record(i % 3, 1), ...attack]));
  return seeds.map(encodeRecords);
}

/** One line of a record. */
export function describeRecord({ kind, arg, at, value }: FuzzRecord): string {
  switch (kind % KINDS) {
    case KIND.MESSAGE:
    case KIND.MESSAGE_TOO:
      return `${templateOf({ kind, arg, at, value }).name}${(arg & 0x20) === 0 ? '' : ', no reply wanted'}: ${hex(at)}, ${hex(value)}`;
    case KIND.PATCH:
    case KIND.PATCH_TOO:
      return `next message: ${(arg & 4) === 0 ? 'header' : 'payload'} + ${at} becomes ${hex(value)}, ${1 << (arg & 3)} bytes`;
    case KIND.FILES:
      return `next message: ${at % 20} descriptors of kind ${arg & 3}`;
    case KIND.CUT:
      return `next message: ${['only its first', 'in pieces of', 'followed by', 'together with the next,'][arg & 3]!} ${at} bytes`;
    case KIND.CONNECT:
      return 'another client comes';
    case KIND.HANG_UP:
      return 'the client hangs up';
    case KIND.ROOM:
      return (arg & 1) === 0 ? `the client takes ${value & 0xffff} bytes and no more` : 'the client reads again';
    case KIND.DMA_ANSWER:
      return `the next ${(at & 3) + 1} requests for memory get an answer of kind ${arg}`;
    case KIND.MEMORY:
      return `the client's memory at ${hex(at)} becomes ${hex(value)}`;
    default:
      return (arg & 1) === 0
        ? 'the card works until it is idle'
        : `a frame of ${Math.max(14, at % 1500)} bytes comes in`;
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
