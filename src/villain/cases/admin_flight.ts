// SPDX-License-Identifier: Apache-2.0
// A10 to A15: many administration commands on the way, and what happens to PF, VF and memory meanwhile.
import { MSIX_BAR, NOTIFY_BAR_OFFSET, NOTIFY_OFF_MULTIPLIER } from '../../../assembly/abi/config_layout.ts';
import { PCI_SRIOV_CTRL } from '../../../assembly/abi/pci_sriov.ts';
import {
  ADMIN_RESULT_HEADER_SIZE,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_STATUS_OK,
  VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP,
} from '../../../assembly/abi/virtio_admin.ts';
import { LEGACY_QUEUE_SELECT, LEGACY_QUEUE_SIZE } from '../../../assembly/abi/virtio_pci_legacy.ts';
import { fromLe, header, le, outcomeOf, SRIOV, type AdminQueue, type Answer, type Pending } from '../admin_queue.ts';
import { BAD_VF, BYSTANDER_VF, QUEUE_SIZE, type Bench } from '../bench.ts';
import { WRITE } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { adminCase, delays } from './steps.ts';

const DELAYS: readonly number[] = delays(30, 40);
const NO_LATE = 'GEN-RESET-02';
const BATCH = 8;
const WRITE_PREFIX = [0, 0, 0, 0, 0, 0, 0];
const ANSWER_BYTES = ADMIN_RESULT_HEADER_SIZE + 2;

function readRegister(member: number, offset: number): number[] {
  return [...header(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, SRIOV, member), offset];
}

/** Makes commands available and rings once. */
function submit(queue: AdminQueue, commands: readonly (readonly number[])[]): Pending[] {
  queue.ring.takeUsed();
  const pending = commands.map((bytes) => queue.add(bytes, ANSWER_BYTES));
  queue.pf.notify(queue.index);
  return pending;
}

/** The answers, one for each command and in the order of the commands (ADM-VQ-10). */
function answers(queue: AdminQueue, pending: readonly Pending[]): Answer[] {
  const used = queue.ring.takeUsed();
  must(used.length === pending.length, `${used.length} of ${pending.length} commands are answered`);
  return pending.map((one, i) => {
    must(used[i]!.id === one.head, 'answers come in another order than the commands');
    return queue.answer(one, used[i]!);
  });
}

function mustBeSizes(all: readonly Answer[]): void {
  for (const { status, result } of all) {
    must(status === VIRTIO_ADMIN_STATUS_OK && fromLe(result) === QUEUE_SIZE, `status ${status}, ${fromLe(result)}`);
  }
}

const batch = (member = BAD_VF): number[][] =>
  Array.from({ length: BATCH }, () => readRegister(member, LEGACY_QUEUE_SIZE));

