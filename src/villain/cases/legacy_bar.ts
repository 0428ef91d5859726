// SPDX-License-Identifier: Apache-2.0
// Legacy drivers that misbehave at the BAR0 of the variant driver: L01, L02, L04 to L06, L08 and L10 as a guest sees them.
import { STATUS_DEVICE_NEEDS_RESET } from '../../../assembly/abi/device_status.ts';
import {
  PCI_COMMAND,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
} from '../../../assembly/abi/pci_header.ts';
import { VIRTIO_NET_MAC_SIZE } from '../../../assembly/abi/virtio_net.ts';
import {
  LEGACY_DEVICE_FEATURES,
  LEGACY_DRIVER_FEATURES,
  LEGACY_PAGE_SHIFT,
  LEGACY_QUEUE_ADDRESS,
  LEGACY_QUEUE_NOTIFY,
  LEGACY_QUEUE_SELECT,
  LEGACY_QUEUE_SIZE,
  LEGACY_SIZE_WITH_MSIX,
  LEGACY_SIZE_WITHOUT_MSIX,
} from '../../../assembly/abi/virtio_pci_legacy.ts';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../../vfio/vfio_device.ts';
import type { Bench } from '../bench.ts';
import type { LegacyFunction } from '../legacy_function.ts';
import { CONFIG, RX, TX } from '../raw_function.ts';
import { NEXT, RawRing } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { casesOf, delays, mustRefuse } from './steps.ts';

const BAR0 = 0;
const BAR0_BYTES = 32;
const VARIANT = 'Linux, virtio_vfio_pci';
const FIELDS = 'ADM-LEG-03, AMB-38';
const DELAYS: readonly number[] = delays(25, 60);

/** A case on a VF whose legacy driver runs. */
const legacy = casesOf('legacy', (bench) => {
  bench.legacy.start();
  return bench.legacy;
});

function bytesAt({ device }: Bench['legacyEndpoint'], offset: number, length: number): Uint8Array {
  const data = new Uint8Array(length);
  device.readBytes(BAR0, offset, data);
  return data;
}

const ACCESSES: readonly Case[] = [
  legacy(
    'L01-past',
    'reads and writes behind the end of BAR0',
    `${VARIANT}: EINVAL`,
    ['error'],
    (_fn, { legacyEndpoint: { device } }) =>
      mustRefuse(
        'EINVAL',
        () => device.readBytes(BAR0, BAR0_BYTES - 2, new Uint8Array(4)),
        () => device.writeBytes(BAR0, BAR0_BYTES - 2, new Uint8Array(4)),
        () => device.readBytes(BAR0, BAR0_BYTES, new Uint8Array(1)),
        () => device.readBytes(BAR0, 2 ** 40, new Uint8Array(1)),
      ),
  ),
  legacy(
    'L01-wide',
    'reads and writes 16 bytes of the common part at once',
    `${VARIANT}: one command; ADM-LEG-03`,
    ['error'],
    (_fn, { legacyEndpoint: { device } }) =>
      mustRefuse(
        'EINVAL',
        () => device.readBytes(BAR0, 0, new Uint8Array(16)),
        () => device.writeBytes(BAR0, 0, new Uint8Array(16)),
      ),
  ),
  legacy(
    'L01-all',
    'reads all of BAR0 at once',
    `${VARIANT}: one command; ADM-LEG-03`,
    ['error'],
    (_fn, { legacyEndpoint: { device } }) =>
      mustRefuse('EINVAL', () => device.readBytes(BAR0, 0, new Uint8Array(BAR0_BYTES))),
  ),
  legacy('L01-three', 'reads three bytes of a register', FIELDS, ['served', 'error'], (_fn, bench) => {
    const whole = bytesAt(bench.legacyEndpoint, LEGACY_DEVICE_FEATURES, 4);
    const three = bytesAt(bench.legacyEndpoint, LEGACY_DEVICE_FEATURES, 3);
    must(Buffer.compare(three, whole.subarray(0, 3)) === 0, 'the three bytes are others');
    return 'served';
  }),
  legacy(
    'L02-boundary',
    'has MSI-X set up or not, and reads the device configuration where it then is',
    VARIANT,
    ['served'],
    (_fn, bench) => {
      const { device } = bench.legacyEndpoint;
      const behind = bytesAt(bench.legacyEndpoint, LEGACY_SIZE_WITH_MSIX, VIRTIO_NET_MAC_SIZE);
      device.disableIrqs(VFIO_PCI_MSIX_IRQ_INDEX);
      const before = bytesAt(bench.legacyEndpoint, LEGACY_SIZE_WITHOUT_MSIX, VIRTIO_NET_MAC_SIZE);
      device.setIrqs(VFIO_PCI_MSIX_IRQ_INDEX, 0, [() => {}, () => {}]);
      must(Buffer.compare(behind, before) === 0, 'the address is not the same');
      return 'served';
    },
  ),
  legacy(
    'L02-across',
    'reads across the border of common part and device configuration',
    `${VARIANT}; ADM-LEG-03`,
    ['error'],
    (_fn, { legacyEndpoint: { device } }) =>
      mustRefuse('EINVAL', () => device.readBytes(BAR0, LEGACY_SIZE_WITH_MSIX - 2, new Uint8Array(4))),
  ),
  legacy(
    'L04-width',
    'notifies with one byte and with four',
    `${VARIANT}: EINVAL`,
    ['error'],
    (_fn, { legacyEndpoint: { device } }) =>
      mustRefuse(
        'EINVAL',
        () => device.writeBytes(BAR0, LEGACY_QUEUE_NOTIFY, Uint8Array.of(TX)),
        () => device.writeBytes(BAR0, LEGACY_QUEUE_NOTIFY, Uint8Array.of(TX, 0, 0, 0)),
        () => device.readBytes(BAR0, LEGACY_QUEUE_NOTIFY, new Uint8Array(1)),
      ),
  ),
  legacy(
    'L04-decode',
    'uses BAR0 while I/O decode is off',
    `${VARIANT}: EIO`,
    ['error'],
    (_fn, { legacyEndpoint: { device } }) => {
      const command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
      device.write(CONFIG, PCI_COMMAND, 2, command);
      const outcome = mustRefuse(
        'EIO',
        () => device.readBytes(BAR0, LEGACY_DEVICE_FEATURES, new Uint8Array(4)),
        () => device.writeBytes(BAR0, LEGACY_QUEUE_NOTIFY, Uint8Array.of(TX, 0)),
      );
      device.write(CONFIG, PCI_COMMAND, 2, command | PCI_COMMAND_IO);
      return outcome;
    },
  ),
  legacy('L04-queue', 'notifies queues that are not there', 'virtio 1.4 §4.1.5.2; AMB-39', ['ignored'], (fn) => {
    for (const queue of [3, 77, 0xffff]) fn.kick(queue);
    return 'ignored';
  }),
];

