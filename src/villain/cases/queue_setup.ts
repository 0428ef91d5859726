// SPDX-License-Identifier: Apache-2.0
// Q01 to Q06: queues that are set up wrongly, and settings that change under a queue that is enabled (CVE-2026-5747 of
// Firecracker is one of them).
import { NOTIFY_BAR_OFFSET, VIRTIO_BAR, MSIX_BAR } from '../../../assembly/abi/config_layout.ts';
import { VIRTIO_F_INDIRECT_DESC } from '../../../assembly/abi/virtio_features.ts';
import {
  COMMON_DRIVER_FEATURE,
  COMMON_DRIVER_FEATURE_SELECT,
  COMMON_QUEUE_DESC,
  COMMON_QUEUE_DESC_HI,
  COMMON_QUEUE_DEVICE,
  COMMON_QUEUE_DEVICE_HI,
  COMMON_QUEUE_DRIVER,
  COMMON_QUEUE_DRIVER_HI,
  COMMON_QUEUE_ENABLE,
  COMMON_QUEUE_MSIX_VECTOR,
  COMMON_QUEUE_SIZE,
} from '../../../assembly/abi/virtio_pci_common.ts';
import type { AccessSize } from '../../vfio/vfio_device.ts';
import { BAD_VF, QUEUE_SIZE, type Bench } from '../bench.ts';
import { goodPacket, HEADER } from '../frames.ts';
import { RX, TX, type RawFunction } from '../raw_function.ts';
import { RawRing, type RingPlaces } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { mustHaveKept, mustHaveLeft } from './steps.ts';

/** The driver's rules for the queue fields; what a device does with a bad value is open. */
const SETUP = 'virtio 1.4 §4.1.4.3.2; AMB-39';
const NOT_MEMORY = 'AMB-39; GEN-STATUS-02, GEN-STATUS-03';
const ADDRESSES: readonly number[] = [COMMON_QUEUE_DESC, COMMON_QUEUE_DRIVER, COMMON_QUEUE_DEVICE];

/** Sends one good frame on a running transmit queue that was set up by hand. */
function sendOne(bench: Bench): void {
  const { bad } = bench;
  const whole = goodPacket(bad);
  const before = bench.wire.length;
  bad.submit(TX, bad.readable(whole));
  mustHaveLeft(bench, before, whole.subarray(HEADER));
}

function badSize(id: string, value: number): Case {
  return {
    id: `Q01-${id}`,
    act: `asks for a queue of ${value} descriptors, where ${QUEUE_SIZE} are the most`,
    clause: `${SETUP}; PCI-COMMON-15`,
    allowed: ['ignored'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.prepare();
      bad.addQueue(RX);
      bad.setQueue(TX, COMMON_QUEUE_SIZE, value);
      const kept = bad.queue(TX, COMMON_QUEUE_SIZE);
      must(kept > 0 && kept <= QUEUE_SIZE && (kept & (kept - 1)) === 0, `queue_size reads ${kept}`);
      bad.addQueue(TX, new RawRing(bad.memory, kept));
      bad.setDriverOk();
      sendOne(bench);
      return kept === value ? 'served' : 'ignored';
    },
  };
}

interface Field {
  readonly name: string;
  readonly register: number;
  readonly size: AccessSize;
  readonly value: number;
}

const FIELDS: readonly Field[] = [
  { name: 'size', register: COMMON_QUEUE_SIZE, size: 2, value: 4 },
  { name: 'enable', register: COMMON_QUEUE_ENABLE, size: 2, value: 0 },
  { name: 'desc', register: COMMON_QUEUE_DESC, size: 4, value: 0x1234_5670 },
  { name: 'desc-hi', register: COMMON_QUEUE_DESC_HI, size: 4, value: 0x99 },
  { name: 'driver', register: COMMON_QUEUE_DRIVER, size: 4, value: 0 },
  { name: 'driver-hi', register: COMMON_QUEUE_DRIVER_HI, size: 4, value: 0xffff_ffff },
  { name: 'device', register: COMMON_QUEUE_DEVICE, size: 4, value: 0x10 },
  { name: 'device-hi', register: COMMON_QUEUE_DEVICE_HI, size: 4, value: 7 },
];

