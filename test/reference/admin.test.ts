// SPDX-License-Identifier: Apache-2.0
// Answers to administration commands as the specification has them, written down case by case: order of the checks, member
// ids, lists, lengths, ranges of legacy registers.
import { beforeEach, describe, expect, it } from 'vitest';

import {
  adminAnswerFault,
  expectedAdminAnswer,
  noteAdminAnswer,
  resetAdmin,
  type AdminState,
} from '../../src/reference/admin.ts';

const OK = 'ok';
const GROUP = 'group';
const OPCODE = 'opcode';
const MEMBER = 'member';
const FIELD = 'field';
const NAMES: Readonly<Record<string, string>> = {
  '0/0': OK,
  '22/2': OPCODE,
  '22/3': FIELD,
  '22/4': GROUP,
  '22/5': MEMBER,
};

let state: AdminState;

/** Opcode, group type, member id, command_specific_data. */
function command(opcode: number, group: number, member: number, ...data: number[]): Uint8Array {
  const bytes = new Uint8Array(24 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, opcode, true);
  view.setUint16(2, group, true);
  view.setUint32(16, member, true);
  bytes.set(data, 24);
  return bytes;
}

function names(bytes: Uint8Array, writableBytes = 8): (string | undefined)[] {
  const { outcomes } = expectedAdminAnswer(bytes, writableBytes, state);
  return outcomes.map(({ status, qualifier }) => NAMES[`${status}/${qualifier}`]);
}

function used(bytes: Uint8Array, writableBytes: number): [least: number, most: number][] {
  const { outcomes } = expectedAdminAnswer(bytes, writableBytes, state);
  return outcomes.map(({ leastBytes, mostBytes }) => [leastBytes, mostBytes]);
}

beforeEach(() => {
  state = {
    self: { supported: 0b11, used: null },
    sriov: { supported: 0x7f, used: 0x7f },
    isVfEnabled: true,
    numVfs: 4,
    lenientSriovLists: true,
    hasMsix: (vf) => vf === 2,
    notify: { bar: 2, offset: 0x3000 },
  };
});

describe('order of the checks', () => {
  it('group before opcode before member', () => {
    expect(names(command(0x99, 2, 99))).toEqual([GROUP]);
    expect(names(command(0x99, 1, 99))).toEqual([OPCODE]);
    expect(names(command(6, 1, 99), 72)).toEqual([MEMBER]);
    expect(names(command(3, 1, 99, 200))).toEqual([MEMBER]);
  });

  it('members are 1 to NumVFs', () => {
    for (const member of [0, 5, 0xffff_ffff]) expect(names(command(6, 1, member), 72)).toEqual([MEMBER]);
    for (const member of [1, 4]) expect(names(command(6, 1, member), 72)).toEqual([OK]);
    const far = command(6, 1, 1);
    far[20] = 1; // 2^32 + 1
    expect(names(far, 72)).toEqual([MEMBER]);
  });

  it('without VF Enable the SR-IOV group is none, except for the lists', () => {
    state.isVfEnabled = false;
    expect(names(command(6, 1, 1), 72)).toEqual([GROUP]);
    expect(names(command(0, 1, 0), 16)).toEqual([OK]);
    state = { ...state, lenientSriovLists: false };
    expect(names(command(0, 1, 0), 16)).toEqual([GROUP]);
  });
});

describe('lists', () => {
  it('only the list commands are legal until LIST_USE', () => {
    resetAdmin(state);
    expect(names(command(6, 1, 1), 72)).toEqual([OPCODE]);
    expect(names(command(0, 1, 77), 16)).toEqual([OK]);
    const use = command(1, 1, 0, 0x7f);
    expect(names(use)).toEqual([OK]);
    noteAdminAnswer(state, use, 0);
    expect(names(command(6, 1, 1), 72)).toEqual([OK]);
    expect(names(command(6, 0, 0), 72)).toEqual([OPCODE]);
  });

  it('what is used is the exact set, the list commands included', () => {
    const use = command(1, 1, 0, 0x7c);
    expect(names(use)).toEqual([OK, FIELD]);
    noteAdminAnswer(state, use, 0);
    expect(names(command(0, 1, 0), 16)).toEqual([OPCODE]);
    expect(names(use)).toEqual([OPCODE]);
    expect(state.self.used).toBeNull();
  });

  it('a list that failed changes nothing', () => {
    const use = command(1, 1, 0, 0xff);
    expect(names(use)).toEqual([FIELD]);
    noteAdminAnswer(state, use, 22);
    expect(state.sriov.used).toBe(0x7f);
  });

  it('LIST_QUERY shows each group its own', () => {
    expect(expectedAdminAnswer(command(0, 1, 0), 16, state).result).toEqual(Uint8Array.of(0x7f, 0, 0, 0, 0, 0, 0, 0));
    expect(expectedAdminAnswer(command(0, 0, 0), 16, state).result).toEqual(Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0));
  });
});