function stopped(fn: LegacyFunction): Outcome {
  return (fn.status & STATUS_DEVICE_NEEDS_RESET) === 0 ? 'served' : 'needs-reset';
}

const QUEUES: readonly Case[] = [
  legacy(
    'L05-zero',
    'takes a queue away by writing 0 to its address, and notifies it',
    'virtio 1.4 §4.1.4.10; LEG-VQ-01',
    ['ignored'],
    (fn, bench) => {
      fn.addFrame();
      fn.select(TX);
      fn.registers.write(LEGACY_QUEUE_ADDRESS, 4, 0);
      fn.kick(TX);
      must(bench.wire.length === bench.sentBefore && fn.ring(TX).usedIdx === 0, 'a queue without an address is served');
      fn.addQueue(TX);
      return 'ignored';
    },
  ),
  legacy('L05-twice', 'moves a queue that is in use', 'virtio 1.4 §4.1.4.10; LEG-VQ-01', ['served'], (fn, bench) => {
    fn.addFrame();
    fn.addQueue(TX);
    fn.addFrame();
    fn.kick(TX);
    must(bench.wire.length === bench.sentBefore + 1, 'the frame in the new ring is not the one that was sent');
    return 'served';
  }),
  legacy('L05-far', 'puts a queue where there is no memory', 'GEN-STATUS-02', ['needs-reset'], (fn) => {
    fn.select(TX);
    fn.registers.write(LEGACY_QUEUE_ADDRESS, 4, 0xffff_ffff);
    fn.kick(TX);
    return stopped(fn);
  }),
  legacy('L05-part', 'writes the address of a queue byte by byte', FIELDS, ['served', 'error'], (fn) => {
    const ring = new RawRing(fn.memory, fn.ring(TX).size, undefined, true);
    const page = ring.iovas.desc / 2 ** LEGACY_PAGE_SHIFT;
    fn.select(TX);
    for (let i = 0; i < 4; i++) fn.registers.write(LEGACY_QUEUE_ADDRESS + i, 1, Math.floor(page / 2 ** (8 * i)) & 0xff);
    must(fn.registers.read(LEGACY_QUEUE_ADDRESS, 4) === page, 'the address is another one');
    fn.rings.set(TX, ring);
    return 'served';
  }),
  legacy(
    'L05-absent',
    'selects queues that are not there and gives them addresses',
    'virtio 1.4 §4.1.4.10; PCI-COMMON-14',
    ['ignored'],
    (fn) => {
      for (const queue of [5, 0xffff]) {
        fn.select(queue);
        must(fn.registers.read(LEGACY_QUEUE_SIZE, 2) === 0, `queue ${queue} has a size`);
        fn.registers.write(LEGACY_QUEUE_ADDRESS, 4, 0x1234);
        must(fn.registers.read(LEGACY_QUEUE_ADDRESS, 4) === 0, `queue ${queue} has an address`);
      }
      return 'ignored';
    },
  ),
  legacy(
    'L05-size',
    'writes the size of a queue, which a legacy device fixes',
    'virtio 1.4 §4.1.4.10: read-only',
    ['ignored', 'error'],
    (fn) => {
      fn.select(TX);
      const before = fn.registers.read(LEGACY_QUEUE_SIZE, 2);
      fn.registers.write(LEGACY_QUEUE_SIZE, 2, before / 2);
      return fn.registers.read(LEGACY_QUEUE_SIZE, 2) === before ? 'ignored' : 'served';
    },
  ),
  legacy(
    'L05-loop',
    'links a transmit descriptor to itself',
    'virtio 1.4 §2.7.5.2; GEN-STATUS-02',
    ['needs-reset'],
    (fn, bench) => {
      fn.ring(TX).describe(0, { addr: fn.memory.space(16), len: 16, flags: NEXT, next: 0 });
      fn.ring(TX).offer(0);
      fn.kick(TX);
      must(bench.wire.length === bench.sentBefore, 'a frame left the card');
      return stopped(fn);
    },
  ),
];

