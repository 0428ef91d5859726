// SPDX-License-Identifier: Apache-2.0
// Inputs of the driver target to begin with: every driver at honest work, and each kind of lie once.
import * as C from '../../../assembly/abi/virtio_pci_common.ts';
import { encodeRecords, record, type FuzzRecord, type RecordGrammar } from './records.ts';

/** Kinds of records behind the first. */
export const KIND = {
  OPERATION: 0,
  REGISTER: 1,
  CONFIG: 2,
  USED: 3,
  INTERRUPT: 4,
  ADMIN: 5,
  MEMORY: 6,
  HOST: 7,
  BEHAVIOUR: 8,
} as const;

/** Every second fresh record is an operation. */
export const KINDS = 9;

/** Capability list, structures, SR-IOV. */
const CONFIG_PLACES = [0x34, 0x41, 0x7e, 0x90, 0x91, 0x93, 0x94, 0x98, 0x9c, 0xa4, 0xb8, 0xcc, 0xd4, 0xd8, 0xdc].concat(
  [0x100, 0x108, 0x10e, 0x114, 0x116, 0x11c, 0x124],
);
/** Rings of queues 1, 2 and 5, and lengths of frames. */
const MEMORY_PLACES = [0x2000, 0x4000, 0xa000, 60, 64, 200, 300];

export const DRIVER_GRAMMAR: RecordGrammar = {
  kinds: KINDS,
  places: [
    ...Array.from({ length: C.COMMON_SIZE }, (_, i) => i),
    ...[1, 2, 3, 5].flatMap((skip) => [C.COMMON_DEVICE_STATUS, C.COMMON_QUEUE_SIZE].map((at) => (skip << 12) | at)),
    ...CONFIG_PLACES,
    ...MEMORY_PLACES,
  ],
  values: [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 32, 64, 100, 127, 128, 200, 255, 256, 0x1000, 0x7fff, 0x8000, 0xffff,
    0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
  ],
};

const operation = (index: number, at = 0, value = 0): FuzzRecord => record(KIND.OPERATION, index, at, value);

/** What a program does with a driver that works. */
const HONEST: readonly FuzzRecord[] = [
  operation(0, 60),
  operation(2, 60),
  operation(3, 4),
  operation(2, 40, 1),
  operation(1),
  operation(4, 0, 3),
  operation(5, 1, 2),
  operation(6, 0x0001, 4),
  operation(7, 0, 0),
  operation(3, 4),
  operation(15, 0, 0),
  operation(15, 0, 3),
  operation(8),
  operation(0, 100),
];
const ADMIN: readonly FuzzRecord[] = [
  operation(9, 0, 4),
  operation(9, 1),
  operation(9, 2),
  operation(10, 0, 0x80001),
  operation(11, 3, 0x40183),
  operation(3, 2),
  operation(12),
];
const REGISTERS: readonly FuzzRecord[] = [
  operation(13, 18, 0),
  operation(13, 8, 0x0004_0002),
  operation(13, 20, 0x0602),
  operation(13, 4, 0x2b),
  operation(14),
];
const RING: readonly FuzzRecord[] = [
  operation(0, 1, 0),
  operation(0, 2, 1),
  operation(2),
  operation(3),
  operation(1),
  operation(4, 0, 1),
  operation(0, 0, 0),
  operation(2),
  operation(1),
];

/** One lie of each kind before and after the driver is up. */
const LIES: readonly FuzzRecord[] = [
  record(KIND.REGISTER, 0, C.COMMON_QUEUE_SIZE, 16),
  record(KIND.REGISTER, 5 << 3, C.COMMON_DEVICE_STATUS, 0xff),
  record(KIND.REGISTER, 0, C.COMMON_DEVICE_STATUS, 0xff),
  record(KIND.REGISTER, (4 << 3) | 2, 6, 1),
  record(KIND.CONFIG, 0, 0x91, 0x90),
  record(KIND.USED, 0, 1, 500),
  record(KIND.USED, 1 << 3, 0, 7),
  record(KIND.USED, (3 << 3) | 1, 0, 0),
  record(KIND.USED, 0, 3 << 2, 0),
  record(KIND.INTERRUPT, 0, 20, 1),
  record(KIND.ADMIN, 0, 22, 5),
  record(KIND.ADMIN, 2),
  record(KIND.MEMORY, 0, 0, 0x00ff0000),
  record(KIND.MEMORY, 4, 1, 3),
  record(KIND.HOST, 0, 2, 1),
  record(KIND.HOST, 2, 40),
  record(KIND.BEHAVIOUR, 1, 0),
  record(KIND.BEHAVIOUR, 2, 0x38),
  record(KIND.BEHAVIOUR, 4, 0),
];

export function driverSeeds(): Uint8Array[] {
  const seeds: FuzzRecord[][] = [];
  for (let scenario = 0; scenario < 4; scenario++) {
    for (const options of [0, 3, 0x14]) seeds.push([record(scenario, options), ...HONEST]);
    seeds.push([
      record(scenario, 8),
      ...HONEST,
      ...(scenario === 1 ? ADMIN : []),
      ...(scenario === 3 ? REGISTERS : []),
    ]);
  }
  for (const options of [0x0c, 0x0f, 0x1e]) seeds.push([record(4, options), ...RING, ...RING]);
  LIES.forEach((lie, i) => {
    const scenario = i % 4;
    for (let each = 0; each < 4; each++) seeds.push([record(each), lie, ...HONEST.slice(0, 6)]);
    seeds.push([record((scenario + 1) % 4), operation(3), lie, ...HONEST]);
  });
  for (const arg of [1, 2, 3, 4, 7].map((id) => (id << 3) | 1)) {
    for (const at of [0, 1, 2 << 2, 3 << 2])
      seeds.push([record(4, 0x0c), operation(3), record(KIND.USED, arg, at, 1), ...RING]);
  }
  return seeds.map(encodeRecords);
}