/** Writes a field of an enabled queue; the write is to change nothing. */
function overwrite(bad: RawFunction, { register, size, value }: Field): Outcome {
  const before = bad.queue(TX, register, size);
  bad.setQueue(TX, register, value, size);
  return bad.queue(TX, register, size) === before ? 'ignored' : 'served';
}

function afterEnable(field: Field): Case {
  return {
    id: `Q02-${field.name}-enabled`,
    act: `writes ${field.value === 0 ? '0' : `0x${field.value.toString(16)}`} to the queue's ${field.name} after it was enabled, before DRIVER_OK`,
    clause: SETUP,
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => {
      bad.prepare();
      bad.addQueue(RX);
      bad.addQueue(TX);
      const outcome = overwrite(bad, field);
      bad.setDriverOk();
      return outcome;
    },
  };
}

function afterDriverOk(field: Field): Case {
  return {
    id: `Q02-${field.name}-live`,
    act: `writes ${field.value === 0 ? '0' : `0x${field.value.toString(16)}`} to the queue's ${field.name} after DRIVER_OK`,
    clause: SETUP,
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => overwrite(bad, field),
  };
}

const CHANGES: readonly Case[] = [
  ...FIELDS.map(afterEnable),
  ...FIELDS.map(afterDriverOk),
  {
    id: 'Q02-features',
    act: 'writes features after FEATURES_OK',
    clause: 'virtio 1.4 §3.1.1; AMB-39',
    allowed: ['ignored'],
    setup: 'net',
    run: ({ bad }) => {
      bad.write(COMMON_DRIVER_FEATURE_SELECT, 0, 4);
      bad.write(COMMON_DRIVER_FEATURE, 2 ** VIRTIO_F_INDIRECT_DESC, 4);
      return bad.read(COMMON_DRIVER_FEATURE, 4) === 0 ? 'ignored' : 'served';
    },
  },
  {
    id: 'Q02-vector',
    act: "moves a queue's vector while it is live",
    clause: 'PCI-MSIX-04, PCI-MSIX-06',
    allowed: ['served', 'ignored'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.setQueue(TX, COMMON_QUEUE_MSIX_VECTOR, 3);
      const vector = bad.queue(TX, COMMON_QUEUE_MSIX_VECTOR);
      const before = bench.interrupts(bad.fn, vector);
      sendOne(bench);
      must(bench.interrupts(bad.fn, vector) === before + 1, `vector ${vector} is shown, and another one fires`);
      return vector === 3 ? 'served' : 'ignored';
    },
  },
  {
    id: 'Q02-late',
    act: 'enables a queue after DRIVER_OK',
    clause: 'virtio 1.4 §3.1.1; AMB-39',
    allowed: ['served', 'ignored'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.prepare();
      bad.addQueue(RX);
      bad.setDriverOk();
      bad.addQueue(TX);
      const isOn = bad.queue(TX, COMMON_QUEUE_ENABLE) === 1;
      if (isOn) sendOne(bench);
      else bad.start();
      return isOn ? 'served' : 'ignored';
    },
  },
];

/** A transmit queue set up by hand with nothing checked; `addresses` are those of its three areas. */
function withAreas(bench: Bench, addresses: readonly number[]): void {
  const { bad } = bench;
  bad.prepare();
  bad.addQueue(RX);
  ADDRESSES.forEach((register, i) => bad.setQueueAddress(TX, register, addresses[i]!));
  bad.setQueue(TX, COMMON_QUEUE_ENABLE, 1);
  bad.setDriverOk();
}

/** What became of a queue that no good driver would enable. */
function enabled(bench: Bench): Outcome {
  const { bad } = bench;
  if (bad.queue(TX, COMMON_QUEUE_ENABLE) === 0) {
    bad.kick(TX);
    return 'ignored';
  }
  bad.kick(TX);
  return bad.needsReset ? 'needs-reset' : 'served';
}

function misaligned(area: keyof RingPlaces, bytes: number): Case {
  return {
    id: `Q03-${area}`,
    act: `puts the ${area} area ${bytes} bytes off its alignment`,
    clause: `virtio 1.4 §2.7; ${NOT_MEMORY}`,
    allowed: ['ignored', 'needs-reset'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      const { desc, avail, used } = new RawRing(bench.bad.memory, QUEUE_SIZE).iovas;
      const off = (name: keyof RingPlaces): number => (name === area ? bytes : 0);
      withAreas(bench, [desc + off('desc'), avail + off('avail'), used + off('used')]);
      return enabled(bench);
    },
  };
}

