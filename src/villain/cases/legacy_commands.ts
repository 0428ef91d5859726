// SPDX-License-Identifier: Apache-2.0
// L01 to L09 as the owner's driver can get them wrong: legacy commands with bad ranges, beside a modern driver, for the
// wrong VF.
import { STATUS_DRIVER } from '../../../assembly/abi/device_status.ts';
import { PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY } from '../../../assembly/abi/pci_header.ts';
import {
  ADMIN_NOTIFY_INFO_BAR,
  ADMIN_NOTIFY_INFO_ENTRY_SIZE,
  ADMIN_NOTIFY_INFO_OFFSET,
  ADMIN_NOTIFY_INFO_RESULT_SIZE,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
  VIRTIO_ADMIN_STATUS_OK,
  VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD,
  VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
  VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE,
} from '../../../assembly/abi/virtio_admin.ts';
import {
  LEGACY_DEVICE_STATUS,
  LEGACY_DRIVER_FEATURES,
  LEGACY_ISR_STATUS,
  LEGACY_PAGE_SHIFT,
  LEGACY_QUEUE_ADDRESS,
  LEGACY_QUEUE_SELECT,
  LEGACY_SIZE_WITH_MSIX,
  LEGACY_SIZE_WITHOUT_MSIX,
} from '../../../assembly/abi/virtio_pci_legacy.ts';
import { COMMON_QUEUE_DESC } from '../../../assembly/abi/virtio_pci_common.ts';
import { VFIO_PCI_INTX_IRQ_INDEX } from '../../vfio/vfio_device.ts';
import { fromLe, outcomeOf, SRIOV, type AdminQueue } from '../admin_queue.ts';
import { BAD_VF, type Bench } from '../bench.ts';
import { serviceFault } from '../frames.ts';
import { commandRegisters, LegacyFunction } from '../legacy_function.ts';
import { CONFIG, RawFunction, RX, TX } from '../raw_function.ts';
import type { Case } from '../case.ts';
import { must, Skip, Misbehaviour, type Outcome } from '../verdict.ts';
import { adminCase } from './steps.ts';

const READ = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ;
const WRITE = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE;
const WRITE_PREFIX = [0, 0, 0, 0, 0, 0, 0];
const FIELD = VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD;

/** An access of `bytes` bytes at `offset`, by the command that reads and by the one that writes. */
function refusedBoth(
  queue: AdminQueue,
  read: number,
  write: number,
  accesses: readonly (readonly [number, number])[],
): Outcome {
  for (const [offset, bytes] of accesses) {
    const data = Array.from({ length: bytes }, () => 0);
    const answers = [
      queue.command(read, SRIOV, BAD_VF, [offset], bytes),
      queue.command(write, SRIOV, BAD_VF, [offset, ...WRITE_PREFIX, ...data]),
    ];
    for (const answer of answers) {
      must(outcomeOf(answer, FIELD) === 'refused', `${bytes} bytes at ${offset} are not refused`);
    }
  }
  return 'refused';
}

/** Bus mastering for VF 1, and a legacy driver on it by commands; MSI-X stays off. */
function startLegacy(queue: AdminQueue, bench: Bench): LegacyFunction {
  const { device, memory } = bench.member!;
  device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
  const fn = new LegacyFunction(bench, commandRegisters(queue, BAD_VF), memory);
  fn.start();
  return fn;
}

function startModern(bench: Bench): RawFunction {
  const member = new RawFunction(bench, BAD_VF, bench.member!);
  member.start();
  return member;
}

