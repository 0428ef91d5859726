// SPDX-License-Identifier: Apache-2.0
// Blocks of the card's port: link, credits, tags, writes of drivers on their way to the card.
import type { Table } from './rows.ts';

export const PORT_BLOCKS: Table = [
  {
    name: 'link',
    title: 'One direction of the link',
    file: 'link',
    by: 'pcie',
    bytes: 0x40,
    rows: [
      ['LINK_FREE', 'u64', 'cycle in which the wire is free again ...'],
      ['LINK_FRACTION', 'u64', '... and the part of it, in 1/P_BYTE_DEN'],
      ['LINK_DEBT', 'u64', 'DLLPs and ordered sets that are due'],
      ['LINK_TLPS', 'u64', ''],
      ['LINK_BYTES', 'u64', ''],
    ],
  },

  {
    name: 'credit_class',
    title: 'Credits of a class that its sender has not back',
    file: 'credit',
    by: 'pcie',
    sizeName: 'CREDIT_CLASS_BYTES',
    rows: [
      ['CREDIT_HEAD', 'u32', 'free-running entries of the ring'],
      ['CREDIT_TAIL', 'u32', ''],
      ['CREDIT_DATA', 'u32', 'data units under way'],
      ['CREDIT_BACK', 'u64', 'cycle: all that was taken off the ring is back by then'],
      ['CREDIT_UPDATE', 'u64', 'cycle of an UpdateFC, a multiple of P_FC_INTERVAL'],
    ],
  },

  {
    name: 'credit_entry',
    title: 'Credits that were taken and are not back yet',
    file: 'credit',
    by: 'pcie',
    sizeName: 'CREDIT_ENTRY_BYTES',
    rows: [
      ['CREDIT_ENTRY_CYCLE', 'u64', 'in which they are back'],
      ['CREDIT_ENTRY_UNITS', 'u32', 'of data'],
    ],
  },

  {
    name: 'credit_ring',
    title: 'Ring of a credit class',
    file: 'credit',
    by: 'pcie',
    sizeName: 'CREDIT_RING_BYTES',
    rows: [['CREDIT_RING_ENTRY', 'credit_entry[CREDIT_RING_ENTRIES]', 'sorted by cycle']],
  },

  {
    name: 'tag',
    title: 'A read request under way',
    file: 'tag',
    by: 'pcie',
    sizeName: 'TAG_BYTES',
    rows: [
      ['TAG_CONTEXT', 'u32', 'DMA context that it is for'],
      ['TAG_GENERATION', 'u32', ''],
      ['TAG_IOVA', 'u64', ''],
      ['TAG_LENGTH', 'u32', ''],
      ['TAG_TARGET', 'u32', ''],
      ['TAG_STATUS', 'u32', 'READ_FAULT_* or 0'],
      ['TAG_NEXT', 'u32', 'free list'],
      ['TAG_FN', 'u32', 'function block'],
      ['TAG_HEADERS', 'u32', 'room for completions that is reserved'],
      ['TAG_NUMBER', 'u32', 'requests since creation, this one included'],
      ['TAG_ENGINE_WAIT', 'u32', 'its life in cycles, from here on; what it waited for stands between'],
      ['TAG_SETUP', 'u32', ''],
      ['TAG_READY', 'u32', 'low word of the cycle in which it was set up'],
      ['TAG_SENT', 'u32', 'likewise, put on the link'],
      ['TAG_UP', 'u32', 'until its last symbol was out'],
      ['TAG_TRANSLATION', 'u32', 'in the IO-TLB'],
      ['TAG_HOST', 'u32', 'in the host, translation included'],
      ['TAG_DOWN', 'u32', 'until the last symbol of its completions was out'],
      ['TAG_FORGOTTEN', 'u32', '1: given up, or a function level reset came over it'],
      ['TAG_DEADLINE', 'u64', 'the cycle in which the request is given up'],
      ['TAG_LATE', 'u32', 'pieces of it that memory has not answered yet'],
    ],
  },

  {
    name: 'host_request',
    title: 'A request of a driver that is to be answered: a read, or a configuration access',
    file: 'request',
    by: 'nic',
    sizeName: 'REQUEST_BYTES',
    rows: [
      ['REQUEST_ISSUED', 'u64', 'cycle'],
      ['REQUEST_ADDRESS', 'u64', 'on the bus; of configuration space, the offset'],
      ['REQUEST_FUNCTION', 'u32', ''],
      ['REQUEST_BAR', 'u32', 'or TRACE_SPACE_CONFIG'],
      ['REQUEST_OFFSET', 'u32', ''],
      ['REQUEST_SIZE', 'u32', 'of the access, then of what the completion carries'],
      ['REQUEST_VALUE', 'u32', 'written, or read'],
      ['REQUEST_IS_WRITE', 'u8', ''],
      ['REQUEST_NEXT', 'u32', 'free list'],
    ],
  },

  {
    name: 'inbound_slot',
    title: 'A host write on its way to the device',
    file: 'inbound',
    by: 'nic',
    sizeName: 'INBOUND_SLOT_BYTES',
    rows: [
      ['INBOUND_ISSUED', 'u64', 'cycle'],
      ['INBOUND_FUNCTION', 'u32', ''],
      ['INBOUND_BAR', 'u32', ''],
      ['INBOUND_OFFSET', 'u32', ''],
      ['INBOUND_SIZE', 'u32', ''],
      ['INBOUND_VALUE', 'u32', ''],
    ],
  },
];
