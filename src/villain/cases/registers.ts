// SPDX-License-Identifier: Apache-2.0
// R01 to R04 and R16: registers touched in every wrong way, and calls of the host that name what is not there.
import {
  CAP_VIRTIO_PCI_CFG,
  DEVICE_BAR_OFFSET,
  ISR_BAR_OFFSET,
  MSIX_BAR,
  MSIX_BAR_BYTES,
  VIRTIO_BAR,
  VIRTIO_BAR_BYTES,
} from '../../../assembly/abi/config_layout.ts';
import {
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_CLASS_DEVICE,
  PCI_DEVICE_ID,
  PCI_HEADER_TYPE,
  PCI_REVISION_ID,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from '../../../assembly/abi/pci_header.ts';
import { VIRTIO_NET_CFG_SIZE } from '../../../assembly/abi/virtio_net.ts';
import {
  VIRTIO_PCI_CAP_BAR,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_OFFSET,
  VIRTIO_PCI_CAP_PCI_CFG_DATA,
} from '../../../assembly/abi/virtio_pci_cap.ts';
import {
  COMMON_ADMIN_QUEUE_INDEX,
  COMMON_ADMIN_QUEUE_NUM,
  COMMON_CONFIG_GENERATION,
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_FEATURE_SELECT,
  COMMON_DRIVER_FEATURE,
  COMMON_DRIVER_FEATURE_SELECT,
  COMMON_NUM_QUEUES,
  COMMON_QUEUE_NOTIFY_OFF,
  COMMON_QUEUE_RESET,
  COMMON_QUEUE_SIZE,
} from '../../../assembly/abi/virtio_pci_common.ts';
import type { ErrnoName } from '../../util/errors.ts';
import { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_NUM_IRQS, type AccessSize } from '../../vfio/vfio_device.ts';
import type { Bench } from '../bench.ts';
import { CONFIG, CONFIG_VECTOR, type RawFunction } from '../raw_function.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { mustRefuse } from './steps.ts';

const WIDTHS: readonly AccessSize[] = [1, 2, 4];
const REGIONS: readonly (readonly [region: number, bytes: number])[] = [
  [CONFIG, PCI_CFG_SPACE_EXP_SIZE],
  [VIRTIO_BAR, VIRTIO_BAR_BYTES],
  [MSIX_BAR, MSIX_BAR_BYTES],
];
/** Every structure begins at a multiple of this and has its registers in the first bytes; the rest is looked at here and there. */
const STRUCTURE_BYTES = 0x1000;
const DENSE_BYTES = 0x80;
const SPARSE_BYTES = 0x40;
const NO_SUCH_REGIONS = [0, 1, 3, 5, 6, 8];
const ALL_ONES = 0xffff_ffff;
const REGISTERS = 'virtio 1.4 §4.1.3.1; AMB-39';
const API = 'linux/vfio.h: an access outside of a region is EINVAL';

function* offsetsOf(bytes: number, width: number): Generator<number> {
  for (let at = 0; at < bytes; at += width) {
    const inside = at % STRUCTURE_BYTES;
    if (inside < DENSE_BYTES || inside % SPARSE_BYTES < width) yield at;
  }
}

const ACCESSES: readonly Case[] = [
  {
    id: 'R01-read',
    act: 'reads with every width at the offsets of every region',
    clause: REGISTERS,
    allowed: ['served'],
    setup: 'net',
    run: ({ bad: { device } }) => {
      for (const [region, bytes] of REGIONS) {
        for (const width of WIDTHS) {
          for (const at of offsetsOf(bytes, width)) {
            const value = device.read(region, at, width);
            must(value >= 0 && value < 2 ** (8 * width), `region ${region} + ${at}: ${value} of ${width} bytes`);
          }
        }
      }
      return 'served';
    },
  },
  {
    id: 'R01-write',
    act: 'writes ones and zeros with every width at the offsets of both BARs',
    clause: `${REGISTERS}; GEN-RESET-01`,
    allowed: ['served', 'needs-reset'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      const { device } = bench.bad;
      for (const [region, bytes] of REGIONS.slice(1)) {
        for (const width of WIDTHS) {
          for (const at of offsetsOf(bytes, width)) {
            device.write(region, at, width, 2 ** (8 * width) - 1);
            device.write(region, at, width, 0);
          }
          bench.settle();
        }
      }
      return 'served';
    },
  },
  {
    id: 'R01-absent',
    act: 'reads and writes regions that the function does not have',
    clause: API,
    allowed: ['error'],
    setup: 'net',
    run: ({ bad: { device } }) => {
      for (const region of NO_SUCH_REGIONS) {
        mustRefuse('EINVAL', () => device.readBytes(region, 0, new Uint8Array(4)));
        mustRefuse('EINVAL', () => device.writeBytes(region, 0, new Uint8Array(4)));
      }
      return 'error';
    },
  },
  {
    id: 'R01-odd',
    act: 'reads 3, 5 and 8 bytes at once, aligned and not',
    clause: 'linux/vfio.h: pread takes any length; virtio 1.4 §4.1.3.1',
    allowed: ['served'],
    setup: 'net',
    run: ({ bad: { device } }) => {
      const bytesAt = (region: number, at: number, length: number): Uint8Array => {
        const data = new Uint8Array(length);
        device.readBytes(region, at, data);
        return data;
      };
      for (const region of [CONFIG, VIRTIO_BAR]) {
        for (const [at, length] of [
          [0, 3],
          [1, 3],
          [2, 5],
          [3, 8],
          [0x10, 8],
        ] as const) {
          const single = Array.from({ length }, (_, i) => device.read(region, at + i, 1));
          const whole = bytesAt(region, at, length);
          must(
            Buffer.compare(whole, Uint8Array.from(single)) === 0,
            `${length} bytes at ${at} of region ${region} differ`,
          );
        }
      }
      return 'served';
    },
  },
  {
    id: 'R02-read',
    act: 'reads two 16-bit fields with one access',
    clause: REGISTERS,
    allowed: ['served'],
    setup: 'net',
    run: ({ bad }) => {
      const both = bad.read(COMMON_CONFIG_MSIX_VECTOR, 4);
      const apart = bad.read(COMMON_CONFIG_MSIX_VECTOR) + bad.read(COMMON_NUM_QUEUES) * 0x10000;
      must(both === apart, `0x${both.toString(16)} at once, 0x${apart.toString(16)} one by one`);
      return 'served';
    },
  },
  {
    id: 'R02-write',
    act: 'writes a field and the read-only one behind it with one access',
    clause: REGISTERS,
    allowed: ['served', 'ignored'],
    setup: 'net',
    run: ({ bad }) => {
      const queues = bad.read(COMMON_NUM_QUEUES);
      bad.write(COMMON_CONFIG_MSIX_VECTOR, 0x5555_0001, 4);
      must(bad.read(COMMON_NUM_QUEUES) === queues, 'num_queues changed');
      const isServed = bad.read(COMMON_CONFIG_MSIX_VECTOR) === 1;
      bad.write(COMMON_CONFIG_MSIX_VECTOR, CONFIG_VECTOR);
      return isServed ? 'served' : 'ignored';
    },
  },
];

type Place = readonly [region: number, offset: number, width: AccessSize];

/** A case that writes ones to places that a driver can only read. */
function readOnly(id: string, act: string, clause: string, places: readonly Place[]): Case {
  return {
    id: `R03-${id}`,
    act,
    clause,
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad: { device } }) => {
      const view = (): number[] => places.map(([region, at, width]) => device.read(region, at, width));
      const before = view();
      for (const [region, at, width] of places) {
        device.write(region, at, width, 2 ** (8 * width) - 1);
        device.write(region, at, 1, 0xff);
        device.write(region, at, width, 0);
      }
      must(view().join() === before.join(), `${before.join()} became ${view().join()}`);
      return 'ignored';
    },
  };
}