const QUEUED: readonly Case[] = [
  adminCase('A10-many', 'sends commands for several VFs at once', 'ADM-VQ-10', ['served'], (queue, bench) => {
    const commands = Array.from({ length: BATCH }, (_, i) =>
      readRegister(i % 2 === 0 ? BAD_VF : BYSTANDER_VF, LEGACY_QUEUE_SIZE),
    );
    const pending = submit(queue, commands);
    bench.settle();
    mustBeSizes(answers(queue, pending));
    return 'served';
  }),
  adminCase(
    'A10-same',
    'writes one register of one VF many times at once',
    'ADM-VQ-10, ADM-LEG-05',
    ['served'],
    (queue, bench) => {
      const opcode = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE;
      const write = (value: number): number[] => [
        ...header(opcode, SRIOV, BAD_VF),
        LEGACY_QUEUE_SELECT,
        ...WRITE_PREFIX,
        ...le(value, 2),
      ];
      const commands = [1, 2, 3].flatMap((value) => [write(value), readRegister(BAD_VF, LEGACY_QUEUE_SELECT)]);
      const pending = submit(queue, commands);
      bench.settle();
      const read = answers(queue, pending).filter((_, i) => i % 2 === 1);
      must(
        read.map(({ result }) => fromLe(result)).join() === '1,2,3',
        'reads see other values than were written before',
      );
      return 'served';
    },
  ),
  adminCase('A10-kicks', 'rings many times for one command', 'virtio 1.4 §2.7.13', ['served'], (queue, bench) => {
    const pending = submit(queue, [readRegister(BAD_VF, LEGACY_QUEUE_SIZE)]);
    for (let i = 0; i < 20; i++) queue.pf.notify(queue.index);
    bench.settle();
    mustBeSizes(answers(queue, pending));
    return 'served';
  }),
  adminCase('A14-full', 'fills the whole admin queue', 'ADM-VQ-10', ['served'], (queue, bench) => {
    queue.pf.start(); // a fresh ring, so that all of it is free
    queue.rewind();
    const commands = Array.from({ length: queue.ring.size / 2 }, () => header(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0));
    const pending = submit(queue, commands);
    bench.settle();
    for (const { status } of answers(queue, pending)) must(status === VIRTIO_ADMIN_STATUS_OK, `status ${status}`);
    return 'served';
  }),
  adminCase(
    'A14-over',
    'makes more commands available than the admin queue has descriptors',
    'virtio 1.4 §2.7.6; GEN-STATUS-02, GEN-STATUS-03',
    ['needs-reset'],
    (queue) => {
      const { ring } = queue;
      ring.publish(ring.usedIdx + ring.size + 1);
      queue.pf.kick(queue.index);
      return queue.pf.needsReset ? 'needs-reset' : 'ignored';
    },
  ),
  adminCase(
    'A15-number',
    "writes another queue's number to the admin queue's doorbell",
    'virtio 1.4 §4.1.5.2',
    ['ignored'],
    (queue, bench) => {
      const before = queue.ring.usedIdx;
      queue.add(readRegister(BAD_VF, LEGACY_QUEUE_SIZE), ANSWER_BYTES);
      const at = NOTIFY_BAR_OFFSET + NOTIFY_OFF_MULTIPLIER * queue.index;
      for (const number of [0, queue.index + 1, 0xffff]) queue.pf.write(at, number);
      bench.settle();
      must(queue.ring.usedIdx === before, 'the command was taken without its doorbell');
      queue.pf.kick(queue.index);
      must(queue.outcomeSince(before) === 'served', 'the good doorbell stops the function');
      return 'ignored';
    },
  ),
];

/**
 * Commands on the way, then `stop` after every delay: from its return on nothing of the PF's memory is written; where
 * `isDone`, nothing is asked for either and nothing said.
 */
function stopping(
  queue: AdminQueue,
  bench: Bench,
  stop: () => void,
  isDone: boolean,
  recover = (): void => {},
): Outcome {
  const { pf } = queue;
  for (const cycles of DELAYS) {
    submit(queue, batch());
    bench.advance(cycles);
    stop();
    const image = pf.memory.u8.slice();
    const { dma_faults } = bench.nic.counters();
    const before = bench.interrupts(pf.fn);
    bench.settle();
    must(Buffer.compare(pf.memory.u8, image) === 0, `after ${cycles} cycles: an answer comes late`);
    // a PF that was not reset may say that it misses its memory
    if (isDone) {
      must(bench.interrupts(pf.fn) === before, `after ${cycles} cycles: an interrupt comes late`);
      must(bench.nic.counters()['dma_faults'] === dma_faults, `after ${cycles} cycles: memory is asked for late`);
    }
    recover();
    pf.start();
    queue.rewind();
    queue.useAll();
  }
  return 'served';
}

