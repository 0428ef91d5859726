// SPDX-License-Identifier: Apache-2.0
// Programs to begin with: what good drivers do, and each kind of mistake once. Those of the real drivers come on top (record.ts).
import { CAP_MSIX, MSIX_BAR, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { FUNCTIONS, QUEUE_ADMIN, QUEUE_CONTROL, QUEUE_RX, QUEUE_TX, SLOT_BYTES } from './layout.ts';
import { encodeProgram, type OperationFields } from './program.ts';

const ALL = 0xffffffff;
const MSIX_ENABLE = 0x8000;
const MESSAGE_ADDRESS = 0xfee00000;
const VECTORS = 4;
/** LIST_QUERY to LEGACY_NOTIFY_INFO. */
const COMMANDS = 0x7f;
const DWORD = 2;
const WORD = 1;
/** A descriptor's place: the queue's own indirect table. */
const INDIRECT_TABLE = 0x80000005;
const INDIRECT = 4;
const WRITE = 2;
const NEXT = 1;
const INDIRECT_DESC = 0x10000000;

function msix(fn: number): OperationFields[] {
  const entry = (vector: number, field: number, value: number): OperationFields => ({
    name: 'mmioWrite',
    fn,
    a: DWORD,
    b: MSIX_BAR,
    offset: 16 * vector + field,
    value,
  });
  return [
    ...Array.from({ length: VECTORS + 1 }, (_, vector) => [
      entry(vector, 0, MESSAGE_ADDRESS + fn * 0x1000),
      entry(vector, 8, fn * 0x100 + vector),
      entry(vector, 12, 0),
    ]).flat(),
    { name: 'configWrite', fn, a: WORD, offset: CAP_MSIX + 2, value: MSIX_ENABLE },
  ];
}

/** A function as its driver leaves it: features, queues, running. */
export function bringUp(fn: number, features0 = ALL, features1 = ALL): OperationFields[] {
  const queues = fn === 0 ? [QUEUE_RX, QUEUE_TX, QUEUE_CONTROL, QUEUE_ADMIN] : [QUEUE_RX, QUEUE_TX, QUEUE_CONTROL];
  return [
    { name: 'bringUp', fn, value: features0, value2: features1 },
    ...queues.map((b): OperationFields => ({ name: 'queueSetup', fn, b })),
    { name: 'driverOk', fn },
  ];
}

/** Everything up but the last VF, and the commands in use: where the targets with rings begin. */
export const BOOT_PARTS: readonly (readonly OperationFields[])[] = [
  ...Array.from({ length: FUNCTIONS - 1 }, (_, fn) => [...msix(fn), ...bringUp(fn)]),
  [
    { name: 'admin', a: 1, offset: 1, value: COMMANDS },
    { name: 'admin', a: 1, offset: 0, value: COMMANDS },
  ],
];

const read = (fn: number, offset: number, a = DWORD): OperationFields => ({
  name: 'mmioRead',
  fn,
  a,
  b: VIRTIO_BAR,
  offset,
});
const write = (fn: number, offset: number, value: number, a = DWORD): OperationFields => ({
  name: 'mmioWrite',
  fn,
  a,
  b: VIRTIO_BAR,
  offset,
  value,
});

/** Masks a vector, or lets it go. */
const vectorControl = (fn: number, vector: number, value: number): OperationFields => ({
  name: 'mmioWrite',
  fn,
  a: DWORD,
  b: MSIX_BAR,
  offset: 16 * vector + 12,
  value,
});

const sriovControl = (value: number): OperationFields => ({
  name: 'configWrite',
  fn: 0,
  a: WORD,
  offset: 0x148,
  value,
});

const REGISTERS: readonly OperationFields[][] = [
  [sriovControl(1), read(3, 0x14), sriovControl(9), read(3, 0x14)],
  [0, 4, 8, 12, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x3c].map((at) => read(0, at)),
  [...msix(1), ...bringUp(1), write(1, 0x3000, 0, WORD), read(1, 0x1000, 0)],
  [...bringUp(2), { name: 'flr', fn: 2 }, ...bringUp(2)],
  [
    { name: 'configWrite', fn: 0, a: WORD, offset: 0x148, value: 1 },
    read(3, 0x14),
    { name: 'configWrite', fn: 0, a: WORD, offset: 0x148, value: 9 },
    read(3, 0x14),
  ],
  [{ name: 'vfEnable', a: 0 }, read(1, 0), { name: 'vfEnable', a: 2 }, read(1, 0), read(3, 0)],
  [...bringUp(1), write(1, 0x16, 0, WORD), write(1, 0x18, 8, WORD), write(1, 0x20, 0x40), read(1, 0x18), read(1, 0x20)],
  [
    { name: 'configWrite', fn: 0, a: 0, offset: 0xd4 + 4, value: VIRTIO_BAR },
    { name: 'configWrite', fn: 0, a: 2, offset: 0xd4 + 8, value: 0x14 },
    { name: 'configWrite', fn: 0, a: 2, offset: 0xd4 + 12, value: 1 },
    { name: 'configWrite', fn: 0, a: 2, offset: 0xd4 + 16, value: 3 },
    { name: 'configRead', fn: 0, a: 2, offset: 0xd4 + 16 },
  ],
  [
    { name: 'region', fn: 1, a: 2, b: 4, offset: 0x10 },
    { name: 'region', fn: 1, a: 7, b: 0x14, offset: 0, value: 64 },
    { name: 'region', fn: 1, a: 9, b: 4, offset: 0xffffffff },
  ],
];

const RINGS: readonly OperationFields[][] = [
  [
    { name: 'receive', fn: 1, a: 3 },
    { name: 'transmit', fn: 0, a: 1, offset: 60 },
    { name: 'transmit', fn: 2, a: 4, offset: 80 },
  ],
  [
    { name: 'receive', fn: 0, a: 7 },
    { name: 'frame', a: 0, offset: 100 },
    { name: 'frame', a: 4, offset: 1500 },
  ],
  [
    { name: 'transmit', fn: 1, a: 6, offset: 64 },
    { name: 'transmit', fn: 1, a: 5, offset: 300 },
    { name: 'advance', value: 3000 },
  ],
  [
    { name: 'control', fn: 1, a: 0, b: 0, offset: 1, value: 1 },
    { name: 'control', fn: 1, a: 1, b: 1, offset: 6, value: 0x00667602, value2: 0x0900 },
    { name: 'control', fn: 1, a: 1, b: 0, offset: 8 },
    { name: 'control', fn: 1, a: 4, b: 0, offset: 2, value: 1 },
  ],
  // chains of the program's own making: two descriptors, a loop, an indirect table
  [
    { name: 'descriptor', fn: 1, b: QUEUE_TX, a: 0, offset: 0x1a00, value: 12, value2: NEXT + 0x10000 },
    { name: 'descriptor', fn: 1, b: QUEUE_TX, a: 1, offset: 0x1b00, value: 60 },
    { name: 'available', fn: 1, b: QUEUE_TX, value: 0 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ],
  [
    { name: 'descriptor', fn: 1, b: QUEUE_TX, a: 0, offset: 0x1a00, value: 12, value2: NEXT },
    { name: 'available', fn: 1, b: QUEUE_TX, value: 0 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ],
  [
    { name: 'indirect', fn: 1, b: QUEUE_TX, a: 0, offset: 0x1a00, value: 12, value2: NEXT + 0x10000 },
    { name: 'indirect', fn: 1, b: QUEUE_TX, a: 1, offset: 0x1b00, value: 60 },
    { name: 'descriptor', fn: 1, b: QUEUE_TX, a: 0, offset: INDIRECT_TABLE, value: 32, value2: INDIRECT },
    { name: 'available', fn: 1, b: QUEUE_TX, value: 0 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ],
  [
    { name: 'descriptor', fn: 1, b: QUEUE_RX, a: 0, offset: 0x1000, value: SLOT_BYTES, value2: WRITE + NEXT + 0x10000 },
    { name: 'descriptor', fn: 1, b: QUEUE_RX, a: 1, offset: 0x1140, value: SLOT_BYTES, value2: WRITE },
    { name: 'available', fn: 1, b: QUEUE_RX, value: 0 },
    { name: 'kick', fn: 1, b: QUEUE_RX },
    { name: 'frame', a: 1, offset: 400 },
  ],
  [
    { name: 'fill', fn: 2, value: 7 },
    { name: 'descriptor', fn: 2, b: QUEUE_TX, a: 0, offset: 0x80000006, value: 64, value2: INDIRECT },
    { name: 'available', fn: 2, b: QUEUE_TX, value: 0 },
    { name: 'kick', fn: 2, b: QUEUE_TX },
  ],
  [
    { name: 'transmit', fn: 1, a: 0, offset: 60 },
    { name: 'queueReset', fn: 1, b: QUEUE_TX },
    { name: 'queueSetup', fn: 1, b: QUEUE_TX },
  ],
  [
    { name: 'configWrite', fn: 1, a: WORD, offset: 4, value: 2 },
    { name: 'transmit', fn: 1, a: 0, offset: 60 },
    { name: 'configWrite', fn: 1, a: WORD, offset: 4, value: 6 },
  ],
  [{ name: 'readFault', a: 0, b: 1 }, { name: 'transmit', fn: 1, a: 0, offset: 60 }, ...bringUp(1)],
  [
    { name: 'attach', fn: 1, a: 2 },
    { name: 'transmit', fn: 1, a: 0, offset: 60 },
    { name: 'attach', fn: 1, a: 0 },
  ],
  [
    { name: 'transmit', fn: 1, a: 0, offset: 60 },
    { name: 'attach', fn: 1, a: 3 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ],
  [
    { name: 'attach', fn: 1, a: 1 },
    { name: 'transmit', fn: 1, a: 0, offset: 60 },
    { name: 'attach', fn: 1, a: 0 },
  ],
  [vectorControl(1, QUEUE_TX + 1, 1), { name: 'transmit', fn: 1, a: 0, offset: 60 }, vectorControl(1, QUEUE_TX + 1, 0)],
  // two vectors that are pending at the same time, and let go one after the other
  [
    vectorControl(1, QUEUE_TX + 1, 1),
    vectorControl(1, QUEUE_CONTROL + 1, 1),
    { name: 'transmit', fn: 1, a: 0, offset: 60 },
    { name: 'control', fn: 1, a: 0, b: 0, offset: 1, value: 1 },
    vectorControl(1, QUEUE_TX + 1, 0),
    vectorControl(1, QUEUE_CONTROL + 1, 0),
  ],
];

/** A chain by an indirect table of `entries`, linked in their order, of which the descriptor says `bytes`. */
function indirectChain(entries: number, bytes: number): OperationFields[] {
  return [
    ...Array.from({ length: entries }, (_, a): OperationFields => {
      const link = a < entries - 1 ? NEXT + (a + 1) * 0x10000 : 0;
      return { name: 'indirect', fn: 1, b: QUEUE_TX, a, offset: 0x1a00, value: 16, value2: link };
    }),
    { name: 'descriptor', fn: 1, b: QUEUE_TX, a: 0, offset: INDIRECT_TABLE, value: bytes, value2: INDIRECT },
    { name: 'available', fn: 1, b: QUEUE_TX, value: 0 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ];
}

/** Chains that no driver may offer (bad drivers D02 to D12). */
const BAD_CHAINS: readonly OperationFields[][] = [
  indirectChain(2, 24),
  indirectChain(20, 20 * 16),
  [...bringUp(1, ALL - INDIRECT_DESC), ...indirectChain(2, 32)],
  ...[
    { a: 0, offset: 0x1a00, value: 12, value2: NEXT + 0x11 * 0x10000 },
    { a: 0, offset: 0x80000000, value: 60, value2: 0 },
    { a: 0, offset: 0x1a00, value: 60, value2: WRITE + NEXT + 0x10000 },
  ].map((fields): OperationFields[] => [
    { name: 'descriptor', fn: 1, b: QUEUE_TX, ...fields },
    { name: 'available', fn: 1, b: QUEUE_TX, value: 0 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ]),
  [
    { name: 'available', fn: 1, b: QUEUE_TX, value: 0x20 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ],
  [
    { name: 'available', fn: 1, b: QUEUE_TX, a: 150, value: 0 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ],
];

const ADMIN: readonly OperationFields[][] = [
  [
    { name: 'admin', a: 0, offset: 1 },
    { name: 'admin', a: 1, offset: 1, value: COMMANDS },
    { name: 'admin', a: 0, offset: 0 },
  ],
  [
    { name: 'admin', a: 6, offset: 0x10001 },
    { name: 'admin', a: 3, offset: 0x10001, value: 18 },
  ],
  [
    { name: 'admin', a: 0x7f, offset: 1 },
    { name: 'admin', a: 0, offset: 5 },
    { name: 'admin', a: 3, offset: 0x50001 },
  ],
  [
    { name: 'admin', a: 0, b: 1, offset: 1 },
    { name: 'admin', a: 0, b: 2, offset: 1 },
    { name: 'admin', a: 0, b: 3, offset: 1 },
  ],
  [
    { name: 'admin', a: 0, b: 0x20, offset: 1 },
    { name: 'admin', a: 1, b: 0x20, offset: 1, value: 0x7c },
    { name: 'kick', fn: 0, b: QUEUE_ADMIN },
  ],
  [{ name: 'admin', a: 0, offset: 1 }, { name: 'flr', fn: 0 }, ...bringUp(0)],
];

/** A legacy driver on VF 1 through commands: reset, acknowledge, features, a queue, running. */
const LEGACY: readonly OperationFields[][] = [
  [
    { name: 'legacy', a: 0, b: 1, offset: 18 + 0x100, value: 0 },
    { name: 'legacy', a: 0, b: 1, offset: 18 + 0x100, value: 1 },
    { name: 'legacy', a: 0, b: 1, offset: 18 + 0x100, value: 3 },
    { name: 'legacy', a: 1, b: 1, offset: 0 + 0x400 },
    { name: 'legacy', a: 0, b: 1, offset: 4 + 0x400, value: 0x20 },
    { name: 'legacy', a: 0, b: 1, offset: 14 + 0x200, value: 1 },
    { name: 'legacy', a: 1, b: 1, offset: 12 + 0x200 },
    { name: 'legacy', a: 0, b: 1, offset: 8 + 0x400, value: 0x100001 },
    { name: 'legacy', a: 0, b: 1, offset: 18 + 0x100, value: 7 },
    { name: 'kick', fn: 1, b: QUEUE_TX },
  ],
  Array.from({ length: 24 }, (_, at) => ({ name: 'legacy' as const, a: 1, b: 2, offset: at + 0x100 })),
  [
    { name: 'legacy', a: 3, b: 1, offset: 0x600 },
    { name: 'legacy', a: 2, b: 1, offset: 0x600, value: 1 },
    { name: 'legacy', a: 4, b: 1 },
  ],
  [
    { name: 'legacy', a: 1, b: 1, offset: 20 + 0x800 },
    { name: 'legacy', a: 1, b: 9, offset: 0 },
    { name: 'legacy', a: 0, b: 0, offset: 0x100 },
  ],
];

/** Programs for a target, in both modes. */
export function seedsOf(target: 'regs' | 'rings' | 'admin' | 'legacy'): Uint8Array[] {
  const own = { regs: REGISTERS, rings: [...RINGS, ...BAD_CHAINS], admin: ADMIN, legacy: LEGACY }[target];
  const all = target === 'regs' ? own : [...own, ...(target === 'rings' ? [] : RINGS.slice(0, 4))];
  return all.flatMap((operations) => [encodeProgram(operations), encodeProgram(operations, true)]);
}