const common = (offset: number, width: AccessSize): Place => [VIRTIO_BAR, offset, width];

const READ_ONLY: readonly Case[] = [
  readOnly('common', 'writes read-only fields of the common configuration', REGISTERS, [
    common(COMMON_DEVICE_FEATURE, 4),
    common(COMMON_NUM_QUEUES, 2),
    common(COMMON_CONFIG_GENERATION, 1),
    common(COMMON_QUEUE_NOTIFY_OFF, 2),
    common(COMMON_ADMIN_QUEUE_INDEX, 2),
    common(COMMON_ADMIN_QUEUE_NUM, 2),
  ]),
  readOnly(
    'device',
    'writes the device configuration',
    'virtio 1.4 §5.1.4: driver-read-only',
    Array.from({ length: VIRTIO_NET_CFG_SIZE / 4 }, (_, i) => [VIRTIO_BAR, DEVICE_BAR_OFFSET + 4 * i, 4] as const),
  ),
  readOnly('isr', 'writes the ISR status', 'virtio 1.4 §4.1.4.5', [[VIRTIO_BAR, ISR_BAR_OFFSET, 1]]),
  readOnly('header', 'writes ids and class in configuration space', 'PCIe 6.0 §7.5.1.1', [
    [CONFIG, PCI_VENDOR_ID, 2],
    [CONFIG, PCI_DEVICE_ID, 2],
    [CONFIG, PCI_REVISION_ID, 1],
    [CONFIG, PCI_CLASS_DEVICE, 2],
    [CONFIG, PCI_HEADER_TYPE, 1],
    [CONFIG, PCI_SUBSYSTEM_VENDOR_ID, 2],
    [CONFIG, PCI_SUBSYSTEM_ID, 2],
    [CONFIG, PCI_CAPABILITY_LIST, 1],
  ]),
  {
    id: 'R03-capability',
    act: 'writes the headers of every capability',
    clause: 'PCIe 6.0 §7.5.3, virtio 1.4 §4.1.4',
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad: { device } }) => {
      for (let at = device.read(CONFIG, PCI_CAPABILITY_LIST, 1); at !== 0; at = device.read(CONFIG, at + 1, 1)) {
        const before = device.read(CONFIG, at, 2);
        for (const value of [0xffff, 0]) device.write(CONFIG, at, 2, value);
        must(device.read(CONFIG, at, 2) === before, `the header at 0x${at.toString(16)} changed`);
      }
      return 'ignored';
    },
  },
];