/** Areas as offsets into one block. Rings in each other's way may give anything, inside the block. */
const OVERLAPS: readonly (readonly [id: string, act: string, places: RingPlaces])[] = [
  ['avail-desc', 'lays the available ring over the descriptor table', { desc: 0, avail: 0, used: 1024 }],
  ['used-avail', 'lays the used ring over the available ring', { desc: 0, avail: 512, used: 512 }],
  ['used-desc', 'lays the used ring over the descriptor table', { desc: 0, avail: 512, used: 0 }],
  ['same', 'lays all three areas over each other', { desc: 0, avail: 0, used: 0 }],
];

const OVERLAPPING: readonly Case[] = OVERLAPS.map(([id, act, places]) => ({
  id: `Q04-${id}`,
  act,
  clause: 'virtio 1.4 §2.7; AMB-39',
  allowed: ['served', 'ignored', 'needs-reset'],
  setup: 'net',
  leavesDown: true,
  run: (bench) => {
    const { bad } = bench;
    const base = bad.memory.alloc(2048, 16);
    const ring = new RawRing(bad.memory, QUEUE_SIZE, {
      desc: base + places.desc,
      avail: base + places.avail,
      used: base + places.used,
    });
    withAreas(bench, [ring.iovas.desc, ring.iovas.avail, ring.iovas.used]);
    ring.chain(bad.readable(goodPacket(bad)));
    ring.offer(0);
    for (let i = 0; i < 4; i++) bad.kick(TX);
    return bad.needsReset ? 'needs-reset' : 'served';
  },
}));

/** A case whose three areas all lie where no memory is. */
function notMemory(id: string, act: string, addressesOf: (bench: Bench) => readonly number[]): Case {
  return {
    id,
    act,
    clause: NOT_MEMORY,
    allowed: ['ignored', 'needs-reset'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      withAreas(bench, addressesOf(bench));
      return enabled(bench);
    },
  };
}

function ownBar({ card }: Bench, index: number, offset: number): number[] {
  const bar = card.bus.vf.find((one) => one.index === index)!;
  const address = bar.address + (BAD_VF - 1) * bar.bytes + offset;
  return [address, address, address];
}

export const QUEUE_SETUP_CASES: readonly Case[] = [
  badSize('zero', 0),
  badSize('odd', 3),
  badSize('over', 2 * QUEUE_SIZE),
  badSize('far', 0xffff),
  ...CHANGES,
  notMemory('Q03-null', 'enables a queue whose addresses are all 0', () => [0, 0, 0]),
  misaligned('desc', 8),
  misaligned('avail', 1),
  misaligned('used', 2),
  ...OVERLAPPING,
  notMemory('Q05-doorbell', "puts the rings over the function's own doorbells", (bench) =>
    ownBar(bench, VIRTIO_BAR, NOTIFY_BAR_OFFSET),
  ),
  notMemory('Q05-msix', "puts the rings over the function's own MSI-X table", (bench) => ownBar(bench, MSIX_BAR, 0)),
  {
    id: 'Q06-wrap',
    act: 'puts the rings where they wrap around 2^64',
    clause: NOT_MEMORY,
    allowed: ['ignored', 'needs-reset'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      const { bad } = bench;
      bad.prepare();
      bad.addQueue(RX);
      for (const register of ADDRESSES) {
        bad.setQueue(TX, register, 0xffff_fff0, 4);
        bad.setQueue(TX, register + 4, 0xffff_ffff, 4);
      }
      bad.setQueue(TX, COMMON_QUEUE_ENABLE, 1);
      bad.setDriverOk();
      return enabled(bench);
    },
  },
  {
    id: 'Q06-chain',
    act: 'sends a descriptor that wraps around 2^64',
    clause: 'virtio 1.4 §2.7.5; GEN-STATUS-02, GEN-STATUS-03',
    allowed: ['needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      const ring = bad.ring(TX);
      ring.describe(0, { addr: 0, len: 72 });
      bad.memory.putWide(ring.places.desc, 8, 0xffff_ffff_ffff_ffc0n);
      ring.offer(0);
      bad.kick(TX);
      mustHaveKept(bench);
      return bad.outcomeOf(TX);
    },
  },
];
