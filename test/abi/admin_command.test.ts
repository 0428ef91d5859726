// SPDX-License-Identifier: Apache-2.0
// The rows of the administration commands and of the control commands say what virtio 1.4 says: typed again from its tables.
import { describe, expect, it } from 'vitest';

import * as A from '../../assembly/abi/admin_command.ts';
import { CONTROL_COMMANDS, CONTROL_ROW_FIELDS } from '../../assembly/abi/net_control.ts';
import { PROFILE_LEGACY } from '../../assembly/abi/state_value.ts';

const SELF = 1;
const SRIOV = 2;
const ON_DEMAND = 4;

/** Rows as numbers, without their cost, which is a parameter's index. */
const rows = Array.from({ length: A.ADMIN_COMMANDS.length / A.ADMIN_ROW_FIELDS }, (_, opcode) => {
  const field = (index: number): number => A.ADMIN_COMMANDS[opcode * A.ADMIN_ROW_FIELDS + index]!;
  return {
    opcode,
    groups: field(A.ADMIN_ROW_GROUPS),
    isList: (field(A.ADMIN_ROW_TRAITS) & A.COMMAND_LIST) !== 0,
    hasData: (field(A.ADMIN_ROW_TRAITS) & A.COMMAND_DATA) !== 0,
    hasMember: (field(A.ADMIN_ROW_TRAITS) & A.COMMAND_MEMBER) !== 0,
    isLegacy: field(A.ADMIN_ROW_NEEDS) === PROFILE_LEGACY,
    result: field(A.ADMIN_ROW_RESULT),
  };
});

describe('administration commands', () => {
  // §2.12.1.1: LIST_QUERY answers a bitmap of 64 bits, LIST_USE takes one; §2.12.1.2: registers of a member of the
  // SR-IOV group, NOTIFY_INFO four entries of 16 bytes
  it.each([
    { opcode: 0, groups: SELF | SRIOV, isList: true, hasData: false, hasMember: false, isLegacy: false, result: 8 },
    { opcode: 1, groups: SELF | SRIOV, isList: true, hasData: true, hasMember: false, isLegacy: false, result: 0 },
    ...[2, 4].map((opcode) => legacy(opcode, true, 0)),
    ...[3, 5].map((opcode) => legacy(opcode, true, 4)),
    legacy(6, false, 64),
  ])('opcode $opcode', (row) => {
    expect(rows[row.opcode]).toEqual(row);
  });

  it('are no more than that, and the masks are their bits', () => {
    const mask = rows.filter(({ isLegacy }) => isLegacy).reduce((bits, { opcode }) => bits + 2 ** opcode, 0);

    expect(rows).toHaveLength(7);
    expect([A.LEGACY_COMMANDS, mask]).toEqual([0x7c, 0x7c]);
    // opcodes 7 to 17 without RESOURCE_OBJ_MODIFY and RESOURCE_OBJ_QUERY, 11 and 12
    expect(A.DEVICE_PARTS_COMMANDS).toBe(2 ** 18 - 2 ** 7 - 2 ** 11 - 2 ** 12);
  });

  function legacy(opcode: number, hasData: boolean, result: number) {
    return { opcode, groups: SRIOV | ON_DEMAND, isList: false, hasData, hasMember: true, isLegacy: true, result };
  }
});

describe('control commands', () => {
  it('have the class, the command and the feature bits of §5.1.6.5', () => {
    const [CTRL_RX, MQ, MAC_ADDR] = [18, 22, 23];
    const typed = [
      [0, 0, CTRL_RX, CTRL_RX], // RX PROMISC
      [0, 1, CTRL_RX, CTRL_RX], // RX ALLMULTI
      [1, 0, CTRL_RX, CTRL_RX], // MAC TABLE_SET
      [1, 1, MAC_ADDR, CTRL_RX], // MAC ADDR_SET
      [4, 0, MQ, MQ], // MQ VQ_PAIRS_SET
    ];

    expect(CONTROL_ROW_FIELDS).toBe(4);
    expect([...CONTROL_COMMANDS]).toEqual(typed.flat());
  });
});