/** Fields of the access window in configuration space that name nothing. */
const WINDOWS: readonly (readonly [id: string, act: string, bar: number, offset: number, length: number])[] = [
  ['bar', 'a BAR that the function does not have', 3, 0x14, 1],
  ['bar-far', 'BAR 255', 0xff, 0x14, 1],
  ['offset', 'an offset behind the end of its BAR', VIRTIO_BAR, VIRTIO_BAR_BYTES, 4],
  ['offset-far', 'the last offset of all', VIRTIO_BAR, 0xffff_fffc, 4],
  ['odd', 'an offset that its length does not divide', VIRTIO_BAR, 0x15, 4],
  ['length', 'a length of 3', VIRTIO_BAR, 0x14, 3],
  ['zero', 'a length of 0', VIRTIO_BAR, 0x14, 0],
  ['length-far', 'a length of 2^32 - 1', VIRTIO_BAR, 0x14, ALL_ONES],
];

const SELECTORS: readonly Case[] = [
  {
    id: 'R04-feature',
    act: 'selects feature words behind the last',
    clause: 'PCI-COMMON-03, AMB-34',
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => {
      for (const word of [4, 0x100, ALL_ONES]) {
        bad.write(COMMON_DEVICE_FEATURE_SELECT, word, 4);
        bad.write(COMMON_DRIVER_FEATURE_SELECT, word, 4);
        bad.write(COMMON_DRIVER_FEATURE, ALL_ONES, 4);
        must(bad.read(COMMON_DEVICE_FEATURE, 4) === 0, `feature word ${word} is not empty`);
      }
      return 'ignored';
    },
  },
  {
    id: 'R04-queue',
    act: 'selects queues behind the last and writes their fields',
    clause: 'PCI-COMMON-14',
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => {
      for (const queue of [3, 17, 0x7fff, 0xffff]) {
        for (let field: number = COMMON_QUEUE_SIZE; field <= COMMON_QUEUE_RESET; field += 2) {
          bad.setQueue(queue, field, 0x5555);
          bad.setQueue(queue, field, 1);
        }
        must(bad.queue(queue, COMMON_QUEUE_SIZE) === 0, `queue ${queue} has a size`);
      }
      return 'ignored';
    },
  },
  {
    id: 'R04-device',
    act: 'reads and writes behind the end of the device configuration',
    clause: 'virtio 1.4 §2.5',
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => {
      for (let at = DEVICE_BAR_OFFSET + VIRTIO_NET_CFG_SIZE; at < DEVICE_BAR_OFFSET + 0x100; at += 4) {
        const before = bad.read(at, 4);
        bad.write(at, 0x1234_5678, 4);
        must(bad.read(at, 4) === before, `0x${at.toString(16)} keeps what is written`);
      }
      return 'ignored';
    },
  },
  ...WINDOWS.map(([id, what, bar, offset, length]): Case => ({
    id: `R04-window-${id}`,
    act: `points the window in configuration space at ${what}`,
    clause: 'virtio 1.4 §4.1.4.9.2; AMB-39',
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => useWindow(bad, bar, offset, length),
  })),
];