const RANGES: readonly Case[] = [
  adminCase(
    'L01-command',
    'accesses the common part of a VF beyond its end and over its fields',
    'ADM-LEG-03',
    ['refused'],
    (queue) =>
      refusedBoth(queue, READ, WRITE, [
        [0, 0],
        [0, 5],
        [0, 8],
        [0, 16],
        [2, 4],
        [14, 4],
        [18, 2],
        [LEGACY_SIZE_WITH_MSIX, 1],
        [255, 1],
      ]),
  ),
  adminCase(
    'L01-device',
    'accesses the device part of a VF beyond its end and over its fields',
    'ADM-LEG-04',
    ['refused'],
    (queue) =>
      refusedBoth(queue, VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ, VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE, [
        [0, 0],
        [4, 4],
        [0, 16],
        [200, 4],
        [255, 1],
      ]),
  ),
  adminCase(
    'L02-vectors',
    'accesses the vector registers of a VF without and with MSI-X',
    'AMB-38',
    ['refused'],
    (queue, bench) => {
      const outcome = refusedBoth(queue, READ, WRITE, [
        [LEGACY_SIZE_WITHOUT_MSIX, 2],
        [LEGACY_SIZE_WITH_MSIX - 2, 2],
      ]);
      startModern(bench); // switches MSI-X on
      const answer = queue.command(READ, SRIOV, BAD_VF, [LEGACY_SIZE_WITHOUT_MSIX], 2);
      must(answer.status === VIRTIO_ADMIN_STATUS_OK, 'with MSI-X the vector cannot be read');
      return outcome;
    },
  ),
];

const BESIDE = 'ADM-LEG-05; what it does to a member whose driver is modern is open';

/** A case that writes a legacy register of a VF whose modern driver runs. */
function besideModern(
  id: string,
  act: string,
  allowed: readonly Outcome[],
  write: (fn: LegacyFunction) => void,
  isServed: (member: RawFunction) => boolean,
): Case {
  return adminCase(`L03-${id}`, act, BESIDE, allowed, (queue, bench) => {
    const member = startModern(bench);
    write(new LegacyFunction(bench, commandRegisters(queue, BAD_VF), bench.member!.memory));
    bench.settle();
    const outcome = isServed(member) ? 'served' : 'ignored';
    if (outcome === 'ignored') {
      const fault = serviceFault(bench, member);
      must(fault === null, `ignored, and after it ${fault}`);
    }
    member.start();
    const fault = serviceFault(bench, member);
    must(fault === null, `after a reset of the VF ${fault}`);
    return outcome;
  });
}