/** Commands on the way, `meddle` after every delay; each is answered once, with success or with this qualifier. */
function meddling(
  queue: AdminQueue,
  bench: Bench,
  meddle: () => void,
  recover: () => void,
  qualifier: number,
): Outcome {
  for (const cycles of DELAYS) {
    const pending = submit(queue, batch());
    bench.advance(cycles);
    meddle();
    bench.settle();
    for (const answer of answers(queue, pending)) outcomeOf(answer, qualifier);
    recover();
  }
  return 'served';
}

const FLIGHT: Partial<Case> = { isTimed: true };

const LIVES: readonly Case[] = [
  adminCase(
    'A11-pf-reset',
    'resets the PF while commands are on the way',
    NO_LATE,
    ['served'],
    (queue, bench) => stopping(queue, bench, () => queue.pf.reset(), true),
    FLIGHT,
  ),
  adminCase(
    'A11-vf-reset',
    'resets the VF that commands on the way are for',
    'ADM-CMD-05, ADM-VQ-10',
    ['served'],
    (queue, bench) =>
      meddling(
        queue,
        bench,
        () => bench.member!.device.reset(),
        () => {},
        0,
      ),
    FLIGHT,
  ),
  adminCase(
    'A11-vf-disable',
    'disables the VFs while commands for them are on the way',
    'ADM-CMD-23, ADM-VQ-10',
    ['served'],
    (queue, bench) => {
      const outcome = meddling(
        queue,
        bench,
        () => bench.writeSriov(PCI_SRIOV_CTRL, 0),
        () => bench.enableVfs(),
        VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP,
      );
      bench.restartBystander();
      return outcome;
    },
    FLIGHT,
  ),
  adminCase(
    'A12-death',
    'dies with commands on the way: the PF is reset, and its memory taken away at once',
    NO_LATE,
    ['served'],
    (queue, bench) =>
      stopping(
        queue,
        bench,
        () => {
          queue.pf.reset();
          queue.pf.endpoint.setMapped(false);
        },
        true,
        () => queue.pf.endpoint.setMapped(true),
      ),
    FLIGHT,
  ),
  adminCase(
    'A12-unmap',
    'dies with commands on the way: its memory is taken away, and the PF is reset later',
    `${NO_LATE}, GEN-STATUS-02`,
    ['served'],
    (queue, bench) =>
      stopping(
        queue,
        bench,
        () => queue.pf.endpoint.setMapped(false),
        false,
        () => queue.pf.endpoint.setMapped(true),
      ),
    FLIGHT,
  ),
];

function ownBar({ card }: Bench): number {
  return card.bus.pf.find(({ index }) => index === MSIX_BAR)!.address;
}

const BARS: readonly Case[] = [
  adminCase(
    'A13-data',
    "puts a command into the PF's own BAR",
    'GEN-STATUS-02, GEN-STATUS-03',
    ['needs-reset'],
    (queue, bench) => {
      const before = queue.ring.usedIdx;
      queue.addChain([
        { addr: ownBar(bench), len: 24 },
        { addr: queue.pf.memory.space(16), len: 16, flags: WRITE },
      ]);
      queue.pf.kick(queue.index);
      return queue.outcomeSince(before);
    },
  ),
  adminCase(
    'A13-answer',
    "has the answer written into the PF's own MSI-X table",
    'PCIe 6.0 §2.4: posted writes are lost',
    ['served', 'needs-reset'],
    (queue, bench) => {
      const { pf } = queue;
      const table = (): number[] => Array.from({ length: 4 }, (_, i) => pf.readMsix(4 * i));
      const [intact, before] = [table().join(), queue.ring.usedIdx];
      queue.addChain([
        { addr: pf.memory.place(header(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0), 8), len: 24 },
        { addr: ownBar(bench), len: 16, flags: WRITE },
      ]);
      pf.kick(queue.index);
      must(table().join() === intact, 'the MSI-X table was written');
      return queue.outcomeSince(before);
    },
  ),
];

export const ADMIN_FLIGHT_CASES: readonly Case[] = [...QUEUED, ...LIVES, ...BARS];
