// SPDX-License-Identifier: Apache-2.0
// A01 to A09: administration commands that are cut, unknown, for nobody, or without a place for their answer.
import {
  ADMIN_CMD_HEADER_SIZE,
  ADMIN_NOTIFY_INFO_RESULT_SIZE,
  ADMIN_RESULT_HEADER_SIZE,
  VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY,
  VIRTIO_ADMIN_CMD_HIGHEST_ASSIGNED,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
  VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_CMD_LIST_USE,
  VIRTIO_ADMIN_CMD_RESERVED_FROM,
  VIRTIO_ADMIN_STATUS_OK,
  VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD,
  VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP,
  VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
  VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE,
} from '../../../assembly/abi/virtio_admin.ts';
import { PCI_SRIOV_CTRL } from '../../../assembly/abi/pci_sriov.ts';
import { LEGACY_QUEUE_ADDRESS, LEGACY_QUEUE_SIZE } from '../../../assembly/abi/virtio_pci_legacy.ts';
import { fromLe, header, le, outcomeOf, PATTERN, SELF, SRIOV, type AdminQueue, type Answer } from '../admin_queue.ts';
import { BAD_VF, NUM_VFS, QUEUE_SIZE } from '../bench.ts';
import { WRITE } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { adminCase } from './steps.ts';

const NOWHERE = 0x7777_0000;
const QUERY = header(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0);
const NOTIFY_INFO = header(VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO, SRIOV, BAD_VF);
const NOTIFY_INFO_BYTES = ADMIN_RESULT_HEADER_SIZE + ADMIN_NOTIFY_INFO_RESULT_SIZE;
/** A read of the queue size of VF 1, which is known. */
const READ_SIZE = [...header(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, SRIOV, BAD_VF), LEGACY_QUEUE_SIZE];
const READ_SIZE_BYTES = ADMIN_RESULT_HEADER_SIZE + 2;
const WRITE_PREFIX = [0, 0, 0, 0, 0, 0, 0];
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

function mustBeOk({ status, qualifier }: Answer, what: string): void {
  must(status === VIRTIO_ADMIN_STATUS_OK, `${what}: status ${status}, qualifier ${qualifier}`);
}

/** The answer to READ_SIZE. */
function mustBeSize(answer: Answer, what: string): void {
  mustBeOk(answer, what);
  must(fromLe(answer.result) === QUEUE_SIZE, `${what}: a queue size of ${fromLe(answer.result)}`);
}

/** All of these answers are refusals with this qualifier. */
function allRefused(answers: readonly Answer[], qualifier: number): Outcome {
  const outcomes = new Set(answers.map((answer) => outcomeOf(answer, qualifier)));
  must(outcomes.size === 1, 'some are refused and some are not');
  return [...outcomes][0]!;
}

const LENGTHS: readonly Case[] = [
  adminCase(
    'A01-short',
    'cuts the header of LIST_QUERY to every length from 0 bytes on',
    'ADM-VQ-01',
    ['served'],
    (queue) => {
      const lists = [header(VIRTIO_ADMIN_CMD_LIST_QUERY, SELF, 0), QUERY].map((bytes) => queue.send(bytes, 16).result);
      for (const length of range(0, ADMIN_CMD_HEADER_SIZE - 1)) {
        const answer = queue.send(QUERY.slice(0, length), 16);
        mustBeOk(answer, `${length} bytes`);
        const expected = lists[length < 3 ? 0 : 1]!; // without its third byte the group is 0
        must(Buffer.compare(answer.result, expected) === 0, `${length} bytes: another list`);
      }
      return 'served';
    },
  ),
  adminCase(
    'A01-member',
    'cuts a command for a VF before its member id',
    'ADM-VQ-01, ADM-CMD-04',
    ['refused'],
    (queue) =>
      allRefused(
        range(3, 16).map((length) => queue.send(READ_SIZE.slice(0, length), READ_SIZE_BYTES)),
        VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
      ),
  ),
  adminCase('A02-header', 'cuts a command in two at every byte', 'ADM-VQ-01; SPLIT-FRAME-01', ['served'], (queue) => {
    for (const cut of range(1, READ_SIZE.length - 1)) {
      mustBeSize(queue.send(READ_SIZE, READ_SIZE_BYTES, { readable: [cut] }), `cut behind ${cut} bytes`);
    }
    return 'served';
  }),
  adminCase('A02-bytes', 'sends a command in descriptors of one byte', 'SPLIT-FRAME-01', ['served'], (queue) => {
    const ones = { readable: READ_SIZE.slice(1).map(() => 1), writable: range(2, READ_SIZE_BYTES).map(() => 1) };
    mustBeSize(queue.send(READ_SIZE, READ_SIZE_BYTES, ones), 'bytes');
    return 'served';
  }),
  adminCase('A02-data', 'cuts the data of a register write at every byte', 'SPLIT-FRAME-01', ['served'], (queue) => {
    const opcode = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE;
    const whole = [...header(opcode, SRIOV, BAD_VF), LEGACY_QUEUE_ADDRESS, ...WRITE_PREFIX, ...le(0, 4)];
    for (const cut of range(ADMIN_CMD_HEADER_SIZE, whole.length - 1)) {
      mustBeOk(queue.send(whole, ADMIN_RESULT_HEADER_SIZE, { readable: [cut] }), `cut behind ${cut} bytes`);
    }
    return 'served';
  }),
  adminCase(
    'A02-answer',
    'cuts the room for an answer at every byte',
    'ADM-VQ-05; SPLIT-FRAME-01',
    ['served'],
    (queue) => {
      const expected = queue.send(NOTIFY_INFO, NOTIFY_INFO_BYTES).bytes;
      for (const cut of range(1, NOTIFY_INFO_BYTES - 1)) {
        const { bytes, length } = queue.send(NOTIFY_INFO, NOTIFY_INFO_BYTES, { writable: [cut] });
        must(length === NOTIFY_INFO_BYTES, `cut behind ${cut} bytes: ${length} were written`);
        must(Buffer.compare(bytes, expected) === 0, `cut behind ${cut} bytes: another answer`);
      }
      return 'served';
    },
  ),
];