describe('lengths', () => {
  it('a short command is padded with zeros', () => {
    expect(names(Uint8Array.of(), 16)).toEqual([OK]); // LIST_QUERY of the self group
    expect(names(Uint8Array.of(6, 0, 1), 72)).toEqual([MEMBER]);
  });

  it('an answer is cut to its room, and needs some', () => {
    expect(used(command(0, 1, 0), 16)).toEqual([[16, 16]]);
    expect(used(command(0, 1, 0), 10)).toEqual([[10, 10]]);
    expect(used(command(0, 1, 0), 24)).toEqual([[16, 24]]);
    expect(used(command(6, 1, 1), 72)).toEqual([[72, 72]]);
    expect(used(command(6, 1, 1), 100)).toEqual([[72, 72]]);
    expect(used(command(6, 1, 9), 3)).toEqual([[3, 3]]);
    expect(names(command(6, 1, 1), 0)).toEqual([]);
  });
});

describe('legacy registers', () => {
  const read = (opcode: number, vf: number, offset: number, bytes: number): (string | undefined)[] =>
    names(command(opcode, 1, vf, offset), 8 + bytes);

  it.each([
    [0, 4, OK],
    [2, 2, OK],
    [1, 3, OK],
    [2, 4, FIELD],
    [12, 2, OK],
    [12, 4, FIELD],
    [18, 1, OK],
    [18, 2, FIELD],
    [19, 1, OK],
    [255, 1, FIELD],
  ])('common part: %i, %i bytes: %s', (offset, bytes, outcome) => {
    for (const vf of [1, 2]) expect(read(3, vf, offset, bytes)).toEqual([outcome]);
  });

  it.each([
    [20, 2],
    [22, 1],
  ])('vectors at %i exist with MSI-X', (offset, bytes) => {
    expect(read(3, 1, offset, bytes)).toEqual([FIELD]);
    expect(read(3, 2, offset, bytes)).toEqual([OK]);
    expect(read(3, 2, 24, bytes)).toEqual([FIELD]);
  });

  it.each([
    [0, 6, OK],
    [5, 2, FIELD],
    [6, 2, OK],
    [10, 2, OK],
    [10, 3, FIELD],
    [28, 1, FIELD],
  ])('device part: %i, %i bytes: %s', (offset, bytes, outcome) => {
    expect(read(5, 1, offset, bytes)).toEqual([outcome]);
  });

  it('a write is as long as what follows its prefix', () => {
    const prefix = [0, 0, 0, 0, 0, 0, 0];
    expect(names(command(2, 1, 1, 18, ...prefix, 0))).toEqual([OK]);
    expect(names(command(2, 1, 1, 18, ...prefix, 0, 0))).toEqual([FIELD]);
    expect(names(command(2, 1, 1, 18, ...prefix))).toEqual([OK, FIELD]);
    expect(names(command(4, 1, 1, 0, ...prefix, 2, 2, 2, 2, 2, 2))).toEqual([OK]);
    expect(names(command(4, 1, 1, 4, ...prefix, 2, 2, 2))).toEqual([FIELD]);
  });

  it('notification info is one entry for the member, and the end', () => {
    const result = expectedAdminAnswer(command(6, 1, 1), 72, state).result!;
    expect([...result.subarray(0, 16)]).toEqual([2, 2, 0, 0, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0]);
    expect(result.subarray(16).every((byte) => byte === 0)).toBe(true);
    expect(result.length).toBe(64);
  });
});

describe('a fault', () => {
  const query = command(0, 1, 0);
  const good = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0);
  const fault = (bytes: Uint8Array, length: number): string | null =>
    adminAnswerFault(expectedAdminAnswer(query, 16, state), bytes, length);

  it('is none for the right answer', () => {
    expect(fault(good, 16)).toBeNull();
  });

  it('names what is wrong', () => {
    expect(fault(Uint8Array.of(22, 0, 2, 0, ...good.subarray(4)), 16)).toBe('status 22 2, 16 bytes; allowed 0 0 16 16');
    expect(fault(good, 8)).toBe('status 0 0, 8 bytes; allowed 0 0 16 16');
    expect(fault(good.with(5, 1), 16)).toBe('reserved2 is not zero');
    expect(fault(good.with(8, 0xff), 16)).toBe('result byte 0 is 255, expected 127');
  });
});
