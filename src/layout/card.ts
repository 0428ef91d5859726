// SPDX-License-Identifier: Apache-2.0
// Blocks of the event wheel, the switch, and the traffic generator.
import type { Table } from './rows.ts';

export const CARD_BLOCKS: Table = [
  {
    name: 'wheel_slot',
    title: 'Events of one cycle, in the order of priority and arrival',
    file: 'event_node',
    by: 'sim',
    sizeName: 'WHEEL_SLOT_BYTES',
    rows: [
      ['WHEEL_HEAD', 'u32', 'event node'],
      ['WHEEL_TAIL', 'u32', ''],
    ],
  },

  {
    name: 'event_node',
    title: 'An event',
    file: 'event_node',
    by: 'sim',
    sizeName: 'EVENT_NODE_BYTES',
    rows: [
      ['EVENT_TIME', 'u64', 'cycle'],
      ['EVENT_NEXT', 'u32', 'node of the slot, or free node'],
      ['EVENT_CODE', 'u16', 'EV_*'],
      ['EVENT_PRIORITY', 'u16', 'PRIO_*'],
      ['EVENT_A0', 'u32', 'as the code says'],
      ['EVENT_A1', 'u32', ''],
      ['EVENT_SEQUENCE', 'u64', 'order of far events of equal time and priority'],
    ],
  },

  {
    name: 'packet',
    title: 'A frame in the hands of the switch',
    file: 'switch_state',
    by: 'net',
    rows: [
      ['PACKET_FRAME', 'u32', 'address'],
      ['PACKET_LENGTH', 'u32', ''],
      ['PACKET_SOURCE', 'u32', 'function that sent it, or PORT_WIRE'],
      ['PACKET_VLAN', 'u32', 'that it travels in, 0 if in none; set by the switch'],
      ['PACKET_TAG_BYTES', 'u32', 'of the tags behind the addresses'],
      ['PACKET_TCI', 'u32', 'of the first tag if it is one of 802.1Q, else NONE'],
      ['PACKET_FLOW', 'u32', 'hash of the flow, once somebody asked'],
      ['PACKET_HAS_FLOW', 'u32', ''],
    ],
  },

  {
    name: 'mac_slot',
    title: "A slot of the switch's table",
    file: 'switch_state',
    by: 'net',
    sizeName: 'MAC_TABLE_SLOT_BYTES',
    rows: [
      ['MAC_SLOT_KEY', 'u64', 'address, bit 48 set; 0: empty'],
      ['MAC_SLOT_FUNCTION', 'u32', ''],
    ],
  },

  {
    name: 'generator',
    title: 'Traffic generator',
    file: 'generator',
    by: 'src',
    bytes: 256,
    rows: [
      ['GEN_OPERATION', 'u32', 'GENERATE_*'],
      ['GEN_BYTES', 'u32', 'of an operation, up to 4096'],
      ['GEN_LEFT', 'u32', 'operations to start', { by: 'pcie src' }],
      ['GEN_DONE', 'u32', '', { by: 'pcie src' }],
      ['GEN_WARM', 'u32', 'operations that come before the measurement'],
      ['GEN_UNTIL', 'u32', 'operations with which it ends; more may follow, to keep the card busy until then'],
      ['GEN_WARM_AT', 'u64', 'cycle in which they were done', { by: 'pcie src' }],
      ['GEN_LAST_AT', 'u64', 'cycle in which operation GEN_UNTIL was done', { by: 'pcie src' }],
      ['GEN_IOVA', 'u64', ''],
      ['GEN_WINDOW', 'u32', 'bytes from there on'],
      ['GEN_RANDOM', 'u32', '1: random places, 0: one after the other'],
      ['GEN_FUNCTION', 'u32', 'its block', { by: 'pcie' }],
      ['GEN_NEXT', 'u32', 'next offset', { by: 'pcie src' }],
      ['GEN_SEED', 'u64', 'not 0', { by: 'pcie src' }],
      ['GEN_SAMPLES', 'u32', 'latencies recorded', { by: 'pcie src' }],
    ],
  },

  {
    name: 'generator_context',
    title: 'An operation of the traffic generator',
    file: 'generator',
    by: 'pcie',
    sizeName: 'GENERATOR_CONTEXT_BYTES',
    rows: [
      ['GENERATOR_DMA', 'dma_context', ''],
      ['GENERATOR_BEGUN', 'u64', 'cycle'],
      ['GENERATOR_STEP', 'u32', 'what comes next'],
    ],
  },
];