/** A case whose opcodes are all refused as such. */
function badOpcode(id: string, act: string, opcodes: readonly number[], group = SRIOV): Case {
  return adminCase(`A03-${id}`, act, 'ADM-CMD-03, ADM-CMD-17', ['refused'], (queue) =>
    allRefused(
      opcodes.map((opcode) => queue.command(opcode, group, BAD_VF, [0], 8)),
      VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE,
    ),
  );
}

/** A case that addresses members which are none. */
function badMember(id: string, act: string, members: readonly (number | bigint)[]): Case {
  return adminCase(`A04-${id}`, act, 'ADM-CMD-04, ADM-CMD-24', ['refused'], (queue) =>
    allRefused(
      members.map((member) => queue.command(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, SRIOV, member, [0], 4)),
      VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER,
    ),
  );
}

const ADDRESSES: readonly Case[] = [
  badOpcode('unknown', 'sends opcodes that are not assigned', [VIRTIO_ADMIN_CMD_HIGHEST_ASSIGNED + 1, 0x20, 0x7fff]),
  badOpcode('reserved', 'sends opcodes from the reserved range', [VIRTIO_ADMIN_CMD_RESERVED_FROM, 0xffff]),
  badOpcode(
    'not-listed',
    'sends commands that LIST_QUERY does not list',
    range(VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY, VIRTIO_ADMIN_CMD_HIGHEST_ASSIGNED),
  ),
  badOpcode('self', 'sends the commands for VFs to the self group', range(2, 6), SELF),
  {
    id: 'A03-not-used',
    act: 'sends commands that are listed and not in use',
    clause: 'ADM-CMD-14, ADM-CMD-17',
    allowed: ['refused'],
    setup: 'admin',
    run: ({ admin: queue }) =>
      allRefused(
        range(2, 6).map((opcode) => queue.command(opcode, SRIOV, BAD_VF, [0], 8)),
        VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE,
      ),
  },
  adminCase('A04-group', 'sends commands to groups that there are not', 'ADM-CMD-02', ['refused'], (queue) =>
    allRefused(
      [2, 3, 0x101, 0xffff].map((group) => queue.command(VIRTIO_ADMIN_CMD_LIST_QUERY, group, 0, [], 8)),
      VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP,
    ),
  ),
  badMember('zero', 'addresses member 0', [0]),
  badMember('over', 'addresses members above NumVFs', [NUM_VFS + 1, 0xffff]),
  badMember('wide', 'addresses members whose low 32 bits are those of a VF', [2n ** 32n + 1n, 2n ** 63n + 1n]),
  adminCase('A04-removed', 'addresses a VF that was just taken away', 'ADM-CMD-24', ['refused'], (queue, bench) => {
    bench.writeSriov(PCI_SRIOV_CTRL, 0);
    bench.enableVfs(1);
    const answer = queue.command(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, SRIOV, NUM_VFS, [0], 4);
    bench.writeSriov(PCI_SRIOV_CTRL, 0);
    bench.enableVfs();
    bench.restartBystander();
    return outcomeOf(answer, VIRTIO_ADMIN_STATUS_Q_INVALID_MEMBER);
  }),
  adminCase('A04-none', 'addresses VFs while VF Enable is clear', 'ADM-CMD-23', ['refused'], (queue, bench) => {
    bench.writeSriov(PCI_SRIOV_CTRL, 0);
    const answer = queue.command(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, SRIOV, BAD_VF, [0], 4);
    bench.enableVfs();
    bench.restartBystander();
    return outcomeOf(answer, VIRTIO_ADMIN_STATUS_Q_INVALID_GROUP);
  }),
];