const NEIGHBOURS: readonly Case[] = [
  besideModern(
    'status',
    'resets a VF by its legacy status while its modern driver runs',
    ['served', 'ignored'],
    (fn) => {
      fn.status = 0;
    },
    (member) => member.status === 0,
  ),
  besideModern(
    'driver',
    'writes another legacy status while the modern driver runs',
    ['served', 'ignored'],
    (fn) => {
      fn.registers.write(LEGACY_DEVICE_STATUS, 1, STATUS_DRIVER);
    },
    (member) => !member.isRunning,
  ),
  besideModern(
    'features',
    'accepts legacy features while the modern driver runs',
    ['ignored'],
    (fn) => {
      fn.registers.write(LEGACY_DRIVER_FEATURES, 4, 0xffff_ffff);
    },
    () => false,
  ),
  besideModern(
    'queue',
    'moves a queue by its legacy address while the modern driver runs',
    ['served', 'ignored'],
    (fn) => {
      fn.select(TX);
      fn.registers.write(LEGACY_QUEUE_ADDRESS, 4, 0x77);
    },
    (member) => member.queue(TX, COMMON_QUEUE_DESC, 4) === 0x77 * 2 ** LEGACY_PAGE_SHIFT,
  ),
  adminCase(
    'L04-entries',
    'asks where to notify, and takes every usable entry for good',
    'ADM-LEG-13, ADM-LEG-14, ADM-LEG-15',
    ['served'],
    (queue, bench) => {
      const { result, status } = queue.command(
        VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
        SRIOV,
        BAD_VF,
        [],
        ADMIN_NOTIFY_INFO_RESULT_SIZE,
      );
      must(status === VIRTIO_ADMIN_STATUS_OK, `status ${status}`);
      let hasEnd = false;
      for (let at = 0; at < result.length && !hasEnd; at += ADMIN_NOTIFY_INFO_ENTRY_SIZE) {
        const flags = result[at]!;
        hasEnd = flags === 0;
        if (hasEnd) continue;
        const bar = result[at + ADMIN_NOTIFY_INFO_BAR]!;
        const offset = fromLe(result.subarray(at + ADMIN_NOTIFY_INFO_OFFSET, at + ADMIN_NOTIFY_INFO_ENTRY_SIZE));
        const owner = flags === 1 ? bench.bad.device : bench.member!.device;
        must(flags <= 2 && bar <= 5, `an entry with flags ${flags} and BAR ${bar}`);
        must(offset % 2 === 0 && offset + 2 <= owner.regionInfo(bar).size, `an entry at ${offset} of BAR ${bar}`);
      }
      must(hasEnd, 'the list has no end');
      return 'served';
    },
  ),
  adminCase('L04-member', 'asks where to notify a VF that is not there', 'ADM-CMD-24', ['refused'], (queue) =>
    outcomeOf(
      queue.command(VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO, SRIOV, 0, [], ADMIN_NOTIFY_INFO_RESULT_SIZE),
      VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
    ),
  ),
  adminCase(
    'L04-other',
    "rings for one VF in the other VF's BAR",
    'ADM-LEG-11; PCIe 6.0 §9.2.1: a VF is a function of its own',
    ['ignored'],
    (queue, bench) => {
      const fn = startLegacy(queue, bench);
      fn.addFrame();
      bench.bystander.kick(TX);
      must(bench.wire.length === bench.sentBefore && fn.ring(TX).usedIdx === 0, 'the frame of another VF was sent');
      fn.kick(TX);
      must(fn.ring(TX).usedIdx === 1, 'its own doorbell does not reach it');
      return 'ignored';
    },
  ),
  adminCase('L06-only', 'resets one VF by its legacy status', 'ADM-LEG-05, ADM-CMD-12', ['served'], (queue, bench) => {
    const fn = startLegacy(queue, bench);
    fn.reset();
    for (const index of [RX, TX]) {
      fn.select(index);
      must(fn.registers.read(LEGACY_QUEUE_ADDRESS, 4) === 0, `queue ${index} keeps its address`);
    }
    must(bench.bad.isRunning, 'the PF is reset as well');
    return 'served'; // the neighbour is looked at behind every case
  }),
  adminCase('L07-clear', 'reads the ISR status twice', 'PCI-ISR-05, ADM-LEG-06', ['served'], (queue, bench) => {
    const fn = startLegacy(queue, bench);
    fn.addFrame();
    fn.kick(TX);
    const seen = [0, 1].map(() => fn.registers.read(LEGACY_ISR_STATUS, 1));
    must(seen.join() === '1,0', `the ISR status reads ${seen.join(', then ')}`);
    return 'served';
  }),
  adminCase(
    'L07-failed',
    'reads the ISR status together with its neighbour, which fails',
    'ADM-CMD-07',
    ['refused'],
    (queue, bench) => {
      const fn = startLegacy(queue, bench);
      fn.addFrame();
      fn.kick(TX);
      const outcome = outcomeOf(queue.command(READ, SRIOV, BAD_VF, [LEGACY_DEVICE_STATUS], 2), FIELD);
      must(fn.registers.read(LEGACY_ISR_STATUS, 1) === 1, 'a read that failed cleared the ISR status');
      return outcome;
    },
  ),
  {
    id: 'L07-intx',
    act: 'reads the ISR status while INTx comes',
    clause: 'PCI-ISR-04, PCI-ISR-06',
    allowed: [],
    setup: 'admin',
    run: (bench) => {
      const { count } = bench.member!.device.irqInfo(VFIO_PCI_INTX_IRQ_INDEX);
      if (count === 0) throw new Skip('a VF has no INTx');
      throw new Misbehaviour('a VF has INTx, and this case was not written yet');
    },
  },
  {
    id: 'L09',
    act: 'sends legacy commands before LIST_USE',
    clause: 'ADM-CMD-14, ADM-CMD-17',
    allowed: ['refused'],
    setup: 'admin',
    run: ({ admin: queue }) => {
      const opcodes = [READ, WRITE, VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ, VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO];
      for (const opcode of opcodes) {
        const answer = queue.command(opcode, SRIOV, BAD_VF, [LEGACY_QUEUE_SELECT], 2);
        must(outcomeOf(answer, VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE) === 'refused', `opcode ${opcode} is served`);
      }
      return 'refused';
    },
  },
];

export const LEGACY_COMMAND_CASES: readonly Case[] = [...RANGES, ...NEIGHBOURS];
