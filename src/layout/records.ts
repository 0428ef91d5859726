// SPDX-License-Identifier: Apache-2.0
// What the core writes for the host to read: the output ring, frames on the wire, lives of administration commands, the
// trace ring.
import type { Table } from './rows.ts';

export const RECORD_BLOCKS: Table = [
  {
    name: 'output_record',
    title: 'A record of the output ring',
    file: 'record',
    by: 'sim',
    sizeName: 'OUT_RECORD_BYTES',
    rows: [
      ['OUT_TIME', 'u64', ''],
      ['OUT_KIND', 'u32', 'OUT_MSI and the others, with a PASID above OUT_PASID_SHIFT'],
      ['OUT_FUNCTION', 'u32', ''],
      ['OUT_A', 'u32', 'as the kind says'],
      ['OUT_B', 'u32', ''],
      ['OUT_C', 'u32', ''],
      ['OUT_D', 'u32', ''],
    ],
  },

  {
    name: 'wire_entry',
    title: 'A frame that left on the wire; its bytes follow, padded to 8',
    file: 'record',
    by: 'net',
    sizeName: 'WIRE_ENTRY_BYTES',
    rows: [
      ['WIRE_END', 'u32', 'the host moves CTL_WIRE_TAIL here'],
      ['WIRE_LENGTH', 'u32', ''],
    ],
  },

  {
    name: 'admin_record',
    title: 'The life of an administration command',
    file: 'record',
    by: 'admin',
    sizeName: 'ADMIN_TRACE_BYTES',
    numbers: [['ADMIN_TRACE_COMMAND_BYTES', 40, 'header and 16 bytes of data']],
    rows: [
      ['ADMIN_TRACE_OPCODE', 'u16', ''],
      ['ADMIN_TRACE_GROUP', 'u16', ''],
      ['ADMIN_TRACE_MEMBER', 'u32', ''],
      ['ADMIN_TRACE_STATUS', 'u16', ''],
      ['ADMIN_TRACE_QUALIFIER', 'u16', ''],
      ['ADMIN_TRACE_CHAIN', 'u32', 'head of its chain'],
      ['ADMIN_TRACE_KICK_ISSUED', 'u64', 'doorbell written by the host'],
      ['ADMIN_TRACE_KICK_ARRIVED', 'u64', ''],
      ['ADMIN_TRACE_VISITED', 'u64', 'read of the index started'],
      ['ADMIN_TRACE_IDX_READ', 'u64', 'index back'],
      ['ADMIN_TRACE_RING_READ', 'u64', 'ring entries back'],
      ['ADMIN_TRACE_STARTED', 'u64', 'head taken'],
      ['ADMIN_TRACE_WALKED', 'u64', 'descriptors known'],
      ['ADMIN_TRACE_GATHERED', 'u64', 'data known'],
      ['ADMIN_TRACE_EXECUTING', 'u64', ''],
      ['ADMIN_TRACE_EXECUTED', 'u64', ''],
      ['ADMIN_TRACE_RETIRED', 'u64', 'write-back issued'],
      ['ADMIN_TRACE_NOTIFIED', 'u64', 'message arrived at the host, 0 if none was sent'],
      ['ADMIN_TRACE_UP_TLPS', 'u16', ''],
      ['ADMIN_TRACE_DOWN_TLPS', 'u16', ''],
      ['ADMIN_TRACE_UP_BYTES', 'u32', ''],
      ['ADMIN_TRACE_DOWN_BYTES', 'u32', ''],
      ['ADMIN_TRACE_JOBS', 'u32', 'commands of the queue in work'],
      ['ADMIN_TRACE_LIVES', 'life[4]', 'of its reads: index, ring, descriptors, data'],
      ['ADMIN_TRACE_ENGINE_WAIT', 'u32', 'cycles until an engine took it'],
      ['ADMIN_TRACE_LENGTH', 'u32', 'bytes of the command'],
      ['ADMIN_TRACE_COMMAND', 'u8[ADMIN_TRACE_COMMAND_BYTES]', 'the first of them'],
    ],
  },

  {
    name: 'trace_record',
    title: 'A record of the trace ring; trace_kind.ts says what its words are for each kind',
    file: 'record',
    by: 'sim',
    rows: [
      ['TRACE_TIME', 'u64', ''],
      ['TRACE_KIND', 'u16', 'TRACE_TLP and the others'],
      ['TRACE_FUNCTION', 'u16', 'number of the function, or TRACE_NOBODY'],
      ['TRACE_BYTES', 'u16', 'whole record'],
      ['TRACE_SUB', 'u16', ''],
      ['TRACE_A', 'u32', ''],
      ['TRACE_B', 'u32', ''],
      ['TRACE_C', 'u64', ''],
      ['TRACE_D', 'u32', ''],
      ['TRACE_E', 'u32', ''],
      ['TRACE_PAYLOAD', 'u8[]', 'bytes of a record without payload'],
    ],
  },
];