/** A LIST_USE that is refused leaves the list that is in use. */
function refusedList(queue: AdminQueue, bitmap: readonly number[]): Outcome {
  const answer = queue.command(VIRTIO_ADMIN_CMD_LIST_USE, SRIOV, 0, bitmap);
  mustBeSize(queue.send(READ_SIZE, READ_SIZE_BYTES), 'after the refusal');
  return outcomeOf(answer, VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD);
}

const LISTS: readonly Case[] = [
  adminCase(
    'A05-unknown',
    'puts commands into use that are not listed',
    'ADM-CMD-07, ADM-CMD-11',
    ['refused'],
    (queue) => refusedList(queue, [0xff, 0xff, 0xff]),
  ),
  adminCase(
    'A05-far',
    'puts a command into use whose bit lies behind the bitmap',
    'ADM-CMD-07, ADM-VQ-03',
    ['refused', 'served'],
    (queue) => refusedList(queue, [0x7f, ...range(1, 30).map(() => 0), 1]),
  ),
  adminCase('A06-twice', 'puts the same list into use twice', 'ADM-CMD-15', ['served'], (queue) => {
    for (let i = 0; i < 2; i++) queue.useAll();
    mustBeSize(queue.send(READ_SIZE, READ_SIZE_BYTES), 'after it');
    return 'served';
  }),
  adminCase(
    'A06-narrow',
    'takes the list commands themselves out of use',
    'ADM-CMD-15, ADM-CMD-17, AMB-36',
    ['refused'],
    (queue) => {
      mustBeOk(queue.command(VIRTIO_ADMIN_CMD_LIST_USE, SRIOV, 0, [0x7c]), 'the shorter list');
      mustBeSize(queue.send(READ_SIZE, READ_SIZE_BYTES), 'a command that stayed');
      return outcomeOf(queue.send(QUERY, 16), VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE);
    },
  ),
  adminCase(
    'A06-flight',
    'shortens the list between commands that are on the way',
    'ADM-CMD-15, ADM-VQ-10',
    ['served'],
    (queue) => {
      const before = queue.ring.usedIdx;
      const use = [...header(VIRTIO_ADMIN_CMD_LIST_USE, SRIOV, 0), 0x03];
      const first = range(1, 4).map(() => queue.add(READ_SIZE, READ_SIZE_BYTES));
      const list = queue.add(use, ADMIN_RESULT_HEADER_SIZE);
      const second = range(1, 4).map(() => queue.add(READ_SIZE, READ_SIZE_BYTES));
      queue.pf.kick(queue.index);
      must(queue.outcomeSince(before, 9) === 'served', 'the function stopped');
      const used = queue.ring.takeUsed().slice(-9);
      const answers = [...first, list, ...second].map((pending, i) => queue.answer(pending, used[i]!));
      answers.slice(0, 4).forEach((answer) => mustBeSize(answer, 'in front of the list'));
      mustBeOk(answers[4]!, 'the list');
      allRefused(answers.slice(5), VIRTIO_ADMIN_STATUS_Q_INVALID_OPCODE);
      return 'served';
    },
  ),
];

/** LIST_QUERY with a writable part of the caller's, made available as it is. */
function answerTo(queue: AdminQueue, addr: number, len: number, flags = WRITE): Outcome {
  const before = queue.ring.usedIdx;
  queue.addChain([
    { addr: queue.pf.memory.place(QUERY, 8), len: QUERY.length },
    { addr, len, flags },
  ]);
  queue.pf.kick(queue.index);
  return queue.outcomeSince(before);
}

const NO_ANSWER = 'GEN-STATUS-02, GEN-STATUS-03';

