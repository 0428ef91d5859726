// SPDX-License-Identifier: Apache-2.0
// A number that differs whenever two builds read the same bytes of state in different ways: the layout of every block, and
// the numbers that words of the state hold or are found by (kinds and states, events, counters, parameters, configuration,
// capabilities). Code that changes and leaves these alone leaves snapshots valid.
import * as configLayout from '../../assembly/abi/config_layout.ts';
import * as counter from '../../assembly/abi/counter.ts';
import * as eventCode from '../../assembly/abi/event_code.ts';
import * as nicConfig from '../../assembly/abi/nic_config.ts';
import * as stateValue from '../../assembly/abi/state_value.ts';
import * as timingParam from '../../assembly/abi/timing_param.ts';
import { asUsed } from './namespaces.ts';
import { place } from './resolve.ts';
import type { Table } from './rows.ts';

/** Values that words of the state hold, by name. */
export type StoredValues = Readonly<Record<string, number>>;

export const STORED_VALUES: StoredValues = {
  ...asUsed('config_layout', configLayout),
  ...asUsed('counter', counter),
  ...asUsed('event_code', eventCode),
  ...asUsed('nic_config', nicConfig),
  ...asUsed('state_value', stateValue),
  ...asUsed('timing_param', timingParam),
};

const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a over names, types, offsets and sizes of a table, and over names and values. */
export function layoutHash(table: Table, values: StoredValues): number {
  const lines = [
    ...place(table).flatMap(({ block, fields, bytes }) => [
      `${block.name} ${bytes}`,
      ...(block.numbers ?? []).map(([name, value]) => `${name} ${value}`),
      ...fields.map(({ name, element, count, offset }) => `${name} ${element} ${count} ${offset}`),
    ]),
    ...Object.entries(values).map(([name, value]) => `${name} ${value}`),
  ];
  let hash = FNV_BASIS;
  for (const character of lines.toSorted().join('\n')) hash = Math.imul(hash ^ character.charCodeAt(0), FNV_PRIME);
  return hash >>> 0;
}