const LIVES: readonly Case[] = [
  legacy(
    'L06-flight',
    'writes 0 to the status while frames are in work',
    'ADM-LEG-05, GEN-RESET-02',
    ['served'],
    (fn, bench) => {
      for (const cycles of DELAYS) {
        fn.start();
        for (let i = 0; i < 8; i++) fn.addFrame();
        fn.registers.write(LEGACY_QUEUE_NOTIFY, 2, TX);
        bench.advance(cycles);
        const { memory } = fn;
        fn.reset();
        const image = memory.u8.slice();
        bench.settle();
        must(Buffer.compare(memory.u8, image) === 0, `after ${cycles} cycles: memory is written late`);
      }
      fn.start();
      return 'served';
    },
    { isTimed: true },
  ),
  legacy(
    'L06-vfio',
    'is reset by VFIO_DEVICE_RESET in the middle of it all',
    'Linux, virtio_vfio_pci: the reset resets the legacy interface',
    ['served'],
    (fn, bench) => {
      const { device } = bench.legacyEndpoint;
      fn.addFrame();
      device.reset();
      device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
      must(fn.status === 0, `the status is 0x${fn.status.toString(16)}`);
      for (const queue of [RX, TX]) {
        fn.select(queue);
        must(fn.registers.read(LEGACY_QUEUE_ADDRESS, 4) === 0, `queue ${queue} keeps its address`);
      }
      fn.start();
      return 'served';
    },
  ),
  legacy(
    'L06-status',
    'writes DEVICE_NEEDS_RESET and FAILED itself',
    'virtio 1.4 §2.1',
    ['served', 'ignored'],
    (fn) => {
      fn.status = 0xc7;
      const isSet = fn.status === 0xc7;
      fn.start();
      return isSet ? 'served' : 'ignored';
    },
  ),
  legacy('L08-high', 'accepts features that were not offered', 'LEG-PCILAY-04; AMB-20', ['served', 'ignored'], (fn) => {
    const offered = fn.registers.read(LEGACY_DEVICE_FEATURES, 4);
    fn.registers.write(LEGACY_DRIVER_FEATURES, 4, 0xffff_ffff);
    const accepted = fn.registers.read(LEGACY_DRIVER_FEATURES, 4);
    must((accepted & ~offered) === 0, `0x${accepted.toString(16)} were accepted of 0x${offered.toString(16)}`);
    fn.start();
    return accepted === 0 ? 'ignored' : 'served';
  }),
  legacy(
    'L10-bytes',
    'writes a register by bytes and reads it by words',
    'ADM-LEG-02, AMB-38',
    ['served', 'error'],
    (fn) => {
      const { registers } = fn;
      [0x34, 0].forEach((byte, i) => registers.write(LEGACY_QUEUE_SELECT + i, 1, byte));
      must(registers.read(LEGACY_QUEUE_SELECT, 2) === 0x34, 'the bytes do not make the word');
      must(registers.read(LEGACY_QUEUE_SELECT + 1, 1) === 0, 'the word does not make the bytes');
      return 'served';
    },
  ),
  legacy('L10-device', 'reads the address in every width', 'LEG-PCILAY-02, ADM-LEG-08', ['served'], (fn, bench) => {
    const mac = fn.registers.mac();
    for (const width of [1, 2, 3]) {
      for (let at = 0; at < VIRTIO_NET_MAC_SIZE; at += width) {
        const part = bytesAt(bench.legacyEndpoint, LEGACY_SIZE_WITH_MSIX + at, width);
        must(Buffer.compare(part, mac.subarray(at, at + width)) === 0, `${width} bytes at ${at} differ`);
      }
    }
    return 'served';
  }),
];

export const LEGACY_BAR_CASES: readonly Case[] = [...ACCESSES, ...QUEUES, ...LIVES];