const ANSWERS: readonly Case[] = [
  adminCase('A07-readable', 'leaves no room for the status', NO_ANSWER, ['needs-reset'], (queue) =>
    answerTo(queue, queue.pf.memory.space(16), 16, 0),
  ),
  adminCase(
    'A07-small',
    'leaves room for a part of the status',
    'ADM-VQ-02, ADM-VQ-05',
    ['served', 'needs-reset'],
    (queue) => {
      for (const length of range(1, 7)) {
        const answer = queue.send(QUERY, length);
        must(answer.length === length, `${length} bytes of room, used length ${answer.length}`);
        must(
          answer.bytes.every((byte) => byte === 0),
          `${length} bytes of room do not hold the status`,
        );
      }
      return 'served';
    },
  ),
  adminCase(
    'A07-straddle',
    'cuts the status over two descriptors',
    'ADM-VQ-09; SPLIT-FRAME-01',
    ['served'],
    (queue) => {
      for (const cut of range(1, 7)) mustBeOk(queue.send(QUERY, 16, { writable: [cut] }), `cut behind ${cut} bytes`);
      return 'served';
    },
  ),
  adminCase(
    'A07-first',
    'puts the status in front of the command',
    `virtio 1.4 §2.7.4.2; ${NO_ANSWER}`,
    ['needs-reset'],
    (queue) => {
      const { memory } = queue.pf;
      const before = queue.ring.usedIdx;
      queue.addChain([
        { addr: memory.space(16), len: 16, flags: WRITE },
        { addr: memory.place(QUERY, 8), len: QUERY.length },
      ]);
      queue.pf.kick(queue.index);
      return queue.outcomeSince(before);
    },
  ),
  adminCase(
    'A07-unmapped',
    'puts the status where there is no memory',
    'PCIe 6.0 §2.4: posted writes are lost',
    ['served', 'needs-reset'],
    (queue) => answerTo(queue, NOWHERE, 16),
  ),
  adminCase(
    'A08-short',
    'leaves room for a part of the result, of every length',
    'ADM-VQ-02, ADM-VQ-05, ADM-VQ-07',
    ['served'],
    (queue) => {
      const whole = queue.send(NOTIFY_INFO, NOTIFY_INFO_BYTES).bytes;
      for (const length of range(ADMIN_RESULT_HEADER_SIZE, NOTIFY_INFO_BYTES)) {
        const { bytes, length: written } = queue.send(NOTIFY_INFO, length);
        must(written === length, `${length} bytes of room, used length ${written}`);
        must(Buffer.compare(bytes, whole.subarray(0, length)) === 0, `${length} bytes of room: another answer`);
      }
      return 'served';
    },
  ),
  adminCase('A08-large', 'leaves far more room than the result takes', 'ADM-VQ-04, ADM-VQ-05', ['served'], (queue) => {
    const { bytes, length } = queue.send(NOTIFY_INFO, 4096);
    must(length === NOTIFY_INFO_BYTES, `used length ${length}`);
    must(
      bytes.subarray(NOTIFY_INFO_BYTES).every((byte) => byte === PATTERN),
      'the surplus was written',
    );
    return 'served';
  }),
  adminCase('A08-huge', 'leaves 2^32 - 1 bytes of room', 'ADM-VQ-04, ADM-VQ-07', ['served', 'needs-reset'], (queue) =>
    answerTo(queue, queue.pf.memory.space(64), 0xffff_ffff),
  ),
  adminCase('A09-long', 'sends 30,000 bytes behind a command', 'ADM-VQ-03, ADM-VQ-07', ['served'], (queue) => {
    mustBeOk(queue.send([...QUERY, ...range(1, 30_000).map(() => 0xff)], 16), 'the long command');
    return 'served';
  }),
  adminCase('A09-short', 'leaves the data of a register write out', 'ADM-VQ-01, AMB-09', ['refused'], (queue) =>
    outcomeOf(
      queue.command(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE, SRIOV, BAD_VF),
      VIRTIO_ADMIN_STATUS_Q_INVALID_FIELD,
    ),
  ),
  adminCase(
    'A09-reserved',
    'fills the reserved bytes of the header',
    'ADM-VQ-03; virtio 1.4 §2.12.1',
    ['served'],
    (queue) => {
      mustBeOk(queue.send(header(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0, 0xff), 16), 'reserved bytes');
      return 'served';
    },
  ),
  adminCase(
    'A09-sum',
    'sends lengths that sum up to more than 2^32',
    `virtio 1.4 §2.7.5.2; ${NO_ANSWER}`,
    ['needs-reset'],
    (queue) => {
      const addr = queue.pf.memory.place(QUERY, 8);
      const before = queue.ring.usedIdx;
      queue.addChain([
        { addr, len: 0xffff_ffff },
        { addr, len: 0xffff_ffff },
        { addr: queue.pf.memory.space(16), len: 16, flags: WRITE },
      ]);
      queue.pf.kick(queue.index);
      return queue.outcomeSince(before);
    },
  ),
];

export const ADMIN_COMMAND_CASES: readonly Case[] = [...LENGTHS, ...ADDRESSES, ...LISTS, ...ANSWERS];