/** Writes and reads through the window; the status is to stay. */
function useWindow(bad: RawFunction, bar: number, offset: number, length: number): Outcome {
  const { device } = bad;
  const at = CAP_VIRTIO_PCI_CFG;
  device.write(CONFIG, at + VIRTIO_PCI_CAP_BAR, 1, bar);
  device.write(CONFIG, at + VIRTIO_PCI_CAP_OFFSET, 4, offset);
  device.write(CONFIG, at + VIRTIO_PCI_CAP_LENGTH, 4, length);
  device.write(CONFIG, at + VIRTIO_PCI_CAP_PCI_CFG_DATA, 4, 0);
  device.read(CONFIG, at + VIRTIO_PCI_CAP_PCI_CFG_DATA, 4);
  return bad.isRunning ? 'ignored' : 'served';
}

function apiCase(id: string, act: string, calls: (bench: Bench) => void): Case {
  return {
    id: `R16-${id}`,
    act,
    clause: API,
    allowed: ['error'],
    setup: 'net',
    run: (bench) => {
      calls(bench);
      return 'error';
    },
  };
}

/** Ranges that leave their region, with the errno of vfio-pci; the last one leaves 64 bits too. */
const OUTSIDE: readonly (readonly [region: number, offset: number, length: number, errno: ErrnoName])[] = [
  [VIRTIO_BAR, VIRTIO_BAR_BYTES, 1, 'EINVAL'],
  [MSIX_BAR, MSIX_BAR_BYTES, 4, 'EINVAL'],
  [CONFIG, PCI_CFG_SPACE_EXP_SIZE, 1, 'EFAULT'],
  [CONFIG, PCI_CFG_SPACE_EXP_SIZE - 1, 2, 'EFAULT'],
  [VIRTIO_BAR, 2 ** 32, 4, 'EINVAL'],
  [VIRTIO_BAR, 2 ** 53, 4, 'EINVAL'],
];

export const REGISTER_CASES: readonly Case[] = [...ACCESSES, ...READ_ONLY, ...SELECTORS];

export const HOST_API_CASES: readonly Case[] = [
  apiCase('index', 'names regions that no function has', ({ bad: { device } }) => {
    for (const region of [9, 255, 0x7fff_ffff]) {
      mustRefuse('EINVAL', () => device.regionInfo(region));
      mustRefuse('EINVAL', () => device.readBytes(region, 0, new Uint8Array(4)));
    }
  }),
  apiCase('range', 'reads and writes ranges that leave their region', ({ bad: { device } }) => {
    for (const [region, offset, length, errno] of OUTSIDE) {
      mustRefuse(errno, () => device.readBytes(region, offset, new Uint8Array(length)));
      mustRefuse(errno, () => device.writeBytes(region, offset, new Uint8Array(length)));
    }
    const across = device.readBytes(VIRTIO_BAR, VIRTIO_BAR_BYTES - 2, new Uint8Array(4));
    must(across === 2, `${across} bytes are read across the end of a BAR`);
  }),
  apiCase('overflow', 'reads a range whose end wraps around 2^64', ({ bad: { device } }) => {
    mustRefuse('EINVAL', () => device.readBytes(VIRTIO_BAR, 2 ** 64 - 2048, new Uint8Array(4096)));
  }),
  apiCase('irq', 'sets up interrupts that the function does not have', ({ bad }) => {
    const { device, vectors } = bad;
    const nobody = (): void => {};
    mustRefuse('EINVAL', () => device.irqInfo(VFIO_PCI_NUM_IRQS));
    mustRefuse('EINVAL', () => device.setIrqs(VFIO_PCI_MSIX_IRQ_INDEX, vectors, [nobody]));
    mustRefuse('EINVAL', () => device.setIrqs(VFIO_PCI_MSIX_IRQ_INDEX, vectors - 1, [nobody, nobody]));
  }),
];
